"""Charts over time, and the templates of the pages.

Conventions: places in percent of the area, so that a chart fits any width without shrinking its texts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vqe_core.report.distribution import nice_step, nice_ticks, tick_labels
from vqe_core.report.html import HEAT_STEPS, html_environment

NUM_COLOURS = 8  # of the stylesheet; further lines begin again
STRONG_HEAT = (16, 12)  # on light, on dark: from this step of the tints of app.css on, inverted text is clearer


@dataclass(frozen=True)
class Series:
    """Values to draw at increasing times, None where nothing was measured, and the value of the whole clip."""

    name: str
    times: Sequence[float]
    values: Sequence[float | None]
    whole: float | None = None


@dataclass(frozen=True)
class Point:
    """Measured moment: place in percent from the left and the top, time in seconds, and value."""

    x: float
    y: float
    time: float
    value: float


@dataclass(frozen=True)
class Line:
    """Line of the chart.

    Attributes:
        name: for the legend.
        colour: number of its colour in the stylesheet.
        pieces: runs of neighbouring points; a gap is where nothing was measured.
        whole: place in percent from the top of the value of the whole clip, or None.
    """

    name: str
    colour: int
    pieces: tuple[tuple[Point, ...], ...]
    whole: float | None

    @staticmethod
    def path(piece: Sequence[Point]) -> str:
        """Return the points of an SVG polyline in a drawing of 100 by 100."""
        return " ".join(f"{point.x:.2f},{point.y:.2f}" for point in piece)


@dataclass(frozen=True)
class TimeChart:
    """Chart over time.

    Attributes:
        lines: in order.
        values, times: (place in percent, label) of the ticks.
        unit: of the times, ``"s"`` or ``"frame"``.
        span: (left, width) in percent of a stretch to mark, or None.
    """

    lines: tuple[Line, ...]
    values: tuple[tuple[float, str], ...]
    times: tuple[tuple[float, str], ...]
    unit: str
    span: tuple[float, float] | None = None


def time_chart(
    series: Sequence[Series],
    *,
    unit: str = "s",
    span: tuple[float, float] | None = None,
    start: float | None = None,
    end: float | None = None,
) -> TimeChart:
    """Lay out lines over time.

    Args:
        series: at least one, with at least one time each.
        unit: of the times.
        span: (start, end) of a stretch to mark.
        start, end: of the time axis. Default: the first and the last time.
    """
    times = [time for one in series for time in one.times]
    known = [v for one in series for v in (*one.values, one.whole) if v is not None]
    first, last = min(times) if start is None else start, max(times) if end is None else end
    last = last if last > first else first + 1.0
    ticks = nice_ticks(min(known, default=0.0), max(known, default=1.0))
    low, high = ticks[0], ticks[-1]
    moments = _inner_ticks(first, last, whole=unit != "s")

    def across(time: float) -> float:
        return round(100 * (time - first) / (last - first), 2)

    def down(value: float) -> float:
        return round(100 * (high - value) / (high - low), 2)

    def pieces(one: Series) -> tuple[tuple[Point, ...], ...]:
        runs: list[list[Point]] = [[]]
        for time, value in zip(one.times, one.values, strict=True):
            if value is None:
                runs.append([])
            else:
                runs[-1].append(Point(across(time), down(value), time, value))
        return tuple(tuple(run) for run in runs if run)

    return TimeChart(
        lines=tuple(
            Line(one.name, i % NUM_COLOURS, pieces(one), None if one.whole is None else down(one.whole))
            for i, one in enumerate(series)
        ),
        values=tuple(zip(map(down, ticks), tick_labels(ticks), strict=True)),
        times=tuple(zip(map(across, moments), tick_labels(moments), strict=True)),
        unit=unit,
        span=None if span is None else (across(span[0]), across(span[1]) - across(span[0])),
    )


def _inner_ticks(first: float, last: float, *, whole: bool) -> list[float]:
    step = nice_step(last - first, 6)
    step = max(1.0, step) if whole else step
    start = math.ceil(first / step - 1e-9)
    return [round(i * step, 10) for i in range(start, math.floor(last / step + 1e-9) + 1)]


def render(template: str, **values: Any) -> str:
    """Render the template ``app_<template>.html``."""
    return html_environment().get_template(f"app_{template}.html").render(**values)


def stylesheet() -> str:
    """Return the stylesheet of the pages."""
    template = html_environment().get_template("app.css")
    return template.render(heat_steps=HEAT_STEPS, strong_heat=STRONG_HEAT)
