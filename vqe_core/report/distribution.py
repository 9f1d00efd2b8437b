"""Distribution of scores: histograms, quantiles, and round ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NUM_BINS = 24  # at most about so many: fine enough for two humps, coarse enough for a hundred rows


@dataclass(frozen=True)
class Histogram:
    """Counts of values in bins of equal width.

    Attributes:
        edges: of the bins, one more than counts, increasing; round numbers.
        counts: values from each edge to the next; the last edge belongs to the last bin.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def most(self) -> int:
        """The largest count, at least 1."""
        return max(1, *self.counts)


def histogram(values: Sequence[float], low: float | None = None, high: float | None = None) -> Histogram:
    """Count values in about twenty bins with round edges.

    Args:
        values: any number of them, finite.
        low, high: what the bins must hold at least. Default: the values.

    Example:
        >>> found = histogram([0.1, 0.12, 0.3])
        >>> found.edges[0], found.edges[-1], sum(found.counts)
        (0.1, 0.3, 3)
    """
    low = min(values, default=0.0) if low is None else low
    high = max(values, default=1.0) if high is None else high
    edges = nice_ticks(low, high, NUM_BINS)
    counts, _ = np.histogram(np.clip(np.asarray(values, float), edges[0], edges[-1]), bins=edges)
    return Histogram(tuple(edges), tuple(counts.tolist()))


@dataclass(frozen=True)
class Summary:
    """A score over the rows that have it: number, mean, and quantiles."""

    count: int
    mean: float
    low: float
    median: float
    high: float


def summarise(values: Sequence[float]) -> Summary | None:
    """Return mean, 5 %, 50 % and 95 % quantile of the values; None where there are none.

    Example:
        >>> summarise([1.0, 2.0, 3.0])
        Summary(count=3, mean=2.0, low=1.1, median=2.0, high=2.9)
    """
    if not values:
        return None
    low, median, high = (round(float(q), 12) for q in np.quantile(np.asarray(values, float), [0.05, 0.5, 0.95]))
    return Summary(len(values), math.fsum(values) / len(values), low, median, high)


def percentile_ranks(values: Sequence[float]) -> np.ndarray:
    """Return the share of the others that lie below each value, ties half; float64 (N,), NaN where the value is.

    Example:
        >>> percentile_ranks([0.2, 0.9, 0.2, float("nan")]).tolist()
        [0.25, 1.0, 0.25, nan]
    """
    array = np.asarray(values, float)
    known = array[~np.isnan(array)]
    ordered = np.sort(known)
    below, upto = np.searchsorted(ordered, known, "left"), np.searchsorted(ordered, known, "right")
    ranks = np.full(len(array), np.nan)
    ranks[~np.isnan(array)] = (below + (upto - below - 1) / 2) / max(1, len(known) - 1)
    return ranks


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return round values that enclose a range, at a step of 1, 2 or 5 times a power of ten.

    Example:
        >>> nice_ticks(0.213, 0.287)
        [0.2, 0.22, 0.24, 0.26, 0.28, 0.3]
    """
    step = nice_step(max(high - low, 1e-3), count)
    start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    stop = max(stop, start + 1)
    return [round(i * step, 10) for i in range(start, stop + 1)]


def nice_step(span: float, count: int) -> float:
    """Return the least round step that covers ``span`` in about ``count`` steps."""
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Format ticks with as many digits as the longest needs, and a true minus sign."""
    digits = max((len(f"{tick:.10f}".rstrip("0").partition(".")[2]) for tick in ticks), default=0)
    return [f"{tick:.{digits}f}".replace("-", "−") for tick in ticks]
