"""MSVD-Eval against a slow computation, and on the real ratings."""

from __future__ import annotations

import json

import pytest

from tests.meta_eval import slow
from tests.meta_eval.releases import write_msvd_eval
from vqe_core.errors import InputError
from vqe_core.meta_eval import run_benchmark
from vqe_core.meta_eval.msvd_eval import RESPECTS, MsvdEval
from vqe_core.meta_eval.text_metrics import rouge_l


def slow_figures(path, column):
    """Each rating is a row: the caption's score stands in two rows."""
    scores, labels = [], []
    for entry in json.loads(path.read_text()).values():
        references = [" ".join(text.split()) for text in entry["ref"]]
        for rating in entry["human_score"]:
            scores.append(rouge_l(entry["candidate"], references))
            labels.append(rating[column])
    return {"tau_b": slow.tau(scores, labels, "b"), "tau_c": slow.tau(scores, labels, "c")}


@pytest.mark.parametrize("respect", RESPECTS)
def test_each_respect_is_the_slow_computation(tmp_path, respect):
    folder = write_msvd_eval(tmp_path, videos=12)
    report = run_benchmark(f"msvd-eval:respect={respect}", folder, text_metric="rouge-l", num_resamples=0)
    expected = slow_figures(folder / "MSVD-Eval.json", RESPECTS.index(respect))
    assert {name: found.value for name, found in report.figures["rouge-l"].items()} == pytest.approx(expected, abs=1e-9)


def test_the_clips_are_called_as_the_release_calls_them(tmp_path):
    release = MsvdEval().load(write_msvd_eval(tmp_path))
    assert release.videos[0] == "clip0_1_9"
    assert release.items[0].candidate == release.items[0].candidate.strip()


@pytest.mark.parametrize("content", ["[]", '{"vid1": {"vname": "a.avi"}}', '{"vid1": 3}'])
def test_another_file_of_the_name_is_refused(tmp_path, content):
    (tmp_path / "MSVD-Eval.json").write_text(content)
    with pytest.raises(InputError):
        MsvdEval().load(tmp_path)


def test_an_unknown_respect_is_refused():
    with pytest.raises(InputError, match="accuracy, completeness"):
        MsvdEval(respect="beauty")  # type: ignore[arg-type]


def test_the_real_raters_agree_as_measured(ratings):
    benchmark = MsvdEval()
    release = benchmark.load(ratings / "gveval")
    assert (len(release.items), len(release.videos)) == (197, 197)
    assert benchmark.agreement(release)["tau_b"] == pytest.approx(0.745, abs=5e-4)


def test_a_text_metric_on_the_real_ratings_is_the_slow_computation(ratings):
    report = run_benchmark("msvd-eval", ratings / "gveval", text_metric="rouge-l", num_resamples=50)
    found = report.figures["rouge-l"]["tau_b"]
    assert found.value == pytest.approx(slow_figures(ratings / "gveval" / "MSVD-Eval.json", 4)["tau_b"], abs=1e-9)
    assert found.low < found.value < found.high
