"""Who decodes is told by what is decoded, not by how many rows there are; the same in batches, streams and splits."""

from __future__ import annotations

from typing import Any

import datasets
import pytest

from vqe_core import EMScore, score_dataset
from vqe_core.toy.clips import make_clip, write_clip
from vqe_core.workers import WorkerPool

TOY: dict[str, Any] = {"clip_model_path": "toy", "frame_num": 1, "metrics": ["cogr"]}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_clip(make_clip(0), tmp_path_factory.mktemp("clip") / "clip.mp4"))


@pytest.fixture
def asked(tmp_path, monkeypatch) -> list[Any]:
    """Collect what each batch says about worker processes; none is started."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    found: list[Any] = []

    def of(settings: Any, sources: Any) -> WorkerPool:
        found.append(settings.isolate)
        return WorkerPool(False)

    monkeypatch.setattr(WorkerPool, "of", of)
    return found


def rows(clip: str, count: int) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"video_path": [clip] * count, "candidate": ["a red circle"] * count})


def test_every_batch_is_decoded_alike(clip, asked):
    score_dataset(rows(clip, 5), **TOY, rows_per_batch=3)
    list(score_dataset(rows(clip, 3).to_iterable_dataset(), **TOY))
    rows(clip, 4).map(EMScore(**TOY), batched=True, batch_size=2)
    assert asked == ["auto"] * 5


@pytest.mark.parametrize("isolate", [True, False])
def test_the_option_decides_where_it_is_given(clip, asked, isolate):
    score_dataset(rows(clip, 5), **TOY, isolate=isolate)
    list(score_dataset(rows(clip, 2).to_iterable_dataset(), **TOY, isolate=isolate))
    assert set(asked) == {isolate}
