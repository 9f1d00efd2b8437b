"""Report of a call of a metric, and the forms in which hosts want it: a dictionary, typed columns, lines of text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from vqe_core.errors import VqeError


@dataclass(frozen=True)
class ScoreReport:
    """Scores of a call, for hosts to show in their own form.

    Attributes:
        scores: column means over the rows that have the score; NaN where none has.
        rows: one list a column, an entry a row; NaN for a row that failed.
        status: a word a row, ``"ok"`` or why it has no score.
        messages: warnings a row, empty where there is nothing to say.
        signature: everything that can change a score, and nothing else.
        details: optional extra columns (``frame_details``, ``tags``).
        calibration: what the scores of the call are worth against its mismatches, where the metric says so.
    """

    scores: dict[str, float]
    rows: dict[str, list[float]]
    status: list[str]
    messages: list[str]
    signature: dict[str, Any]
    details: dict[str, list[Any]] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)

    @property
    def num_rows(self) -> int:
        """Rows of the call."""
        return len(self.status)

    @property
    def num_failed(self) -> int:
        """Rows without a score."""
        return sum(status != "ok" for status in self.status)

    def failure_lines(self) -> list[str]:
        """Return a line for each status but ``"ok"``, the most frequent first: how many rows ended so, and an example.

        Example:
            >>> report = ScoreReport({}, {}, ["ok", "not_found", "not_found"], ["", "no file a", "no file b"], {})
            >>> report.failure_lines()
            ['not_found: 2 rows, for example row 1: no file a']
        """
        by_status: dict[str, list[int]] = {}
        for i, status in enumerate(self.status):
            if status != "ok":
                by_status.setdefault(status, []).append(i)
        ordered = sorted(by_status.items(), key=lambda item: -len(item[1]))
        return [f"{status}: {self._example(rows)}" for status, rows in ordered]

    def _example(self, rows: list[int]) -> str:
        message = self.messages[rows[0]]
        if len(rows) == 1:
            return f"row {rows[0]}: {message}"
        alike = all(self.messages[i] == message for i in rows)
        return f"{len(rows)} rows: {message}" if alike else f"{len(rows)} rows, for example row {rows[0]}: {message}"


class ResultNames(NamedTuple):
    """Names of the columns that a scorer writes: numbers, truth values, and texts (words, or structures as JSON)."""

    scores: tuple[str, ...]
    flags: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowOutcome:
    """Outcome of one row: scores with warnings, or the error that stopped it.

    Attributes:
        scores: by name; a flag is a bool. What is absent is NaN, or False of a flag.
        warnings: for the row's message.
        details: values of the text columns.
        reader: what decoded the row's video, with versions, where the metric reads it itself.
        error: why there are no scores.
    """

    scores: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    reader: str = ""
    error: VqeError | None = None


class HostOptions(Protocol):
    """Options of a scorer that the forms of a report depend on."""

    @property
    def per_sample(self) -> bool: ...
    @property
    def status_key(self) -> str: ...
    @property
    def message_key(self) -> str: ...
    @property
    def asked_for(self) -> tuple[str, ...]: ...
    @property
    def words(self) -> tuple[str, ...]: ...


def assemble_report(
    outcomes: Sequence[RowOutcome],
    names: ResultNames,
    signature: dict[str, Any],
    calibration: dict[str, Any] | None = None,
) -> ScoreReport:
    """Put the outcomes of all rows into columns, with a status and a message a row, and the means of the columns.

    A row that failed is NaN in every score, False in every flag, and left out of the means of the scores.
    """
    rows: dict[str, list[Any]] = {
        name: [math.nan if o.error is not None else o.scores.get(name, math.nan) for o in outcomes]
        for name in names.scores
    }
    flags: dict[str, list[Any]] = {
        name: [o.error is None and bool(o.scores.get(name, False)) for o in outcomes] for name in names.flags
    }
    return ScoreReport(
        scores={
            **{name: mean_known(column) for name, column in rows.items()},
            **{name: sum(column) / len(column) for name, column in flags.items()},
        },
        rows={**rows, **flags},
        status=["ok" if outcome.error is None else outcome.error.code for outcome in outcomes],
        messages=["; ".join(dict.fromkeys(o.warnings)) if o.error is None else str(o.error) for o in outcomes],
        signature=signature,
        details={name: [outcome.details.get(name) for outcome in outcomes] for name in names.texts},
        calibration=calibration or {},
    )


def mean_known(column: Sequence[float]) -> float:
    """Return the mean of the values that are not NaN; NaN where none is known."""
    known = [value for value in column if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def report_to_result(report: ScoreReport, options: HostOptions) -> dict[str, Any]:
    """Return the dictionary that users of ``evaluate`` get: plain Python values only."""
    result: dict[str, Any] = {
        **report.scores,
        **report.calibration,
        "num_rows": report.num_rows,
        "num_failed": report.num_failed,
        "signature": report.signature,
        **{name: column for name, column in report.details.items() if name in options.asked_for},
    }
    if options.per_sample:
        result["samples"] = {**report.rows, **report.details, "status": report.status, "message": report.messages}
    return result


def report_to_columns(report: ScoreReport, options: HostOptions, precision: Any = np.float64) -> dict[str, Any]:
    """Return typed columns for ``datasets.map`` and tables: numbers of ``precision``, bool flags, details as texts.

    Args:
        report: of a call.
        options: name the columns of status and message, and say which details are words.
        precision: numpy type of numbers.
    """
    scores = {key: np.asarray(column, dtype=_dtype(column, precision)) for key, column in report.rows.items()}
    details = {key: _texts(column, words=key in options.words) for key, column in report.details.items()}
    return {**scores, **details, options.status_key: report.status, options.message_key: report.messages}


def _dtype(column: Sequence[Any], precision: Any) -> Any:
    return np.bool_ if all(isinstance(value, bool) for value in column) else precision


def _texts(column: Sequence[Any], *, words: bool) -> list[str]:
    """Words as they are, "" for none; any other column as JSON."""
    if words:
        return ["" if entry is None else entry if isinstance(entry, str) else json.dumps(entry) for entry in column]
    return [json.dumps(entry) for entry in column]
