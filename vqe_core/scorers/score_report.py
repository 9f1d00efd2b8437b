"""What a call of a metric gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ScoreReport:
    """Scores of a call, for hosts to show in their own form.

    Attributes:
        scores: column means over the rows that have the score; NaN where none has.
        rows: one list a column, an entry a row; NaN for a row that failed.
        status: a word a row, ``"ok"`` or why it has no score.
        messages: remarks a row, empty where there is nothing to say.
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
        return len(self.status)

    @property
    def num_failed(self) -> int:
        return sum(status != "ok" for status in self.status)
