"""What is told of rows that fail, and when a run is ended because nothing but faults happens."""

from __future__ import annotations

import logging
import re
import warnings

import pytest

from tests.test_errors import every_error
from vqe_core.errors import (
    InputError,
    InternalError,
    MediaNotFoundError,
    NothingScoredWarning,
    RowsFailedError,
)
from vqe_core.scorers.row_errors import MOST_FAULTS, FaultWatch, report_failures

MISSING = MediaNotFoundError("no video")
BLANK = InputError("blank", code="empty_caption")


def fault(words: str = "no such argument") -> InternalError:
    try:
        raise TypeError(words)
    except TypeError as error:
        return InternalError.of(error)


def test_failures_of_one_kind_raise_that_kind_and_mixed_ones_a_common_one():
    other = MediaNotFoundError("no other")
    with pytest.raises(
        FileNotFoundError, match=re.escape("2 of 5 rows cannot be scored:\n  row 1: [not_found] no video\n  row 3: ")
    ):
        report_failures({3: other, 1: MISSING}, 5, "raise")
    with pytest.raises(RowsFailedError, match=re.escape("row 2: [empty_caption] blank")):
        report_failures({1: MISSING, 2: BLANK}, 5, "raise")


def test_a_long_list_is_cut():
    with pytest.raises(MediaNotFoundError, match=re.escape("... and 7 more")):
        report_failures({i: MediaNotFoundError(f"no video {i}") for i in range(17)}, 20, "raise")


def test_what_many_rows_have_in_common_is_said_once():
    with pytest.raises(RowsFailedError) as caught:
        report_failures({**dict.fromkeys(range(2, 20), MISSING), 1: BLANK}, 20, "raise")
    lines = str(caught.value).splitlines()
    assert lines[1:3] == ["  row 1: [empty_caption] blank", "  rows 2, 3, 4 ... (18 in all): [not_found] no video"]
    assert str(caught.value).count("no video") == 1


def test_skipping_is_silent_unless_no_row_at_all_was_scored():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report_failures({1: MISSING}, 5, "skip")
        report_failures(dict.fromkeys(range(5), MISSING), 5, "skip", whole=False)  # a batch of a data set
    for on_error in ("skip", "warn"):
        with pytest.warns(NothingScoredWarning, match="no row was scored: 5 of 5 rows cannot be scored"):
            report_failures(dict.fromkeys(range(5), MISSING), 5, on_error)
    with pytest.warns(UserWarning, match="1 of 5 rows"):
        report_failures({1: MISSING}, 5, "warn")


def test_a_warning_names_the_line_of_the_caller():
    with pytest.warns(NothingScoredWarning) as caught:
        report_failures({0: MISSING}, 1, "skip")
    assert caught[0].filename == __file__


def test_an_internal_error_is_raised_with_the_traceback_of_what_it_stands_for():
    with pytest.raises(InternalError) as caught:
        report_failures({0: fault()}, 2, "raise")
    assert "in fault" in caught.value.trace
    assert isinstance(caught.value.__cause__, InternalError)
    assert "in fault" in str(caught.value.__cause__.__cause__)


def test_a_run_in_which_nothing_but_faults_happens_is_stopped(caplog):
    watch = FaultWatch()
    with pytest.raises(InternalError, match=rf"stopped: the first {MOST_FAULTS} rows or videos all failed. TypeError:"):
        for _ in range(MOST_FAULTS - 1):
            watch.note(fault())
        assert len(caplog.records) == 1
        watch.note(fault())
    assert [record.levelno for record in caplog.records] == [logging.ERROR]  # one traceback, not twenty
    assert "in fault" in caplog.text


@pytest.mark.parametrize("first", ["a result", None])
def test_one_result_is_enough_to_go_on(first):
    watch = FaultWatch()
    watch.note(first)
    for _ in range(3 * MOST_FAULTS):
        watch.note(fault())


def test_rows_that_fail_for_reasons_of_their_own_neither_stop_nor_save_a_run():
    watch = FaultWatch()
    for _ in range(3 * MOST_FAULTS):
        watch.note(MISSING)
    with pytest.raises(InternalError, match="stopped"):
        for _ in range(MOST_FAULTS):
            watch.note(fault())


def test_an_error_that_many_rows_share_counts_once():
    watch, shared = FaultWatch(), fault()
    for _ in range(3 * MOST_FAULTS):
        watch.note(shared)


def test_attempt_gives_the_result_or_the_error_of_the_row():
    watch = FaultWatch()
    assert watch.attempt(int, "7") == 7
    found = watch.attempt(int, "seven")
    assert isinstance(found, InternalError)
    assert "ValueError: invalid literal" in str(found)
    assert "This is a fault of vqe, not of the file" in str(found)

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch.attempt(interrupted)


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_rows_that_fail_with_any_kind_of_error_raise_that_kind(error):
    with pytest.raises(type(error), match=re.escape(f"row 0: [{error.code}] ")) as caught:
        report_failures({0: error}, 3, "raise")
    assert caught.value.code == error.code
