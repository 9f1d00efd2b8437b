"""One frame every n seconds, by the clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vqe_core.errors import InputError
from vqe_core.options import check_positive, plain_numbers
from vqe_core.samplers.base import check_not_empty
from vqe_core.types import TIME_TOLERANCE, FrameTable

# Samples that repeat a frame repeat its embedding, so a damaged file that claims years must not be sampled.
_MAX_SAMPLES = 500_000


@dataclass(frozen=True)
class EveryNSecondsSampler:
    """The frame on display at ``start``, ``start + n``, ``start + 2 n``, ... seconds, before ``end``.

    Times are multiples, not sums, so nothing drifts at 29.97 frames per second. A frame on display at several of
    these times is repeated, so a file with variable frame rate and its constant-rate copy give equal samples.
    """

    name: ClassVar[str] = "every_n_seconds"
    needs_differences: ClassVar[bool] = False
    every_n_seconds: float = 1.0

    def __post_init__(self) -> None:
        check_positive("every_n_seconds", self.every_n_seconds, "seconds")
        plain_numbers(self)

    def select(self, table: FrameTable) -> np.ndarray:
        """Return int64, not decreasing, at least one.

        Raises:
            InputError: the frames have no clock, or the step asks for more than 500,000 samples.
        """
        check_not_empty(table)
        if not table.has_clock:
            raise InputError(
                f"every_n_seconds ({self.every_n_seconds}): frame arrays have no times; "
                "give their fps ({'frames': ..., 'fps': ...}) or use every_n_frames"
            )
        tolerance = _tolerance(table.timestamps)
        # The end is a rounded start plus a rounded duration, so it may be off by twice as much.
        steps = math.ceil((table.end - table.start - 2 * tolerance) / self.every_n_seconds)
        if steps > _MAX_SAMPLES:
            raise InputError(
                f"every_n_seconds ({self.every_n_seconds}) asks for {steps} samples of a video of "
                f"{table.end - table.start:.1f} s; use a larger step, in seconds"
            )
        times = table.start + np.arange(max(1, steps), dtype=np.float64) * self.every_n_seconds
        shown = np.searchsorted(table.timestamps, times + tolerance, side="right") - 1
        return np.maximum(shown, 0).astype(np.int64)


def _tolerance(timestamps: np.ndarray) -> float:
    """Return seconds by which two times may differ and still be one time."""
    if len(timestamps) < 2:
        return TIME_TOLERANCE
    return min(TIME_TOLERANCE, float(np.median(np.diff(timestamps))) / 2)
