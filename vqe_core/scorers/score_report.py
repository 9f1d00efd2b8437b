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
        """Rows of the call."""
        return len(self.status)

    @property
    def num_failed(self) -> int:
        """Rows without a score."""
        return sum(status != "ok" for status in self.status)

    def failure_lines(self) -> list[str]:
        """A line for each status but ``"ok"``, the most frequent first: how many rows ended so, and an example.

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
