"""Agreement of a metric with people: correlations by name, and their intervals.

Task: how well does the order, or the size, of scores follow human labels?
Conventions: ``scores`` float (N,), ``labels`` float (N,) or (N, R) of R raters; natural units, [-1, 1].
Metrics: Kendall's tau_b and tau_c, Spearman's rho, Pearson's r (scipy), against one rater or as the mean over several.
Source: Kendall, "The treatment of ties in ranking problems", 1945; Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993, chapter 13.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from vqe_core.errors import InputError, MissingPackageError

LEVEL = 0.95


class Interval(NamedTuple):
    """A number with its 95 % interval; NaN where none can be had."""

    value: float
    low: float
    high: float


def correlation(name: str, scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the correlation of scores with labels.

    Args:
        name: ``"tau_b"``, ``"tau_c"``, ``"rho"`` (Spearman) or ``"r"`` (Pearson).
        scores: float (N,).
        labels: float (N,), or (N, R): the mean of the correlations with each of R raters.

    Returns:
        Correlation, [-1, 1]; NaN where all scores, or all labels, are equal.

    Raises:
        InputError: no such correlation, or shapes that do not fit.
        MissingPackageError: scipy is not there.

    Example:
        >>> two_raters = np.array([[1, 1], [2, 3], [3, 2]])
        >>> round(correlation("tau_b", np.array([0.1, 0.2, 0.3]), two_raters), 4)
        0.6667
    """
    try:
        from scipy import stats
    except ImportError as error:
        raise MissingPackageError("correlations need scipy (pip install 'vqe-core[meta-eval]')") from error
    functions = {
        "tau_b": lambda x, y: stats.kendalltau(x, y, variant="b").statistic,
        "tau_c": lambda x, y: stats.kendalltau(x, y, variant="c").statistic,
        "rho": lambda x, y: stats.pearsonr(stats.rankdata(x), stats.rankdata(y)).statistic,  # without a p-value
        "r": lambda x, y: stats.pearsonr(x, y).statistic,
    }
    if name not in functions:
        raise InputError(f"correlation ({name!r}) must be one of {', '.join(functions)}")
    columns = labels[:, None] if labels.ndim == 1 else labels
    if scores.ndim != 1 or columns.shape[0] != len(scores):
        raise InputError(f"scores {scores.shape} and labels {labels.shape} must be (N,) and (N,) or (N, R)")
    if len(scores) < 2 or np.ptp(scores) == 0:
        return float("nan")
    of_each = [
        float(functions[name](scores, column)) if np.ptp(column) else float("nan")  # scipy warns there
        for column in columns.T
    ]
    return float(np.mean(of_each))


def intervals(
    statistics: Callable[[np.ndarray], Mapping[str, float]],
    groups: np.ndarray,
    num_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return statistics with 95 % intervals: the percentile bootstrap, groups drawn as a whole.

    Captions of one video are alike, so a draw of single rows would promise too much.

    Args:
        statistics: of rows, int64 (M,), by name; a row may come several times.
        groups: int (N,), from 0 to G - 1: which rows belong together, for example to one video.
        num_resamples: draws. 0: no interval.
        seed: of the draws.

    Returns:
        By name; the interval is NaN with fewer than two groups.

    Raises:
        InputError: ``num_resamples`` is negative.

    Source:
        Efron and Tibshirani 1993, section 13.3; clusters as units: Davison and Hinkley 1997, section 3.8.

    Example:
        >>> wins = np.array([1.0, 0.0, 1.0, 1.0])
        >>> found = intervals(lambda rows: {"share": wins[rows].mean()}, np.arange(4), num_resamples=200)
        >>> found["share"].value, found["share"].low < 0.75 < found["share"].high
        (0.75, True)
    """
    if num_resamples < 0:
        raise InputError(f"num_resamples ({num_resamples}) must not be negative; 0 for no interval")
    whole = statistics(np.arange(len(groups)))
    count = int(groups.max()) + 1 if len(groups) else 0
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(groups, minlength=count))[:-1]) if count else []
    drawn: dict[str, list[float]] = {name: [] for name in whole}
    generator = np.random.default_rng(seed)
    for _ in range(num_resamples if count > 1 else 0):
        rows = np.concatenate([members[group] for group in generator.integers(0, count, count)])
        for name, value in statistics(rows).items():
            drawn[name].append(value)
    return {name: Interval(float(value), *_ends(drawn[name])) for name, value in whole.items()}


def _ends(values: list[float]) -> tuple[float, float]:
    known = np.array(values)[~np.isnan(values)]
    if len(known) == 0:
        return float("nan"), float("nan")
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)
