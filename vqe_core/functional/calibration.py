"""Calibration of a similarity by pairs that do not belong together.

Task: does the sound of a clip fit its image better than the sounds of the other clips do?
Conventions: ``matrix[i, j]`` is the similarity of video i and the sound of row j, so the diagonal holds the true
pairs; all others are mismatches, except between rows of one group, which share one sound. The mismatches of a
video are the G - 1 other sounds: a sound counts once however many rows have it. N rows, G sounds.
Metrics: mismatched_mean, gap, auc, r1_v2a, r1_a2v, median_rank, percentile and z per row, p_value
(``calibrate``), with the values that chance gives; percentile and z of a row among mismatches from elsewhere
(``place_among``).
Source: AUC is the Mann-Whitney statistic; recall at 1 and median rank as usual in retrieval; permutation p-value
after Phipson and Smyth, "Permutation P-values should never be zero", 2010.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vqe_core.errors import InputError
from vqe_core.functional.shapes import check_shapes
from vqe_core.functional.statistics import ROUNDING, p_value_of_shuffles


class ChanceLevels(NamedTuple):
    """Values of the numbers of the same names when no sound belongs to any image."""

    auc: float
    r1_v2a: float
    r1_a2v: float
    median_rank: float


class Calibration(NamedTuple):
    """Result of ``calibrate``. A number that needs mismatches is NaN without any (one sound only).

    Attributes:
        paired_mean: mean of the diagonal.
        mismatched_mean: mean over videos and other sounds.
        gap: paired_mean minus mismatched_mean.
        auc: chance that a video's own sound scores above another one, [0, 1]; the mean percentile.
        r1_v2a: share of videos that rank their own sound first, [0, 1].
        r1_a2v: share of sounds that rank their own video first among the videos with another sound, [0, 1].
        median_rank: median over videos of the rank of the own sound, 1 (best) to G.
        p_value: chance of a paired_mean at least as high after shuffling the sounds among their groups, (0, 1].
        percentile: float64 (N,), per video the share of the other sounds that score lower, [0, 1].
        z: float64 (N,), per video the distance of the own sound from the mean of the others in their standard
            deviations (of a sample); NaN with fewer than two other sounds, or where they all score the same.
        chance: the levels of auc, r1_v2a, r1_a2v and median_rank without any relation.
        num_rows: N.
        num_sounds: G.
    """

    paired_mean: float
    mismatched_mean: float
    gap: float
    auc: float
    r1_v2a: float
    r1_a2v: float
    median_rank: float
    p_value: float
    percentile: Tensor
    z: Tensor
    chance: ChanceLevels
    num_rows: int
    num_sounds: int


def calibrate(
    matrix: Tensor, groups: Tensor | None = None, *, seed: int = 0, num_permutations: int = 2000
) -> Calibration:
    """Compare the true pairs of a batch with its mismatches.

    A raw cosine says nothing alone: two modalities may lie so far apart that even true pairs are negative. These
    numbers use its order only (auc, ranks, percentile, p_value) or differences (gap, z).

    Args:
        matrix: float (N, N), N >= 1, finite; video i against the sound of row j.
        groups: int64 (N,), equal for rows that share a sound. Default: every row has its own.
        seed: of the shuffles; no global random state is read or changed.
        num_permutations: shuffles of the sounds. Default 2000; p_value is never below 1 / (1 + num_permutations).

    Returns:
        ``Calibration``. Ties are split evenly: an equal mismatch counts half in percentile, auc and rank, and a
        first place shared by k counts 1/k. So a constant matrix gives exactly the chance levels.

    Raises:
        InputError: not square, no row, a value is not finite, groups do not fit, or num_permutations < 1.

    The order of the rows does not matter, except for p_value, which shuffles otherwise. Scaling the matrix by a
    positive number or adding a constant changes no rank, percentile, z or p_value.

    Source:
        Own combination; shuffles may leave pairs in place (they are drawn from all permutations), which makes
        the p-value valid for any N. Rows that share a sound are not independent, so a sound is given to another
        group of rows as a whole: of 40 clips with 20 rows each, shuffled row by row, .42 would have p <= .05
        without any relation.

    Example:
        >>> result = calibrate(torch.tensor([[-0.5, -0.7, -0.8], [-0.9, -0.6, -0.7], [-0.6, -0.7, -0.8]]))
        >>> round(result.gap, 3), round(result.auc, 3), result.percentile.tolist(), result.chance.median_rank
        (0.1, 0.667, [1.0, 1.0, 0.0], 2.0)
    """
    mismatch, share, num_sounds = _mismatches(matrix, groups)
    if num_permutations < 1:
        raise InputError(f"num_permutations ({num_permutations}) must be at least 1")
    scores = matrix.double()
    own = scores.diagonal()
    others = num_sounds - 1
    weights = mismatch * share  # (N, N), each row sums to G - 1
    above = _above(scores, own, weights)
    percentile = ((others - above) / others).clamp(0, 1)  # shares such as 1/3 do not add up exactly
    mean, z = _spread(scores, own, weights, others)
    known = others > 0
    return Calibration(
        paired_mean=float(own.mean()),
        mismatched_mean=float(mean.mean()),
        gap=float(own.mean() - mean.mean()),
        auc=float(percentile.mean()),
        r1_v2a=_first_places(scores, own, weights) if known else math.nan,
        r1_a2v=_first_places(scores.T, own, mismatch.double()) if known else math.nan,
        median_rank=_median(1 + above) if known else math.nan,
        p_value=_permutation_p(_between_groups(scores, groups), len(own), seed, num_permutations)
        if known
        else math.nan,
        percentile=percentile,
        z=z,
        chance=_chance_levels(mismatch, num_sounds),
        num_rows=len(own),
        num_sounds=num_sounds,
    )


class Place(NamedTuple):
    """Place of a row's own score among those of its mismatches; see ``place_among``.

    Attributes:
        percentile: share of the other sounds that score lower, [0, 1]; NaN without any.
        z: distance from the mean of the others in their standard deviations (of a sample); NaN with fewer than two
            other sounds, or where they all score the same.
    """

    percentile: float
    z: float


def place_among(own: Tensor, others: Tensor, groups: Tensor) -> Place:
    """Return where a score stands among those of mismatches, each group of them counting once.

    Args:
        own: float, a scalar.
        others: float (M,), scores of the mismatches; M may be 0.
        groups: int64 (M,), equal for mismatches that share a sound.

    Returns:
        ``Place``; what ``calibrate`` gives a row of its matrix.

    Example:
        >>> place = place_among(torch.tensor(5.0), torch.tensor([1.0, 1.0, 2.0, 9.0]), torch.tensor([0, 0, 1, 2]))
        >>> [round(number, 3) for number in place]
        [0.667, 0.229]
    """
    check_shapes(own=(own, ""), others=(others, "M"), groups=(groups, "M"))
    if not len(others):
        return Place(math.nan, math.nan)
    _, which, sizes = torch.unique(groups, return_inverse=True, return_counts=True)
    scores, weights, alone = others.double()[None], (1 / sizes.double())[which][None], own.double()[None]
    count = len(sizes)
    above = _above(scores, alone, weights)
    _, z = _spread(scores, alone, weights, count)
    return Place(float(((count - above) / count).clamp(0, 1)), float(z))


def rescale(score: float, baseline: float) -> float:
    """Move a score so that an unrelated pair is at 0 and the highest possible score stays 1: (s - b) / (1 - b).

    Args:
        score: at most 1, as a cosine.
        baseline: mean score of unrelated pairs, below 1.

    Returns:
        At most 1; negative where the pair scores below unrelated ones.

    Raises:
        InputError: the baseline is 1 or more, so that nothing is left to measure.

    The order of scores does not change.

    Source:
        Zhang et al., BERTScore, ICLR 2020, rescaling with a baseline.

    Example:
        >>> [round(rescale(score, 0.2), 3) for score in (0.2, 0.6, 1.0)]
        [0.0, 0.5, 1.0]
    """
    if not baseline < 1:
        raise InputError(f"baseline ({baseline!r}) must be below 1, the score of a perfect pair")
    return (score - baseline) / (1 - baseline)


def _mismatches(matrix: Tensor, groups: Tensor | None) -> tuple[Tensor, Tensor, int]:
    """Return which entries are mismatches, bool (N, N); each column's share in its sound, (N,); number of sounds."""
    check_shapes(matrix=(matrix, "N N"))
    if len(matrix) == 0:
        raise InputError("matrix has no rows; calibration needs at least one pair")
    if not bool(matrix.isfinite().all()):
        row = int((~matrix.isfinite()).any(dim=1).nonzero()[0])
        raise InputError(f"matrix must be finite, row {row} is not; leave rows without a score out beforehand")
    if groups is None:
        groups = torch.arange(len(matrix), device=matrix.device)
    check_shapes(matrix=(matrix, "N N"), groups=(groups, "N"))
    if groups.is_floating_point() or groups.is_complex():
        raise InputError(f"groups must be whole numbers, got {groups.dtype}; number the sounds, for example 0 0 1 2")
    same = groups[:, None] == groups
    return ~same, 1 / same.sum(dim=0).double(), len(torch.unique(groups))


