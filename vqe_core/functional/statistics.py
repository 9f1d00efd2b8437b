"""Statistics of scores whose unit is a video: intervals, paired tests, effect sizes, and how many videos would do.

Task: which of two systems is better, and how sure is that?
Conventions: several rows may show one video (a table of captions), and are not independent, so videos are resampled,
each with all its rows. The mean is that over rows, as in every report: ``sums / counts`` of the videos together. B sets
of scores (systems, or metrics of systems), N rows, V videos, R resamples.
Metrics: interval of a mean or of a difference (``bootstrap_means`` with ``percentile_interval`` or ``bca_interval``),
that of a mean without resampling (``margin_of_error``),
``randomisation_p_values``, ``holm``, ``cohens_d``, ``probability_of_superiority``, ``videos_needed``; interval of a
share (``wilson_interval``).
Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993; Noreen, "Computer-Intensive Methods for Testing
Hypotheses", 1989; Phipson and Smyth, "Permutation P-values should never be zero", 2010.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from vqe_core.errors import InputError
from vqe_core.functional.shapes import check_shapes

NUM_RESAMPLES = 9999  # so that (1 + count) / (1 + resamples) has round levels
# Sums of the same numbers in another order differ by less, relative to the largest.
ROUNDING = 1e-9
WILSON_Z = 1.959963984540054  # 95 % of a normal distribution lie within so many deviations
_AT_ONCE = 4_000_000  # numbers drawn at a time, 32 MB


class VideoSums(NamedTuple):
    """Scores by video.

    Attributes:
        sums: float64 (B, V), sum over the rows of each video.
        counts: float64 (V,), rows of each video, at least 1.
    """

    sums: Tensor
    counts: Tensor

    @property
    def means(self) -> Tensor:
        """Mean over all rows, float64 (B,)."""
        return self.sums.sum(dim=-1) / self.counts.sum()


def sums_by_video(scores: Tensor, videos: Tensor) -> VideoSums:
    """Add up the scores of each video's rows.

    Args:
        scores: float (B, N), finite; N >= 1.
        videos: int64 (N,), equal for rows that show one video.

    Returns:
        ``VideoSums``, its videos in the order of their numbers.

    Raises:
        InputError: axes disagree, there is no row, a score is not finite, or videos are no whole numbers.

    Example:
        >>> sums_by_video(torch.tensor([[0.25, 0.5, 1.0]]), torch.tensor([7, 7, 3])).sums.tolist()
        [[1.0, 0.75]]
    """
    check_shapes(scores=(scores, "B N"), videos=(videos, "N"))
    if not scores.shape[1]:
        raise InputError("scores have no rows; statistics need at least one")
    if not bool(scores.isfinite().all()):
        row = int((~scores.isfinite()).any(dim=0).nonzero()[0])
        raise InputError(f"scores must be finite, row {row} is not; leave rows without a score out beforehand")
    if videos.is_floating_point() or videos.is_complex():
        raise InputError(f"videos must be whole numbers, got {videos.dtype}; number the videos, for example 0 0 1 2")
    distinct, place = torch.unique(videos, return_inverse=True)
    sums = torch.zeros(len(scores), len(distinct), dtype=torch.float64).index_add(1, place, scores.double())
    return VideoSums(sums, torch.bincount(place, minlength=len(distinct)).double())


def bootstrap_means(scores: VideoSums, *, seed: int = 0, num_resamples: int = NUM_RESAMPLES) -> Tensor:
    """Draw the videos with replacement, each with all its rows, and take the means of all sets of scores each time.

    Args:
        scores: by video.
        seed: of the draws; no global random state is read or changed.
        num_resamples: draws. Default 9999.

    Returns:
        float64 (R, B). All sets share the draws, so the difference of two columns is one of paired differences.

    Raises:
        InputError: num_resamples < 1.

    Source:
        The cluster bootstrap: of 50 videos with 10 captions each, rows resampled one by one held the mean in 53 % of
        95 % intervals.

    Example:
        >>> drawn = bootstrap_means(VideoSums(torch.ones(1, 4), torch.ones(4)), num_resamples=3)
        >>> drawn.tolist()
        [[1.0], [1.0], [1.0]]
    """
    if num_resamples < 1:
        raise InputError(f"num_resamples ({num_resamples}) must be at least 1")
    generator, num_videos = torch.Generator().manual_seed(seed), scores.sums.shape[1]
    columns = torch.cat([scores.sums, scores.counts[None]]).double().T  # (V, B + 1)
    drawn = []
    for size in _portions(num_resamples, num_videos):
        chosen = torch.randint(num_videos, (size, num_videos), generator=generator)
        times = torch.zeros(size, num_videos, dtype=torch.float64)
        times.scatter_add_(1, chosen, torch.ones(1, dtype=torch.float64).expand_as(chosen))
        drawn.append(times @ columns)
    totals = torch.cat(drawn)
    return totals[:, :-1] / totals[:, -1:]


def _portions(count: int, width: int) -> list[int]:
    """Split ``count`` draws so that few numbers are in memory at a time."""
    size = max(1, _AT_ONCE // max(1, width))
    return [min(size, count - start) for start in range(0, count, size)]


def jackknife_means(scores: VideoSums) -> Tensor:
    """Take the means of all sets of scores with one video left out after the other, float64 (V, B).

    Example:
        >>> jackknife_means(VideoSums(torch.tensor([[1.0, 4.0]]), torch.tensor([1.0, 2.0]))).tolist()
        [[2.0], [1.0]]
    """
    rest = scores.sums.sum(dim=1, keepdim=True) - scores.sums
    return (rest / (scores.counts.sum() - scores.counts)).T


def margin_of_error(scores: VideoSums, confidence: float = 0.95, *, share: float = 1.0) -> Tensor:
    """Return half the width of the interval of a mean, without resampling: one pass over any number of videos.

    Args:
        scores: by video.
        confidence: in (0, 1). Default 0.95.
        share: what part of all videos these are, chosen at random, in (0, 1]. Default: all. The margin is that of all.

    Returns:
        float64 (B,), at least 0; NaN of fewer than two videos.

    Raises:
        InputError: confidence or share out of range.

    Invariant: videos of one row each have the margin of Student's t interval.

    Source:
        Cochran, "Sampling Techniques", 1977, section 6.4: the mean over rows is a ratio of two sums over videos.

    Example:
        >>> scores = VideoSums(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]]).double(), torch.ones(5).double())
        >>> margin_of_error(scores).round(decimals=2).tolist()
        [1.96]
    """
    if not 0 < share <= 1:
        raise InputError(f"share ({share!r}) must be above 0 and at most 1")
    normal, num_videos = _edges(confidence)[1], scores.sums.shape[1]
    if num_videos < 2:
        return torch.full((len(scores.sums),), torch.nan, dtype=torch.float64)
    off = scores.sums.double() - scores.means[:, None] * scores.counts
    error = (num_videos / (num_videos - 1) * (off**2).sum(dim=1)).sqrt() / scores.counts.sum()
    margin: Tensor = student_quantile(normal, max(1, round(num_videos / share) - 1)) * error * share**0.5
    return margin


def percentile_interval(drawn: Tensor, confidence: float = 0.95, num_videos: int | None = None) -> Tensor:
    """Return the interval between two quantiles of resampled values.

    Args:
        drawn: float64 (R, B), resampled means or differences.
        confidence: in (0, 1). Default 0.95.
        num_videos: that were resampled: the interval is expanded, as resamples of few videos vary too little. Default:
            not expanded.

    Returns:
        float64 (B, 2), low and high.

    Raises:
        InputError: confidence out of range.

    Source:
        Expanded by Hesterberg, "What Teachers Should Know About the Bootstrap", 2015, section 4.

    Example:
        >>> percentile_interval(torch.arange(101.0)[:, None], 0.9).round().tolist()
        [[5.0, 95.0]]
    """
    by_set = drawn.double().T.contiguous()
    levels = torch.special.ndtr(_edges(confidence, num_videos))
    return torch.stack([_quantiles(by_set, level.expand(len(by_set))) for level in levels], dim=1)


def bca_interval(
    drawn: Tensor, estimate: Tensor, left_out: Tensor, confidence: float = 0.95, *, expanded: bool = False
) -> Tensor:
    """Return the bias-corrected and accelerated bootstrap interval.

    Args:
        drawn: float64 (R, B), resampled means or differences.
        estimate: float64 (B,), of the videos as they are.
        left_out: float64 (V, B), with one video left out after the other; see ``jackknife_means``.
        confidence: in (0, 1). Default 0.95.
        expanded: for few videos, as of ``percentile_interval``. Default: not expanded.

    Returns:
        float64 (B, 2), low and high. Where all resamples are equal, both are that value.

    Raises:
        InputError: axes disagree, or confidence out of range.

    Source:
        Efron, "Better Bootstrap Confidence Intervals", JASA 1987; as `scipy.stats.bootstrap` computes it.

    Example:
        >>> drawn = torch.arange(-50.0, 51)[:, None] / 50
        >>> bca_interval(drawn, torch.zeros(1), torch.tensor([[-1.0], [1.0]]), 0.9).round(decimals=2).tolist()
        [[-0.9, 0.9]]
    """
    check_shapes(drawn=(drawn, "R B"), estimate=(estimate, "B"), left_out=(left_out, "V B"))
    by_set, estimate, left_out = drawn.double().T.contiguous(), estimate.double(), left_out.double()
    under, reached = ((by_set < estimate[:, None]).sum(dim=1), (by_set <= estimate[:, None]).sum(dim=1))
    below = (under + reached).double() / (2 * len(drawn))  # equal ones count half
    bias = torch.special.ndtri(below)  # (B,)
    off = left_out.mean(dim=0) - left_out
    spread = (off**2).sum(dim=0)
    acceleration = (off**3).sum(dim=0) / (6 * spread**1.5).clamp_min(torch.finfo(torch.float64).tiny)
    levels = []
    for normal in _edges(confidence, len(left_out) if expanded else None):
        moved = bias + normal
        levels.append(torch.special.ndtr(bias + moved / (1 - acceleration * moved)))
    return torch.stack([_quantiles(by_set, level.nan_to_num(0.5)) for level in levels], dim=1)


def _quantiles(by_set: Tensor, levels: Tensor) -> Tensor:
    """Return a quantile of each row of (B, R), at a level of its own, (B,)."""
    if float(levels.min()) > 0.5:  # from the nearer end, as only the numbers up to there are put in order
        return -_quantiles(-by_set, 1 - levels)
    last = by_set.shape[1] - 1
    place = levels.clamp(0, 1) * last
    low, rows = place.floor().long(), torch.arange(len(by_set))
    ordered = by_set.topk(min(last, int(low.max()) + 1) + 1, dim=1, largest=False).values
    return torch.lerp(ordered[rows, low], ordered[rows, (low + 1).clamp_max(last)], place - low)


def _edges(confidence: float, num_videos: int | None = None) -> Tensor:
    """Return the edges of an interval in standard normal deviations, (2,), expanded for so many videos."""
    if not 0 < confidence < 1:
        raise InputError(f"confidence ({confidence!r}) must be between 0 and 1, for example 0.95")
    tail = (1 - confidence) / 2
    z: Tensor = torch.special.ndtri(torch.tensor([tail, 1 - tail], dtype=torch.float64))
    if num_videos is None or num_videos < 2:
        return z
    stretch: float = (num_videos / (num_videos - 1)) ** 0.5
    return student_quantile(z, num_videos - 1) * stretch


def student_quantile(normal: Tensor, freedom: int) -> Tensor:
    """Return the quantiles of Student's t at the levels of standard normal quantiles.

    Args:
        normal: float64, any shape.
        freedom: degrees of freedom, at least 1; off by less than 0.01 from 4 on, for levels from .01 to .99.

    Source:
        Abramowitz and Stegun, 26.7.5, four terms.

    Example:
        >>> round(float(student_quantile(torch.tensor(1.959964), 19)), 3)
        2.093
    """
    z, n = normal.double(), float(freedom)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    quantile: Tensor = z + first / n + second / n**2 + third / n**3 + fourth / n**4
    return quantile


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, which stays within [0, 1] and has a width at 0 and 1 too.

    Args:
        share: of successes, [0, 1].
        count: of trials, at least 1.

    Returns:
        Lower and upper end, in [0, 1].

    Raises:
        InputError: a share or a count out of range.

    Source:
        Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 1927.

    Example:
        >>> [round(end, 3) for end in wilson_interval(0.93, 100)]
        [0.863, 0.966]
    """
    if not (0 <= share <= 1 and count >= 1):
        raise InputError(f"share ({share!r}) must be in [0, 1], and count ({count!r}) at least 1")
    squared = WILSON_Z**2 / count
    middle = (share + squared / 2) / (1 + squared)
    half = WILSON_Z * math.sqrt(share * (1 - share) / count + squared / (4 * count)) / (1 + squared)
    return max(0.0, middle - half), min(1.0, middle + half)


