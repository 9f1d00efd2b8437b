"""Figures beside published ones: what is asked for, what is refused, and how it is shown."""

from __future__ import annotations

import pytest

from tests.meta_eval.releases import write_msvd_eval, write_vatex_eval
from vqe_core import EMScore
from vqe_core.errors import InputError
from vqe_core.meta_eval import run_benchmark


@pytest.fixture
def folder(tmp_path):
    return write_msvd_eval(tmp_path)


def test_a_scorer_object_keeps_its_own_options(folder, checkpoint):
    scorer = EMScore(clip_model_path=checkpoint, idf=["a cat", "a dog runs"])
    report = run_benchmark("msvd-eval", folder, scorer=scorer, num_resamples=0)
    assert report.signature["idf"] != "none"
    with pytest.raises(InputError, match="give them to the scorer itself"):
        run_benchmark("msvd-eval", folder, scorer=scorer, options={"frame_num": 3})


def test_the_scores_that_papers_report_are_shown_unless_others_are_asked_for(folder, checkpoint):
    how = {"options": {"clip_model_path": checkpoint}, "num_resamples": 0}
    assert list(run_benchmark("msvd-eval", folder, **how).figures) == ["EMScore(X,X*)_full_F"]
    asked = ["EMScore(X,X*)_cogr", "EMScore(X,X*)_figr_P"]
    assert list(run_benchmark("msvd-eval", folder, columns=asked, **how).figures) == asked
    with pytest.raises(InputError, match="no score 'nothing'; there are EMScore"):
        run_benchmark("msvd-eval", folder, columns=["nothing"], **how)


def test_token_weights_can_be_switched_off(tmp_path, checkpoint):
    folder = write_vatex_eval(tmp_path)
    options = {"clip_model_path": checkpoint}
    with_weights = run_benchmark("vatex-eval", folder, options=options, num_resamples=0)
    without = run_benchmark("vatex-eval", folder, options={**options, "idf": False}, num_resamples=0)
    assert without.signature["idf"] == "none" != with_weights.signature["idf"]
    assert without.figures != with_weights.figures


def test_only_one_kind_of_scores_is_taken(folder):
    with pytest.raises(InputError, match="scores and text_metric exclude each other"):
        run_benchmark("msvd-eval", folder, scores={"id": []}, text_metric="rouge-l")


def test_unknown_names_are_told_with_those_that_there_are(folder):
    with pytest.raises(InputError, match="vatex-eval"):
        run_benchmark("vatex", folder)
    with pytest.raises(InputError, match="emscore"):
        run_benchmark("msvd-eval", folder, scorer="bleurt")


def test_a_score_that_no_caption_has_is_refused(folder):
    with pytest.raises(InputError, match="no caption has the score"):
        run_benchmark("msvd-eval", folder, scores={"id": ["vid1"], "score": [None]}, columns=["score"])


def test_the_figures_are_the_same_again_and_intervals_change_with_the_seed(folder):
    one, two, other = (
        run_benchmark("msvd-eval", folder, text_metric="rouge-l", num_resamples=30, seed=seed) for seed in (1, 1, 2)
    )
    assert one == two
    assert one.figures["rouge-l"]["tau_b"].value == other.figures["rouge-l"]["tau_b"].value
    assert one.figures["rouge-l"]["tau_b"] != other.figures["rouge-l"]["tau_b"]


def test_figures_are_shown_in_the_unit_of_the_papers(tmp_path):
    folder = write_vatex_eval(tmp_path)
    report = run_benchmark("vatex-eval:num_references=3", folder, text_metric="rouge-l", num_resamples=0)
    value = report.figures["rouge-l"]["tau_b"].value
    lines = report.lines()
    assert lines[0] == "VATEX-EVAL (vatex-eval:num_references=3): 24 captions of 6 videos, x 100"
    assert f"{value * 100:.1f}" in next(line for line in lines if line.startswith("rouge-l"))
    assert next(line for line in lines if line.startswith("EMScore")).split() == [
        "EMScore",
        "video",
        "22.9",
        "29.8",
        "[2]",
    ]
    assert report.to_dict()["figures"]["rouge-l"]["tau_b"]["value"] == value


def test_what_is_not_known_is_a_dash_and_null(folder):
    report = run_benchmark("msvd-eval", folder, text_metric="rouge-l", num_resamples=0)
    assert report.to_dict()["figures"]["rouge-l"]["tau_b"]["low"] is None
    row = next(line for line in report.lines() if line.startswith("rouge-l"))
    assert "[" not in row


def test_markdown_is_a_table(folder):
    text = run_benchmark("msvd-eval", folder, text_metric="rouge-l", num_resamples=10).markdown()
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert table[0] == "| metric | judged by | tau_b | tau_c | source |"
    assert {line.count("|") for line in table} == {6}
