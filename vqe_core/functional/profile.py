"""Image and sound along time.

Task: when does the audio fit the images, when does it not, and is one of the two late?
Conventions: times in seconds, ``[start, end)``; ``similarity[i, j]`` is that of video window i and audio window j,
cut at the same T times; NaN marks what was not measured (the column of a silent window). A positive lag means
that the sound comes later than the image.
Metrics: ``av_profile`` (diagonal, worst window, best lag) and ``temporal_contrast``.
Source: own; the contrast is a permutation test over circular shifts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vqe_core.errors import InputError
from vqe_core.functional.reductions import aligned_windows
from vqe_core.functional.shapes import check_shapes

# Similarities come from float32 embeddings: closer ones, relative to the largest, are the same.
ROUNDING = 1e-6
# Share of the hop by which a start may be off and the window still stand on the regular grid.
GRID_TOLERANCE = 1e-3
# With two windows there is one shift, so the p-value could only be 0.5 or 1.
FEWEST_WINDOWS = 3


@dataclass(frozen=True)
class WorstWindow:
    """The window of lowest similarity: its number, start and end in seconds, and its similarity."""

    index: int
    start: float
    end: float
    value: float


class AvProfile(NamedTuple):
    """Result of ``av_profile``.

    Attributes:
        times: float64 (T, 2), start and end of each window, seconds.
        diagonal: float (T,), similarity of image and sound of the same time; NaN where not measured.
        worst: the lowest window, the first of equal ones; None if nothing was measured.
        best_lag: seconds; positive: the sound comes later than the image. NaN if nothing was measured.
        lags: float64 (L,), the lags tried, seconds, rising.
        lag_similarity: float64 (L,), mean similarity at each; NaN where too little was measured.
    """

    times: Tensor
    diagonal: Tensor
    worst: WorstWindow | None
    best_lag: float
    lags: Tensor
    lag_similarity: Tensor


def av_profile(similarity: Tensor, times: Tensor, hop: float) -> AvProfile:
    """Measure how well the audio fits the images, moment by moment.

    The best lag is the shift of the sound, in whole hops, at which the mean similarity is highest. Few windows
    or a static scene leave it to chance: read it beside ``temporal_contrast``.

    Args:
        similarity: float (T, T), T >= 1.
        times: float64 (T, 2), seconds, as ``window_bounds`` gives them.
        hop: seconds between two starts, as given to ``window_bounds``.

    Returns:
        ``AvProfile``. Lags are tried as long as at least half of the windows overlap, and half of the measured
        ones are measured there. Of equal lags the smallest wins, of +x and -x then +x. A last window that was
        shifted back has no place on the grid of hops and takes no part in the lag.

    Raises:
        InputError: axes disagree, no window, hop is not positive, or times do not rise by hop.

    Adding a constant to all similarities moves no window and no lag.

    Source:
        Own.

    Example:
        >>> late = torch.tensor([[0.1, 0.9, 0.1], [0.1, 0.1, 0.8], [0.1, 0.1, 0.0]])  # image i fits sound i + 1
        >>> profile = av_profile(late, torch.tensor([[0.0, 2.0], [2.0, 4.0], [4.0, 6.0]]).double(), hop=2.0)
        >>> profile.best_lag, profile.worst
        (2.0, WorstWindow(index=2, start=4.0, end=6.0, value=0.0))
    """
    diagonal = aligned_windows(similarity)
    check_shapes(similarity=(similarity, "T T"), times=(times, "T P"))
    regular = _windows_on_grid(times, hop)
    shifts, means = _means_by_shift(similarity[:regular, :regular].double())
    return AvProfile(
        times=times,
        diagonal=diagonal,
        worst=_worst_window(diagonal, times),
        best_lag=_best_shift(shifts, means) * hop,
        lags=torch.tensor(shifts, dtype=torch.float64) * hop,
        lag_similarity=means,
    )


def _windows_on_grid(times: Tensor, hop: float) -> int:
    """Count the windows that, from the first, stand a whole number of hops apart."""
    if not (math.isfinite(hop) and hop > 0):
        raise InputError(f"hop ({hop}) must be a positive number of seconds")
    if times.shape[1] != 2 or not bool((times[:, 1] > times[:, 0]).all()):
        raise InputError("times must have one row (start, end) a window with end > start, as window_bounds gives them")
    steps = times[:, 0].double().diff()
    on_grid = (steps - hop).abs() <= GRID_TOLERANCE * hop
    if not bool(on_grid[:-1].all()) or not bool(
        (steps[-1:] > 0).all() and (steps[-1:] < hop * (1 + GRID_TOLERANCE)).all()
    ):
        raise InputError(
            f"times must rise by hop ({hop} s), the last by less at most, got steps of "
            f"{float(steps.min()):g} to {float(steps.max()):g} s; pass the hop that window_bounds was given"
        )
    return len(times) - int((~on_grid).sum())


def _means_by_shift(scores: Tensor) -> tuple[list[int], Tensor]:
    """Return mean of each diagonal that holds at least half of the windows; NaN where too little was measured."""
    half = len(scores) // 2
    shifts = list(range(-half, half + 1))
    needed = max(1, math.ceil(int((~scores.diagonal().isnan()).sum()) / 2))
    means = []
    for shift in shifts:
        pairs = scores.diagonal(shift)  # image i with sound i + shift
        measured = pairs[~pairs.isnan()]
        means.append(measured.mean() if len(measured) >= needed else scores.new_tensor(torch.nan))
    return shifts, torch.stack(means)


def _best_shift(shifts: list[int], means: Tensor) -> float:
    values = means.tolist()
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return math.nan
    lowest_best = max(known) - ROUNDING * max(abs(value) for value in known)
    equal = [shift for shift, value in zip(shifts, values, strict=True) if value >= lowest_best]
    return min(equal, key=lambda shift: (abs(shift), -shift))


def _worst_window(diagonal: Tensor, times: Tensor) -> WorstWindow | None:
    if bool(diagonal.isnan().all()):
        return None
    index = int(diagonal.nan_to_num(nan=torch.inf).argmin())
    start, end = times[index].tolist()
    return WorstWindow(index, start, end, float(diagonal[index]))


class TemporalContrast(NamedTuple):
    """Result of ``temporal_contrast``.

    Attributes:
        aligned: mean similarity of windows of the same time.
        shifted_mean: mean over all circular shifts of the sound by 1 to T - 1 windows.
        contrast: aligned minus shifted_mean; about 0 for a static scene.
        p_value: (1 + number of shifts that score at least as much) / T; never below 1 / T.
        num_windows: T, the measured windows.
    """

    aligned: float
    shifted_mean: float
    contrast: float
    p_value: float
    num_windows: int


def temporal_contrast(similarity: Tensor) -> TemporalContrast:
    """Does time matter: does the sound fit better where it is than shifted in time?

    The p-value is exact: all shifts are tried. It cannot fall below 1 / T, so a perfect match of 12 windows
    has p = 0.083; read it beside T. Overlapping windows resemble their neighbours, which raises it.

    Args:
        similarity: float (T, T), T >= 1. Windows whose diagonal is NaN are cut out of both axes.

    Returns:
        ``TemporalContrast``. With fewer than 3 measured windows shifted_mean, contrast and p_value are NaN, and
        with none aligned is, too.

    Raises:
        InputError: not square, no window, or NaN between two measured windows.

    Adding a constant to all similarities, or scaling them, leaves the p-value as it is.

    Source:
        Own; a shift of one of two series against the other is the usual null model of their alignment.

    Example:
        >>> contrast = temporal_contrast(torch.eye(4))
        >>> contrast.contrast, contrast.p_value
        (1.0, 0.25)
    """
    measured = ~aligned_windows(similarity).isnan()
    scores = similarity[measured][:, measured].double()
    if bool(scores.isnan().any()):
        raise InputError("similarity has NaN between two measured windows; make the column of a silent window all NaN")
    count = len(scores)
    if count < FEWEST_WINDOWS:
        return TemporalContrast(float(scores.diagonal().mean()), math.nan, math.nan, math.nan, count)
    video = torch.arange(count)
    audio = (video[:, None] + video) % count  # (shift, video window)
    means = scores[video, audio].mean(dim=1)
    aligned, shifted = means[0], means[1:]
    as_good = int((shifted >= aligned - ROUNDING * scores.abs().max()).sum())
    shifted_mean = float(shifted.mean())
    return TemporalContrast(float(aligned), shifted_mean, float(aligned) - shifted_mean, (1 + as_good) / count, count)
