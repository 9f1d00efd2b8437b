"""Outcomes of rows to columns, means and the forms of hosts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vqe_core import EMScore
from vqe_core.errors import InputError, MediaError
from vqe_core.scorers.report import ResultNames, RowOutcome, assemble_report, report_to_columns, report_to_result

NAMES = ResultNames(("score", "other"), ("good",), ("words", "details"))
OUTCOMES = [
    RowOutcome({"score": 0.5, "other": 0.25, "good": True}, ("note", "note"), {"words": "a", "details": {"x": [1]}}),
    RowOutcome({"score": 1.0}),
    RowOutcome(error=MediaError("no file", code="not_found")),
]


class Host:
    """A scorer, as far as a report looks at it."""

    per_sample, status_key, message_key = True, "state", "why"
    asked_for, words = ("details",), ("words",)


@pytest.fixture
def report():
    return assemble_report(OUTCOMES, NAMES, {"metric": "m"}, {"auc": 0.5})


def test_means_are_over_the_rows_that_have_the_score(report):
    assert report.scores == {"score": 0.75, "other": 0.25, "good": pytest.approx(1 / 3)}
    assert math.isnan(assemble_report(OUTCOMES[2:], NAMES, {}).scores["score"])


def test_a_row_that_failed_is_nan_false_and_says_why(report):
    assert math.isnan(report.rows["score"][2]) and math.isnan(report.rows["other"][1])
    assert report.rows["good"] == [True, False, False]
    assert report.status == ["ok", "ok", "not_found"]
    assert report.messages == ["note", "", "no file"]
    assert (report.num_rows, report.num_failed) == (3, 1)


def test_a_dictionary_for_evaluate(report):
    result = report_to_result(report, Host())
    assert result["auc"] == 0.5 and result["num_failed"] == 1
    assert result["details"] == [{"x": [1]}, None, None] and "words" not in result
    assert result["samples"]["words"] == ["a", None, None]


def test_typed_columns_for_tables(report):
    columns = report_to_columns(report, Host(), np.float32)
    assert list(columns) == ["score", "other", "good", "words", "details", "state", "why"]
    assert columns["score"].dtype == np.float32 and columns["good"].dtype == np.bool_
    assert columns["words"] == ["a", "", ""] and columns["details"] == ['{"x": [1]}', "null", "null"]


def test_failures_are_counted_by_status():
    report = assemble_report([*OUTCOMES, RowOutcome(error=InputError("bad"))], NAMES, {})
    assert report.failure_lines() == ["not_found: row 2: no file", "bad_input: row 3: bad"]


def test_names_of_emscore_are_those_of_its_kernel():
    from vqe_core.functional.emscore import EMScores
    from vqe_core.scorers.emscore.score_types import METRICS

    assert EMScores._fields == METRICS
    assert EMScore.asked_for == ("frame_details",)
