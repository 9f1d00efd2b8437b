"""Row outcomes to a report, and a report to the forms that hosts want."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vqe_core.errors import VqeError
from vqe_core.scorers.options import SharedOptions
from vqe_core.scorers.score_report import ScoreReport

# Details that an option asks for stand beside the means too, not only among the samples.
ASKED_FOR = ("frame_details", "profile")
# Details that are words, not structures.
WORDS = ("description", "reason")


@dataclass(frozen=True)
class RowOutcome:
    """What became of one row: scores with remarks, or the error that stopped it."""

    scores: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    frames: list[dict[str, Any]] | None = None
    error: VqeError | None = None


def assemble_report(
    outcomes: Sequence[RowOutcome], keys: Sequence[str], signature: dict[str, Any], with_frames: bool = False
) -> ScoreReport:
    """Columns, status and means of all rows. A failed row is NaN in every score column and left out of the means."""
    rows = {key: [outcome.scores.get(key, math.nan) for outcome in outcomes] for key in keys}
    return ScoreReport(
        scores={key: mean_known(column) for key, column in rows.items()},
        rows=rows,
        status=["ok" if outcome.error is None else outcome.error.code for outcome in outcomes],
        messages=["; ".join(o.notes) if o.error is None else str(o.error) for o in outcomes],
        signature=signature,
        details={"frame_details": [outcome.frames for outcome in outcomes]} if with_frames else {},
    )


def mean_known(column: Sequence[float]) -> float:
    """Mean of the values that are not NaN; NaN where none is known."""
    known = [value for value in column if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def report_to_result(report: ScoreReport, options: SharedOptions) -> dict[str, Any]:
    """The dictionary that ``evaluate`` users get: plain Python values only."""
    result: dict[str, Any] = {
        **report.scores,
        **report.calibration,
        "num_rows": report.num_rows,
        "num_failed": report.num_failed,
        "signature": report.signature,
        **{name: column for name, column in report.details.items() if name in ASKED_FOR},
    }
    if options.per_sample:
        result["samples"] = {**report.rows, **report.details, "status": report.status, "message": report.messages}
    return result


def report_to_columns(report: ScoreReport, options: SharedOptions, precision: Any = np.float64) -> dict[str, Any]:
    """Typed columns for ``datasets.map`` and tables: numbers of ``precision``, bool flags, details as JSON texts.

    Args:
        report: of a call.
        options: name the columns of status and message.
        precision: numpy type of numbers.
    """
    scores = {key: np.asarray(column, dtype=_dtype(column, precision)) for key, column in report.rows.items()}
    details = {key: _texts(key, column) for key, column in report.details.items()}
    return {**scores, **details, options.status_key: report.status, options.message_key: report.messages}


def _dtype(column: Sequence[Any], precision: Any) -> Any:
    return np.bool_ if all(isinstance(value, bool) for value in column) else precision


def _texts(name: str, column: Sequence[Any]) -> list[str]:
    """Words as they are, "" for none; any other column as JSON. The name decides: values differ by batch."""
    if name in WORDS:
        return ["" if entry is None else entry if isinstance(entry, str) else json.dumps(entry) for entry in column]
    return [json.dumps(entry) for entry in column]