def randomisation_p_values(
    scores: VideoSums, pairs: Tensor, *, seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Tensor:
    """Test whether the means of two sets of scores differ, by exchanging the two at random in each video.

    Args:
        scores: by video.
        pairs: int64 (P, 2), numbers of the sets to compare.
        seed: of the exchanges; no global random state is read or changed.
        num_resamples: exchanges. Default 9999; the p-value is never below 1 / (1 + num_resamples).

    Returns:
        float64 (P,), two-sided p-values in (0, 1]: how often exchanging gives a difference as large, ties included.
        With so few videos that every exchange can be tried (13 by default), each is, once, and the p-value is exact.

    Raises:
        InputError: pairs is no (P, 2), or num_resamples < 1.

    The two sets of a pair may be swapped, and all scores moved or scaled together: the p-value stays.

    Source:
        Noreen 1989, approximate randomisation; the unit that is exchanged is a video, as its rows are not independent.

    Example:
        >>> scores = VideoSums(torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]).double(), torch.ones(3).double())
        >>> randomisation_p_values(scores, torch.tensor([[0, 1]])).tolist()  # 2 of 8
        [0.25]
    """
    check_shapes(pairs=(pairs, "P C"))
    if pairs.shape[1] != 2:
        raise InputError(f"pairs must name two sets of scores each, got shape {tuple(pairs.shape)}")
    if num_resamples < 1:
        raise InputError(f"num_resamples ({num_resamples}) must be at least 1")
    first, second = pairs.T
    centred = scores.sums - scores.sums.mean(dim=0)  # smaller numbers, and the same differences
    observed = (centred[first] - centred[second]).sum(dim=1).abs()
    largest = (centred[first] - centred[second]).abs().sum(dim=1)
    num_videos = scores.sums.shape[1]
    exact = 2**num_videos <= num_resamples
    as_large = torch.zeros(len(pairs), dtype=torch.float64)
    for signs in _all_signs(num_videos) if exact else _random_signs(num_videos, num_resamples, seed):
        swapped = signs @ centred.T  # (R, B)
        drawn = (swapped[:, first] - swapped[:, second]).abs()
        as_large += (drawn >= observed - ROUNDING * largest).sum(dim=0)
    return as_large / 2**num_videos if exact else (1 + as_large) / (1 + num_resamples)


def _all_signs(num_videos: int) -> list[Tensor]:
    numbers = torch.arange(2**num_videos)[:, None] >> torch.arange(num_videos)
    return [1 - 2.0 * (numbers & 1).double()]


def _random_signs(num_videos: int, num_resamples: int, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for size in _portions(num_resamples, num_videos):
        yield 1 - 2.0 * torch.randint(2, (size, num_videos), generator=generator).double()


def p_value_of_shuffles(drawn: Tensor, observed: Tensor, largest: Tensor) -> float:
    """Return the share of shuffles whose statistic is at least the observed one, itself among them, in (0, 1].

    Args:
        drawn: float64 (R,), the statistic of each shuffle.
        observed: float64 (), of the data as they are.
        largest: float64 (), size of the numbers that were added up: sums that differ by rounding only are equal.

    Example:
        >>> p_value_of_shuffles(torch.tensor([1.0, 2.0, 3.0]), torch.tensor(3.0), torch.tensor(3.0))
        0.5
    """
    return (1 + int((drawn >= observed - ROUNDING * largest).sum())) / (1 + len(drawn))


def holm(p_values: Tensor) -> Tensor:
    """Adjust the p-values of several tests so that any false positive among them has the level of one test.

    Args:
        p_values: float (P,) in [0, 1].

    Returns:
        float64 (P,) in [0, 1], at least as large each, in the order given.

    Source:
        Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.

    Example:
        >>> [round(p, 3) for p in holm(torch.tensor([0.04, 0.01, 0.03])).tolist()]
        [0.06, 0.03, 0.06]
    """
    check_shapes(p_values=(p_values, "P"))
    order = p_values.double().argsort()
    left = torch.arange(len(p_values), 0, -1, dtype=torch.float64)
    stepped = (p_values.double()[order] * left).cummax(dim=0).values.clamp_max(1)
    return torch.empty_like(stepped).scatter(0, order, stepped)


def cohens_d(scores: VideoSums, pairs: Tensor) -> Tensor:
    """Return the mean of the differences of two sets by video, in their standard deviations (of a sample).

    Args:
        scores: by video.
        pairs: int64 (P, 2), numbers of the sets; the second is taken from the first.

    Returns:
        float64 (P,); about 0.2 is called small, 0.5 medium, 0.8 large. NaN with fewer than two videos, or where all
        videos differ by the same.

    Source:
        Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, d_z of paired differences.

    Example:
        >>> scores = VideoSums(torch.tensor([[1.0, 3.0], [0.0, 0.0]]).double(), torch.ones(2).double())
        >>> round(float(cohens_d(scores, torch.tensor([[0, 1]]))), 3)
        1.414
    """
    differences = _differences(scores, pairs)
    return _in_deviations(differences.mean(dim=1), differences)


def _differences(scores: VideoSums, pairs: Tensor) -> Tensor:
    """Return the differences of the means of each video, (P, V)."""
    return (scores.sums[pairs[:, 0]] - scores.sums[pairs[:, 1]]) / scores.counts


def _in_deviations(values: Tensor, sample: Tensor) -> Tensor:
    """Divide (P,) by the standard deviation of each row of a (P, V) sample; NaN where nothing varies."""
    if sample.shape[1] < 2:
        return torch.full_like(values, torch.nan)
    deviation = sample.std(dim=1)
    flat = deviation <= ROUNDING * sample.abs().max(dim=1).values
    return (values / torch.where(flat, torch.ones_like(deviation), deviation)).masked_fill(flat, torch.nan)


def probability_of_superiority(scores: VideoSums, pairs: Tensor) -> Tensor:
    """Return the share of videos for which the first set of a pair has the higher mean, a tie counting half.

    Args:
        scores: by video.
        pairs: int64 (P, 2), numbers of the sets.

    Returns:
        float64 (P,) in [0, 1]; 0.5 where neither is ahead.

    Source:
        McGraw and Wong, "A Common Language Effect Size Statistic", 1992, for pairs.

    Example:
        >>> scores = VideoSums(torch.tensor([[2.0, 1.0], [1.0, 1.0]]), torch.ones(2))
        >>> probability_of_superiority(scores, torch.tensor([[0, 1]])).tolist()
        [0.75]
    """
    differences = _differences(scores, pairs)
    tied = differences.abs() <= ROUNDING * (scores.sums / scores.counts).abs().max()
    ahead: Tensor = ((differences > 0) & ~tied).double() + tied.double() / 2
    return ahead.mean(dim=1)


def videos_needed(scores: VideoSums, pairs: Tensor, *, power: float = 0.8, level: float = 0.05) -> Tensor:
    """Return how many videos would show the observed difference of the means, if it is the true one.

    Args:
        scores: by video.
        pairs: int64 (P, 2), numbers of the sets.
        power: how often a test of so many videos is to find it. Default 0.8.
        level: of that two-sided test. Default 0.05.

    Returns:
        float64 (P,), whole numbers of at least 2; infinite where the means are equal, NaN where it cannot be told
        (fewer than two videos, or all videos differ by the same).

    Source:
        Paired t test; Guenther, "Sample Size Formulas for Normal Theory T Tests", 1981: the normal formula and half the
        square of its quantile. Videos with more rows weigh more, as in the mean.

    Example:
        >>> scores = VideoSums(torch.tensor([[1.0, 3.0, 0.0, 2.0], [0.0] * 4]).double(), torch.ones(4).double())
        >>> videos_needed(scores, torch.tensor([[0, 1]])).tolist()
        [8.0]
    """
    sums, counts = scores.sums[pairs[:, 0]] - scores.sums[pairs[:, 1]], scores.counts
    difference = sums.sum(dim=1) / counts.sum()
    influence = (sums - difference[:, None] * counts) / counts.mean()
    size = _in_deviations(difference, influence + difference[:, None])
    tail, reached = torch.special.ndtri(torch.tensor([1 - level / 2, power], dtype=torch.float64))
    needed: Tensor = ((tail + reached) / size) ** 2 + tail**2 / 2
    return needed.ceil().clamp_min(2)
