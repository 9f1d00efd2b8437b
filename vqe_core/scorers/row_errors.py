"""Errors of rows: kept beside the row, counted, told to the caller, and noticed where nothing but they happens."""

from __future__ import annotations

import copy
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from vqe_core.errors import InternalError, NothingScoredWarning, Result, RowsFailedError, VqeError, attempt, row_error
from vqe_core.options import OnError

SHOWN_ROWS = 10  # in one message; the rest is counted
MOST_FAULTS = 20  # rows or videos that may end in internal_error while none is scored

_HOSTS = ("vqe_core", "evaluate", "evaluate_modules", "contextlib")

_LOG = logging.getLogger(__name__)


class FaultWatch:
    """Log the internal errors of a run, and end a run in which nothing else happens.

    One file of many may meet a fault of this package; where the first twenty that come to an end all do, the others
    would too. Rows that fail for reasons of their own, such as a missing file, do not count. An error that many rows
    share, as those of one video do, counts once.
    """

    def __init__(self) -> None:
        self._faults: dict[int, InternalError] = {}
        self._logged: set[str] = set()
        self._watching = True

    def attempt(self, function: Callable[..., Result], *arguments: object) -> Result | VqeError:
        """Call a function; give its result, or the error of the row, so that one row cannot stop the others.

        Raises:
            InternalError: see ``note``.
        """
        outcome = attempt(function, *arguments)
        self.note(outcome)
        return outcome

    def note(self, outcome: object) -> None:
        """Take note of a result, or of the error, of one row or video.

        Raises:
            InternalError: ``MOST_FAULTS`` have ended so, and none otherwise.
        """
        if isinstance(outcome, InternalError):
            self._log(outcome)
            if self._watching:
                self._faults.setdefault(id(outcome), outcome)
                self._check()
        elif not isinstance(outcome, VqeError):
            self._watching = False
            self._faults.clear()

    def _check(self) -> None:
        if len(self._faults) < MOST_FAULTS:
            return
        first = next(iter(self._faults.values()))
        words = f"stopped: the first {MOST_FAULTS} rows or videos all failed. {first}"
        raise InternalError(words, trace=first.trace).with_trace()

    def _log(self, error: InternalError) -> None:
        if error.logged:  # by the watch of another stage
            return
        error.logged = True
        level = logging.DEBUG if error.trace in self._logged else logging.ERROR
        self._logged.add(error.trace)
        _LOG.log(level, "internal_error: %s\n%s", error, error.trace)


def outcomes_of(scoring: Any, watch: FaultWatch | None = None) -> list[Any]:
    """Score all rows of a call: the one place that runs rows, and that nothing but a typed error leaves.

    Each stage keeps the errors of its rows. Where one lets an error through that nobody foresaw, the rows are scored
    again in halves, so that it costs the rows that it comes from and no others.

    Args:
        scoring: of a call, see ``vqe_core.scorers.call.Scoring``.
        watch: of the faults so far, where the rows are a part of a call.

    Raises:
        VqeError: all of the call is wrong.
    """
    rows, watch = scoring.call.rows, watch or FaultWatch()
    try:
        outcomes = list(scoring.outcomes())
        for outcome in outcomes:
            watch.note(outcome.error)
        return outcomes
    except VqeError:
        raise
    except Exception as error:
        fault = row_error(error)
    if len(rows) > 1:
        parts = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        return [outcome for part in parts for outcome in outcomes_of(_of_rows(scoring, part), watch)]
    watch.note(fault)
    return told(lambda: list(_of_rows(scoring, [fault]).outcomes()))


def _of_rows(scoring: Any, rows: Sequence[Any]) -> Any:
    part = copy.copy(scoring)
    # Some are frozen.
    object.__setattr__(part, "call", replace(scoring.call, rows=rows))
    return part


def told(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function that works for all rows together; what nobody foresaw is raised as an ``InternalError``."""
    try:
        return function(*arguments)
    except VqeError:
        raise
    except Exception as error:
        raise InternalError.of(error).with_trace()  # noqa: B904 (the trace is its cause)


def report_failures(failures: Mapping[int, VqeError], num_rows: int, on_error: OnError, *, whole: bool = True) -> None:
    """Raise, warn or pass over in silence what is wrong with some rows.

    Args:
        failures: error by number of the row.
        num_rows: of the call.
        on_error: what to do about them. Where no row at all could be scored, ``"skip"`` warns too.
        whole: False for a batch of a data set, which may well hold bad rows only.

    Raises:
        VqeError: with ``"raise"``; of the failing rows' own type where they have one type, so that for example
            FileNotFoundError catches missing files; else RowsFailedError. The message lists the rows.
    """
    if not failures:
        return
    nothing = whole and len(failures) == num_rows
    if on_error == "raise":
        raise _raised(failures, num_rows)
    if nothing:
        warn_caller(f"no row was scored: {summary(failures, num_rows)}", NothingScoredWarning)
    elif on_error == "warn":
        warn_caller(summary(failures, num_rows), UserWarning)


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn, naming the line outside this package that called it: the one that a reader can change."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] in _HOSTS:
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth)


def _raised(failures: Mapping[int, VqeError], num_rows: int) -> VqeError:
    kinds = {type(error) for error in failures.values()}
    kind = kinds.pop() if len(kinds) == 1 else RowsFailedError
    first = failures[min(failures)]
    raised = kind(
        f"{summary(failures, num_rows)}\nMend or leave out these rows, or use on_error='skip' or 'warn' to score the "
        "others.",
        code=first.code,
    )
    raised.__cause__ = first
    if isinstance(first, InternalError):
        first.with_trace()
        raised.trace = first.trace  # type: ignore[attr-defined]
    return raised


def summary(failures: Mapping[int, VqeError], num_rows: int) -> str:
    """Return the failing rows with their codes and messages; rows with one message are told together."""
    lines = list(_lines(failures))
    more = len(failures) - sum(count for count, _ in lines[:SHOWN_ROWS])
    shown = [line for _, line in lines[:SHOWN_ROWS]] + ([f"... and {more} more"] if more else [])
    return f"{len(failures)} of {num_rows} rows cannot be scored:\n  " + "\n  ".join(shown)


def _lines(failures: Mapping[int, VqeError]) -> Iterator[tuple[int, str]]:
    alike: dict[tuple[str, str], list[int]] = {}
    for i, error in sorted(failures.items()):
        alike.setdefault((error.code, str(error)), []).append(i)
    for (code, message), rows in alike.items():
        where = f"row {rows[0]}" if len(rows) == 1 else f"rows {_numbers(rows)}"
        yield len(rows), f"{where}: [{code}] {message}"


def _numbers(rows: Sequence[int]) -> str:
    shown = ", ".join(map(str, rows[:3]))
    return shown if len(rows) <= 3 else f"{shown} ... ({len(rows)} in all)"
