"""Common slips around ``map`` and ``score_dataset``: each says what to do instead."""

from __future__ import annotations

import re
from typing import Any

import datasets
import numpy as np
import pytest

from vqe_core import EMScore, VideoAudioSimilarity, score_dataset
from vqe_core.errors import InputError, InputTypeError

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


def test_arguments_of_load_dataset_are_not_options_of_the_metric():
    words = "emscore has no option 'name', 'revision'"
    with pytest.raises(InputTypeError, match=re.escape(words)) as caught:
        score_dataset("org/x", name="cfg", revision="main")
    assert 'score_dataset(datasets.load_dataset("org/x", ...), ...)' in str(caught.value)
    assert "clip_model_path" in str(caught.value)
    with pytest.raises(InputError, match=re.escape("emscore has no option 'frame_nun'")):
        score_dataset(datasets.Dataset.from_dict({"candidate": ["a"], "reference": ["a"]}), frame_nun=3)
