"""A name and options, or a scorer, become a scorer; what is neither is told."""

from __future__ import annotations

import re

import datasets
import pytest

from vqe_core import EMScore, score_dataset
from vqe_core.errors import InputError, InputTypeError
from vqe_core.scorers.named import scorer_for


def test_a_named_metric_skips_rows_that_fail_unless_told_otherwise():
    assert scorer_for("emscore", {"clip_model_path": "toy"}) == EMScore(clip_model_path="toy", on_error="skip")
    assert scorer_for("emscore", {"on_error": "raise"}).on_error == "raise"


def test_a_scorer_stays_as_it_is():
    scorer = EMScore(clip_model_path="toy", on_error="raise")
    assert scorer_for(scorer, {}) is scorer


def test_options_beside_a_scorer_are_refused():
    with pytest.raises(InputError, match="idf: give the options to the scorer itself, or name the metric"):
        scorer_for(EMScore(clip_model_path="toy"), {"idf": True})


@pytest.mark.parametrize("metric", [None, 3, EMScore, ["emscore"]])
def test_what_is_no_metric_is_told(metric):
    with pytest.raises(InputTypeError, match="must be the name of a metric, or a scorer"):
        scorer_for(metric, {})


def test_arguments_of_load_dataset_are_not_options_of_the_metric():
    words = "emscore has no option 'name', 'revision'"
    with pytest.raises(InputTypeError, match=re.escape(words)) as caught:
        score_dataset("org/x", name="cfg", revision="main")
    assert 'score_dataset(datasets.load_dataset("org/x", ...), ...)' in str(caught.value)
    assert "clip_model_path" in str(caught.value)
    with pytest.raises(InputError, match=re.escape("emscore has no option 'frame_nun'")):
        score_dataset(datasets.Dataset.from_dict({"candidate": ["a"], "reference": ["a"]}), frame_nun=3)
