"""Report of a call of a metric, and the forms in which hosts want it: a dictionary, typed columns, lines of text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from vqe_core.errors import VqeError
from vqe_core.types import RowWarning, summed_warnings


@dataclass(frozen=True)
class ScoreReport:
    """Scores of a call, for hosts to show in their own form.

    Attributes:
        scores: column means over the rows that have the score; NaN where none has.
        rows: one list a column, an entry a row; NaN for a row that failed.
        status: a word a row, ``"ok"`` or why it has no score.
        messages: a text a row: its warnings, or why it has no score; empty where there is nothing to say.
        signature: everything that can change a score, and nothing else.
        environment: what computed and decoded, by version: another one may move scores by a little.
        details: optional extra columns (``frame_details``, ``tags``).
        calibration: what the scores of the call are worth against its mismatches, where the metric says so.
        warnings: of each row, for programs: one `RowWarning` a code, with how often it was met. A row that failed has
            none.
        evidence: by name, an entry a row, what numbers of all rows together are made of, where the rows of this report
            are a part of them; see ``Scorer.calibrated``.
    """

    scores: dict[str, float]
    rows: dict[str, list[float]]
    status: list[str]
    messages: list[str]
    signature: dict[str, Any]
    details: dict[str, list[Any]] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    warnings: list[tuple[RowWarning, ...]] = field(default_factory=list)
    evidence: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)

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
        failures = zip(self.status, range(self.num_rows), self.messages, strict=True)
        return _lines(failure for failure in failures if failure[0] != "ok")

    @property
    def num_warned(self) -> dict[str, int]:
        """Rows that carry a warning, by its code, the most frequent first."""
        return rows_by_code(map(warning_counts, self.warnings))

    def warning_lines(self) -> list[str]:
        """Return a line for each code of a warning, as ``failure_lines`` does for each status.

        Example:
            >>> damage = (RowWarning("damaged frames: 3 of 40", code="damaged_frames", count=3),)
            >>> ScoreReport({}, {}, ["ok", "ok"], [str(damage[0]), ""], {}, warnings=[damage, ()]).warning_lines()
            ['damaged_frames: row 0: damaged frames: 3 of 40']
        """
        return _lines((warning.code, i, str(warning)) for i, row in enumerate(self.warnings) for warning in row)


def _lines(entries: Iterable[tuple[str, int, str]]) -> list[str]:
    """Return a line for each word of (word, row, message), the most frequent first."""
    by_word: dict[str, dict[int, str]] = {}
    for word, row, message in entries:
        by_word.setdefault(word, {}).setdefault(row, message)
    ordered = sorted(by_word.items(), key=lambda item: -len(item[1]))
    return [f"{word}: {_example(messages)}" for word, messages in ordered]


def _example(messages: Mapping[int, str]) -> str:
    row, message = next(iter(messages.items()))
    if len(messages) == 1:
        return f"row {row}: {message}"
    alike = len(set(messages.values())) == 1
    return f"{len(messages)} rows: {message}" if alike else f"{len(messages)} rows, for example row {row}: {message}"


def warning_counts(warnings: Iterable[RowWarning]) -> dict[str, int]:
    """Return how often each code was met in a row."""
    counts: dict[str, int] = {}
    for warning in warnings:
        counts[warning.code] = counts.get(warning.code, 0) + warning.count
    return counts


def counts_as_text(counts: Mapping[str, int]) -> str:
    """Return counts by code as they stand in a table; ``counts_from_text`` reads them.

    Example:
        >>> counts_as_text({"damaged_frames": 3, "truncated": 1})
        'damaged_frames=3 truncated=1'
    """
    return " ".join(f"{code}={count}" for code, count in counts.items())


def counts_from_text(text: str | None) -> dict[str, int]:
    """Return counts by code from the cell of a table.

    Example:
        >>> counts_from_text("damaged_frames=3 truncated=1")
        {'damaged_frames': 3, 'truncated': 1}
    """
    parts = (part.rpartition("=") for part in (text or "").split())
    return {code: int(count) for code, _, count in parts if code and count.isdecimal()}


def rows_by_code(rows: Iterable[Iterable[str]]) -> dict[str, int]:
    """Return the number of rows that carry each code, the most frequent first.

    Args:
        rows: the codes of each row.
    """
    counts: dict[str, int] = {}
    for codes in rows:
        for code in codes:
            counts[code] = counts.get(code, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


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

    def __post_init__(self) -> None:
        # Here, where it costs this row, and not where all rows come together.
        object.__setattr__(self, "warnings", summed_warnings(self.warnings))
        object.__setattr__(self, "scores", {name: _number(value) for name, value in self.scores.items()})


def as_outcome(result: Mapping[str, float] | RowOutcome | VqeError) -> RowOutcome:
    """Return the outcome that scores, or an error, stand for."""
    if isinstance(result, VqeError):
        return RowOutcome(error=result)
    return result if isinstance(result, RowOutcome) else RowOutcome(result)


def _number(value: Any) -> float | bool:
    return value if isinstance(value, bool | float) else float(value)


class HostOptions(Protocol):
    """Options of a scorer that the forms of a report depend on."""

    @property
    def per_sample(self) -> bool: ...
    @property
    def status_key(self) -> str: ...
    @property
    def message_key(self) -> str: ...
    @property
    def warnings_column(self) -> str: ...
    @property
    def asked_for(self) -> tuple[str, ...]: ...
    @property
    def words(self) -> tuple[str, ...]: ...


def assemble_report(
    outcomes: Sequence[RowOutcome],
    names: ResultNames,
    signature: dict[str, Any],
    calibration: dict[str, Any] | None = None,
    environment: dict[str, Any] | None = None,
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
    warnings = [() if o.error is not None else tuple(map(RowWarning.of, o.warnings)) for o in outcomes]
    return ScoreReport(
        scores={
            **{name: mean_known(column) for name, column in rows.items()},
            **{name: sum(column) / len(column) if column else math.nan for name, column in flags.items()},
        },
        rows={**rows, **flags},
        status=["ok" if outcome.error is None else outcome.error.code for outcome in outcomes],
        messages=[
            "; ".join(row) if o.error is None else str(o.error) for o, row in zip(outcomes, warnings, strict=True)
        ],
        signature=signature,
        details={name: [outcome.details.get(name) for outcome in outcomes] for name in names.texts},
        calibration=calibration or {},
        warnings=warnings,
        environment=environment or {},
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
        "warnings": report.num_warned,
        "signature": report.signature,
        "environment": report.environment,
        **{name: column for name, column in report.details.items() if name in options.asked_for},
    }
    if options.per_sample:
        status = {"warnings": _warning_column(report), "status": report.status, "message": report.messages}
        result["samples"] = {**report.rows, **report.details, **status}
    return result


def report_to_columns(report: ScoreReport, options: HostOptions, precision: Any = np.float64) -> dict[str, Any]:
    """Return typed columns for ``datasets.map`` and tables: numbers of ``precision``, bool flags, details as texts.

    Args:
        report: of a call.
        options: name the columns of status, message and warnings, and say which details are words.
        precision: numpy type of numbers.
    """
    scores = {key: np.asarray(column, dtype=_dtype(column, precision)) for key, column in report.rows.items()}
    details = {key: _texts(column, words=key in options.words) for key, column in report.details.items()}
    status = {options.status_key: report.status, options.message_key: report.messages}
    return {**scores, **details, options.warnings_column: _warning_column(report), **status}


def _warning_column(report: ScoreReport) -> list[str]:
    # Reports that were made without warnings have none in any row.
    warnings = report.warnings or [()] * report.num_rows
    return [counts_as_text(warning_counts(row)) for row in warnings]


def _dtype(column: Sequence[Any], precision: Any) -> Any:
    return np.bool_ if all(isinstance(value, bool) for value in column) else precision


def _texts(column: Sequence[Any], *, words: bool) -> list[str]:
    """Words as they are, "" for none; any other column as JSON."""
    if words:
        return ["" if entry is None else entry if isinstance(entry, str) else json.dumps(entry) for entry in column]
    return [json.dumps(entry) for entry in column]
