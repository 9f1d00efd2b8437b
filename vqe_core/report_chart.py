"""Geometry of the report's pictures: what the template draws, in numbers."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vqe_core.report_summary import SeverityRow

HEAT_STEPS = 20
STRONG_HEAT = (17, 12)  # on light, on dark: from this step on, inverted text has the better contrast
LEFT, RIGHT, TOP, BOTTOM = 44.0, 14.0, 14.0, 58.0  # room for the labels, in units of the drawing


@dataclass(frozen=True)
class Scale:
    """A range of scores, so that equal lengths and colours mean equal scores all over the report."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Where ``value`` lies, 0 at ``low`` and 1 at ``high``."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def heat(self, value: float) -> int:
        """The same as a whole step, 0 to ``HEAT_STEPS``."""
        return round(HEAT_STEPS * self.share(value))

    def bar(self, value: float) -> tuple[float, float]:
        """Where a bar from 0 to ``value`` starts and how long it is, in percent of the track."""
        start, end = sorted((self.share(0.0), self.share(value)))
        return round(100 * start, 1), round(100 * (end - start), 1)


@dataclass(frozen=True)
class Dot:
    """A point of the chart, with its score."""

    x: float
    y: float
    score: float
    num_wrong: int


@dataclass(frozen=True)
class SeverityChart:
    """Score against number of wrong attributes. All places in units of the drawing, y downwards.

    Attributes:
        width, height: of the drawing.
        dots: one a caption.
        means: one a number of wrong attributes.
        ticks: (y, label) of the score axis.
    """

    width: float
    height: float
    dots: tuple[Dot, ...]
    means: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]

    @property
    def line(self) -> str:
        """The means as points of an SVG polyline."""
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.means)

    @property
    def left(self) -> float:
        """Where the plotted area starts."""
        return LEFT

    @property
    def right(self) -> float:
        """Where the plotted area ends."""
        return self.width - RIGHT


def bar_scale(values: Sequence[float]) -> Scale:
    """A scale for bars: it holds 0, and ends at a tenth."""
    return Scale(_floor(min([0.0, *values])), max(0.1, _ceil(max([0.0, *values]))))


def heat_scale(matrices: Sequence[np.ndarray]) -> Scale:
    """A scale for colours, over all cosines of ``matrices``."""
    if not matrices:
        return Scale(0.0, 1.0)
    low, high = min(float(m.min()) for m in matrices), max(float(m.max()) for m in matrices)
    return Scale(low, high if high > low else low + 1.0)


def severity_chart(rows: Sequence[SeverityRow], *, width: float = 640.0, height: float = 310.0) -> SeverityChart:
    """Lay out the chart of ``rows``, at least one."""
    values = [value for row in rows for value in row.values]
    low, high = _floor(min(values)), _ceil(max(values))
    high = max(high, low + 0.1)
    step = (width - LEFT - RIGHT) / len(rows)

    def place(score: float) -> float:
        return TOP + (height - TOP - BOTTOM) * (high - score) / (high - low)

    dots, means = [], []
    for i, row in enumerate(rows):
        centre = LEFT + step * (i + 0.5)
        means.append(Dot(centre, place(row.mean), row.mean, row.num_wrong))
        for j, value in enumerate(row.values):
            # spread evenly by position, not at random, so that a report of the same scores is the same file
            shift = ((j + 0.5) / len(row.values) - 0.5) * min(step * 0.6, 3.0 * len(row.values))
            dots.append(Dot(centre + shift, place(value), value, row.num_wrong))
    every = 1 if high - low <= 0.6 else 2
    tenths = range(round(low * 10), round(high * 10) + 1, every)
    ticks = tuple((place(tenth / 10), f"{tenth / 10:.1f}") for tenth in tenths)
    return SeverityChart(width, height, tuple(dots), tuple(means), ticks)


def frame_strip(frames: np.ndarray, *, height: int = 112) -> str:
    """Frames, uint8 (N, H, W, 3), side by side as one JPEG in a ``data:`` address: stored once, shown at any size."""
    width = max(1, round(frames.shape[2] * height / frames.shape[1]))
    small = [np.asarray(Image.fromarray(f).resize((width, height), Image.Resampling.LANCZOS)) for f in frames]
    buffer = io.BytesIO()
    # no colour subsampling: the shapes are small and their colours are what captions speak of
    Image.fromarray(np.concatenate(small, axis=1)).save(buffer, "JPEG", quality=82, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _floor(value: float) -> float:
    return math.floor(round(value * 10, 6)) / 10


def _ceil(value: float) -> float:
    return math.ceil(round(value * 10, 6)) / 10