def _above(scores: Tensor, own: Tensor, weights: Tensor) -> Tensor:
    """Count how many mismatches of each row score above its own entry, ties half, (N,)."""
    higher = (weights * (scores > own[:, None])).sum(dim=1)
    equal = (weights * (scores == own[:, None])).sum(dim=1)
    return higher + equal / 2


def _spread(scores: Tensor, own: Tensor, weights: Tensor, others: int) -> tuple[Tensor, Tensor]:
    """Return mean of each row's mismatches and z of its own sound, both (N,)."""
    mean = (weights * scores).sum(dim=1) / others
    if others < 2:
        return mean, torch.full_like(mean, torch.nan)
    deviation = ((weights * (scores - mean[:, None]) ** 2).sum(dim=1) / (others - 1)).sqrt()
    flat = deviation <= ROUNDING * scores.abs().max()
    z = (own - mean) / torch.where(flat, torch.ones_like(deviation), deviation)
    return mean, z.masked_fill(flat, torch.nan)


def _first_places(scores: Tensor, own: Tensor, weights: Tensor) -> float:
    """Share of rows whose own entry is highest; a first place shared by k counts 1/k."""
    beaten = ((weights > 0) & (scores > own[:, None])).any(dim=1)
    equal = (weights * (scores == own[:, None])).sum(dim=1)
    return float(((~beaten) / (1 + equal)).mean())


