"""Outcomes of rows to columns, means and the forms of hosts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vqe_core import EMScore
from vqe_core.errors import InputError, MediaError
from vqe_core.scorers.report import (
    ResultNames,
    RowOutcome,
    ScoreReport,
    assemble_report,
    counts_as_text,
    counts_from_text,
    report_to_columns,
    report_to_result,
)
from vqe_core.types import RowWarning

NAMES = ResultNames(("score", "other"), ("good",), ("words", "details"))
NOTES = (
    "note",
    RowWarning("damaged frames: 3 of 40", code="damaged_frames", count=3),
    RowWarning("damaged frames: 1 of 9", code="damaged_frames"),
    "note",
)
OUTCOMES = [
    RowOutcome({"score": 0.5, "other": 0.25, "good": True}, NOTES, {"words": "a", "details": {"x": [1]}}),
    RowOutcome({"score": 1.0}),
    RowOutcome(error=MediaError("no file", code="not_found")),
]


class Host:
    """A scorer, as far as a report looks at it."""

    per_sample, status_key, message_key, warnings_column = True, "state", "why", "codes"
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
    assert report.messages == ["note; damaged frames: 3 of 40 (and 1 more of this kind)", "", "no file"]
    assert (report.num_rows, report.num_failed) == (3, 1)


def test_a_dictionary_for_evaluate(report):
    result = report_to_result(report, Host())
    assert result["auc"] == 0.5 and result["num_failed"] == 1
    assert result["details"] == [{"x": [1]}, None, None] and "words" not in result
    assert result["samples"]["words"] == ["a", None, None]


def test_typed_columns_for_tables(report):
    columns = report_to_columns(report, Host(), np.float32)
    assert list(columns) == ["score", "other", "good", "words", "details", "codes", "state", "why"]
    assert columns["score"].dtype == np.float32 and columns["good"].dtype == np.bool_
    assert columns["words"] == ["a", "", ""] and columns["details"] == ['{"x": [1]}', "null", "null"]


def test_warnings_are_counted_by_code_for_programs(report):
    assert [[(w.code, w.count) for w in row] for row in report.warnings] == [
        [("other", 2), ("damaged_frames", 4)],
        [],
        [],
    ]
    assert report_to_columns(report, Host())["codes"] == ["other=2 damaged_frames=4", "", ""]
    assert report_to_result(report, Host())["samples"]["warnings"] == ["other=2 damaged_frames=4", "", ""]
    assert report_to_result(report, Host())["warnings"] == {"other": 1, "damaged_frames": 1}
    assert report.warning_lines() == [
        "other: row 0: note",
        "damaged_frames: row 0: damaged frames: 3 of 40 (and 1 more of this kind)",
    ]


def test_counts_survive_a_table_and_other_texts_have_none():
    counts = {"damaged_frames": 3, "truncated": 1}
    assert counts_from_text(counts_as_text(counts)) == counts
    assert counts_from_text(None) == counts_from_text("") == counts_from_text("see log, a=b") == {}


def test_a_report_made_without_warnings_has_none_in_any_row():
    report = ScoreReport({}, {}, ["ok"], [""], {})
    assert report_to_columns(report, Host())["codes"] == [""] and report.num_warned == {}


def test_failures_are_counted_by_status():
    report = assemble_report([*OUTCOMES, RowOutcome(error=InputError("bad"))], NAMES, {})
    assert report.failure_lines() == ["not_found: row 2: no file", "bad_input: row 3: bad"]


def test_names_of_emscore_are_those_of_its_kernel():
    from vqe_core.functional.emscore import EMScores
    from vqe_core.scorers.emscore.score_types import METRICS

    assert EMScores._fields == METRICS
    assert EMScore.asked_for == ("frame_details",)
