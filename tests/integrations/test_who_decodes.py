"""The choice to decode in worker processes is made for a data set, not for a batch of it."""

from __future__ import annotations

from typing import Any

import datasets
import pytest

from vqe_core import EMScore, score_dataset, summarise
from vqe_core.toy.clips import make_clip, write_clip
from vqe_core.workers import WorkerPool

TOY: dict[str, Any] = {"clip_model_path": "toy", "frame_num": 1, "metrics": ["cogr"]}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_clip(make_clip(0), tmp_path_factory.mktemp("clip") / "clip.mp4"))


@pytest.fixture
def asked(tmp_path, monkeypatch) -> list[bool | None]:
    """Collect what each batch says about worker processes; none is started."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    found: list[bool | None] = []

    def of(settings: Any, sources: Any) -> WorkerPool:
        found.append(settings.isolate)
        return WorkerPool(False, 120.0)

    monkeypatch.setattr(WorkerPool, "of", of)
    return found


def rows(clip: str, count: int) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"video_path": [clip] * count, "candidate": ["a red circle"] * count})


def test_a_last_partial_batch_is_decoded_like_the_others(clip, asked):
    score_dataset(rows(clip, 70), **TOY, rows_per_batch=48)
    assert asked == [True, True]
    asked.clear()
    score_dataset(rows(clip, 63), **TOY, rows_per_batch=48)
    assert asked == [None, None]  # so few that the files of the batch decide


def test_a_stream_counts_as_long(clip, asked):
    assert len(list(score_dataset(rows(clip, 3).to_iterable_dataset(), **TOY))) == 3
    assert asked == [True]


@pytest.mark.parametrize("isolate", [True, False])
def test_the_option_decides_where_it_is_given(clip, asked, isolate):
    score_dataset(rows(clip, 70), **TOY, isolate=isolate)
    list(score_dataset(rows(clip, 2).to_iterable_dataset(), **TOY, isolate=isolate))
    assert set(asked) == {isolate}


def test_map_in_small_batches_counts_its_rows(clip, asked):
    scorer = EMScore(**TOY)
    rows(clip, 96).map(scorer, batched=True, batch_size=32)
    assert asked == [None, True, True]
    assert scorer == EMScore(**TOY)


def test_who_decodes_is_in_no_signature(clip, asked):
    long, short = (score_dataset(rows(clip, count), **TOY) for count in (70, 2))
    assert summarise(long)["signature"] == summarise(short)["signature"]
