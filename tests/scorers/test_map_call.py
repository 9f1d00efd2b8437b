"""Common slips around ``map``: each says what to do instead; and workers share the GPUs."""

from __future__ import annotations

import re
from typing import Any

import datasets
import numpy as np
import pytest
import torch

from vqe_core import EMScore, VideoAudioSimilarity, score_dataset
from vqe_core.errors import InputTypeError
from vqe_core.scorers.map_call import on_rank

TOY: dict[str, Any] = {"clip_model_path": "toy"}
SCORE = "EMScore(X,X*)_full_F"


@pytest.fixture(autouse=True)
def own_datasets_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def rows() -> datasets.Dataset:
    return datasets.Dataset.from_dict({"candidate": ["a dog", "a cat"], "reference": ["a red dog", "a cat"]})


@pytest.mark.parametrize("streamed", [False, True])
def test_map_without_batched_says_batched(rows, streamed):
    videos = datasets.Dataset.from_dict({"video_path": [["a.mp4", "b.mp4"]] * 2})
    for part, scorer in ((rows, EMScore(**TOY)), (videos, VideoAudioSimilarity(hf_clip="toy"))):
        if streamed and part is videos:
            continue  # a row of two videos cannot be told from two rows there
        with pytest.raises(InputTypeError, match=re.escape("give it batches of rows: map(scorer, batched=True)")):
            list((part.to_iterable_dataset() if streamed else part).map(scorer))
    with pytest.raises(InputTypeError, match="batched=True"):
        VideoAudioSimilarity(hf_clip="toy")({"video_path": "a.mp4"})


@pytest.mark.parametrize(
    "columns", [["candidate"], ["candidate", "reference"], ["candidate", "reference", "candidate"]]
)
def test_map_with_input_columns_names_the_key_options(rows, columns):
    words = "leave input_columns out, and name the columns by candidate_key and the other *_key options"
    with pytest.raises(InputTypeError, match=re.escape(words)):
        rows.map(EMScore(**TOY), batched=True, input_columns=columns)


def test_map_with_indices_says_to_leave_them_out(rows):
    with pytest.raises(InputTypeError, match="leave with_indices out"):
        rows.map(EMScore(**TOY), batched=True, with_indices=True)


def test_map_of_arrow_tables_says_which_format(rows):
    with pytest.raises(InputTypeError, match=re.escape("rows.with_format(None).map(scorer, batched=True)")):
        rows.with_format("arrow").map(EMScore(**TOY), batched=True)


@pytest.mark.parametrize("kind", ["arrow", "pandas", "numpy", "torch"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_data_set_of_any_format_is_scored_and_keeps_it(rows, kind, streamed):
    plain = score_dataset(rows, **TOY)[SCORE][:]
    given = rows.to_iterable_dataset() if streamed else rows
    scored = score_dataset(given.with_format(kind), **TOY)
    found = list(scored.with_format(None))
    np.testing.assert_allclose([row[SCORE] for row in found], plain, atol=1e-6)
    first = next(scored.iter(2))
    assert type(first) is type(next(given.with_format(kind).iter(2)))
    names = first.column_names if kind == "arrow" else list(first.keys())
    assert {"candidate", SCORE, "status"} <= set(names)


@pytest.mark.parametrize(
    ("cards", "rank", "device", "chosen"),
    [
        (4, 1, "auto", "cuda:1"),
        (2, 5, "auto", "cuda:1"),
        (4, None, "auto", "auto"),
        (4, 1, "cpu", "cpu"),
        (1, 3, "auto", "auto"),
        (0, 3, "auto", "auto"),
    ],
)
def test_workers_share_the_graphics_cards_by_rank(monkeypatch, cards, rank, device, chosen):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    assert on_rank(EMScore(clip_model_path="toy", device=device), rank).device == chosen