def _median(values: Tensor) -> float:
    """Return the middle value, or the mean of the middle two; ``Tensor.median`` would take the lower one."""
    ordered = values.sort().values
    return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)


def _between_groups(scores: Tensor, groups: Tensor | None) -> Tensor:
    """Return the sum over the rows of one group of their similarity to the sound of another, (G, G)."""
    if groups is None:
        return scores
    _, numbers, counts = torch.unique(groups, return_inverse=True, return_counts=True)
    rows = scores.new_zeros(len(counts), len(scores)).index_add(0, numbers, scores)  # (G, N)
    sums: Tensor = rows.new_zeros(len(counts), len(counts)).index_add(1, numbers, rows) / counts
    # Rows that share a sound by name only may differ in it: the true pairs are those of the rows themselves.
    sums.diagonal().copy_(scores.new_zeros(len(counts)).index_add(0, numbers, scores.diagonal()))
    return sums


def _permutation_p(sums: Tensor, num_rows: int, seed: int, num_permutations: int) -> float:
    """Return the share of shuffles of the columns of (G, G) sums whose diagonal adds up to as much, ties included."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.arange(len(sums))
    # One at a time: all of them at once would need G x num_permutations numbers.
    shuffled = [
        sums[rows, torch.randperm(len(sums), generator=generator)].sum() / num_rows for _ in range(num_permutations)
    ]
    return p_value_of_shuffles(torch.stack(shuffled), sums.diagonal().sum() / num_rows, sums.abs().max())


def _chance_levels(mismatch: Tensor, num_sounds: int) -> ChanceLevels:
    if num_sounds == 1:
        return ChanceLevels(math.nan, math.nan, math.nan, math.nan)
    # A sound competes for its video with every video of another sound, so large groups have fewer rivals.
    rivals = mismatch.sum(dim=0)
    return ChanceLevels(0.5, 1 / num_sounds, float((1 / (1 + rivals).double()).mean()), (num_sounds + 1) / 2)
