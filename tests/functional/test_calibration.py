"""Calibration against a loop written from its definitions, and a proof on made-up data."""

import math
import random
import re
import statistics

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqe_core.errors import InputError
from vqe_core.functional.calibration import calibrate, place_among

NEED_MISMATCHES = ("mismatched_mean", "gap", "auc", "r1_v2a", "r1_a2v", "median_rank", "p_value")
SINGLE = ("paired_mean", *NEED_MISMATCHES)
seeds = st.integers(0, 10**6)


def randn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shared_sounds(seed, groups, *, steps=None):
    """A matrix whose columns are equal within a group, as one sound gives; few ``steps`` make ties."""
    count = len(groups)
    matrix = randn(seed, count, count) if steps is None else (randn(seed, count, count) * steps).round() / steps
    return torch.stack([matrix[:, groups.index(group)] for group in groups], dim=1)


def slow_calibration(rows, groups):
    """One candidate a sound: the sounds of a group are one, so its first column stands for it."""
    count, sounds = len(rows), sorted(set(groups))
    column = {sound: groups.index(sound) for sound in sounds}
    percentile, ranks, z, first_v2a, first_a2v, mismatched = [], [], [], [], [], []
    for i in range(count):
        own = rows[i][i]
        others = [rows[i][column[sound]] for sound in sounds if sound != groups[i]]
        mismatched += others
        above, equal = sum(x > own for x in others), sum(x == own for x in others)
        percentile.append((len(others) - above - equal / 2) / len(others))
        ranks.append(1 + above + equal / 2)
        first_v2a.append(0 if above else 1 / (1 + equal))
        spread = statistics.stdev(others) if len(others) > 1 else 0
        z.append((own - statistics.fmean(others)) / spread if spread > 1e-12 else math.nan)
        rivals = [rows[j][i] for j in range(count) if groups[j] != groups[i]]
        first_a2v.append(0 if max(rivals) > own else 1 / (1 + sum(x == own for x in rivals)))
    paired = statistics.fmean(rows[i][i] for i in range(count))
    return {
        "paired_mean": paired,
        "mismatched_mean": statistics.fmean(mismatched),
        "gap": paired - statistics.fmean(mismatched),
        "auc": statistics.fmean(percentile),
        "r1_v2a": statistics.fmean(first_v2a),
        "r1_a2v": statistics.fmean(first_a2v),
        "median_rank": statistics.median(ranks),
        "percentile": percentile,
        "z": z,
    }


@st.composite
def group_lists(draw):
    count = draw(st.integers(2, 8))
    groups = draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    return groups if len(set(groups)) > 1 else [9, *groups[1:]]


@settings(max_examples=80, deadline=None)
@given(seed=seeds, groups=group_lists(), steps=st.sampled_from([None, 1]))
def test_calibration_is_the_loop(seed, groups, steps):
    matrix = shared_sounds(seed, groups, steps=steps)
    before = matrix.clone()
    result = calibrate(matrix, torch.tensor(groups), num_permutations=5)
    for name, value in slow_calibration(matrix.tolist(), groups).items():
        got = getattr(result, name)
        got = got.tolist() if isinstance(got, torch.Tensor) else got
        assert got == pytest.approx(value, abs=1e-9, nan_ok=True), name
    assert result.num_rows == len(groups) and result.num_sounds == len(set(groups))
    assert torch.equal(matrix, before)


@settings(max_examples=80, deadline=None)
@given(seed=seeds, groups=group_lists(), steps=st.sampled_from([None, 1]))
def test_a_row_by_itself_has_its_place_in_the_matrix(seed, groups, steps):
    """Also where a sound has several rows: it counts once."""
    matrix, labels = shared_sounds(seed, groups, steps=steps), torch.tensor(groups)
    expected = slow_calibration(matrix.tolist(), groups)
    for i in range(len(groups)):
        others = labels != labels[i]
        place = place_among(matrix[i, i], matrix[i][others], labels[others])
        assert place.percentile == pytest.approx(expected["percentile"][i], abs=1e-9)
        assert place.z == pytest.approx(expected["z"][i], abs=1e-9, nan_ok=True)


def test_without_a_mismatch_a_row_has_no_place():
    nothing = place_among(torch.tensor(1.0), torch.empty(0), torch.empty(0, dtype=torch.int64))
    assert math.isnan(nothing.percentile) and math.isnan(nothing.z)
    with pytest.raises(InputError, match="groups must have M=2"):
        place_among(torch.tensor(1.0), torch.zeros(2), torch.zeros(3, dtype=torch.int64))


@settings(max_examples=30, deadline=None)
@given(seed=seeds, count=st.integers(2, 8))
def test_no_groups_means_every_row_its_own_sound(seed, count):
    matrix = randn(seed, count, count)
    one, other = calibrate(matrix, num_permutations=20), calibrate(matrix, torch.arange(count) * 7, num_permutations=20)
    assert one[:8] == other[:8] and torch.equal(one.percentile, other.percentile)
    expected = slow_calibration(matrix.tolist(), list(range(count)))
    assert one.auc == pytest.approx(expected["auc"])


@settings(max_examples=30, deadline=None)
@given(seed=seeds, groups=group_lists())
def test_the_order_of_rows_does_not_matter(seed, groups):
    matrix, labels = shared_sounds(seed, groups), torch.tensor(groups)
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed))
    one = calibrate(matrix, labels, num_permutations=1)
    other = calibrate(matrix[order][:, order], labels[order], num_permutations=1)
    for name in SINGLE[:-1]:
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9), name
    assert other.percentile.tolist() == pytest.approx(one.percentile[order].tolist())
    assert one.chance == pytest.approx(other.chance)


@settings(max_examples=30, deadline=None)
@given(
    seed=seeds,
    count=st.integers(2, 7),
    change=st.sampled_from([(2.0**-20, 0), (0.5, 0), (8.0, 0), (0.5, 1), (0.5, -4), (8.0, 1), (8.0, -4)]),
)
def test_scaling_or_shifting_the_matrix_changes_no_rank_and_no_p(seed, count, change):
    scale, step = change  # a small scale beside a step would round different values to one
    # In float64, so that scaling and adding are exact and no tie between shuffles is broken by rounding.
    matrix = (randn(seed, count, count) * 64).round().double() / 64
    one, other = (calibrate(x, num_permutations=50) for x in (matrix, matrix * scale + step))
    for name in ("auc", "r1_v2a", "r1_a2v", "median_rank", "p_value"):
        assert getattr(one, name) == getattr(other, name), name
    assert other.gap == pytest.approx(one.gap * scale, abs=1e-9)
    assert other.z.tolist() == pytest.approx(one.z.tolist(), abs=1e-6, nan_ok=True)


def test_a_seed_gives_the_same_p_and_leaves_the_global_state_alone():
    matrix = randn(0, 8, 8)
    states = torch.get_rng_state(), random.getstate()
    first, again, other = (calibrate(matrix, seed=seed).p_value for seed in (5, 5, 6))
    assert first == again and other != first and abs(other - first) < 0.1
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]


def test_the_p_value_approaches_the_share_of_all_permutations():
    from itertools import permutations

    matrix = randn(4, 5, 5)
    rows, paired = matrix.tolist(), float(matrix.diagonal().mean())
    means = [statistics.fmean(rows[i][j] for i, j in enumerate(order)) for order in permutations(range(5))]
    exact = sum(mean >= paired - 1e-12 for mean in means) / len(means)
    assert calibrate(matrix, num_permutations=4000).p_value == pytest.approx(exact, abs=0.03)


@pytest.mark.parametrize("groups", [[0, 1, 2, 3], [0, 0, 1, 1], [0, 0, 0, 1, 2, 2]])
def test_a_constant_matrix_gives_the_chance_levels(groups):
    result = calibrate(torch.full((len(groups),) * 2, 0.1, dtype=torch.float64), torch.tensor(groups))
    for name, level in result.chance._asdict().items():
        assert getattr(result, name) == pytest.approx(level), name
    assert result.p_value == 1 and result.gap == pytest.approx(0) and bool(result.z.isnan().all())


def test_chance_levels_are_what_random_matrices_average_to():
    groups = [0, 0, 0, 1, 1, 2]
    results = [calibrate(shared_sounds(seed, groups), torch.tensor(groups), num_permutations=1) for seed in range(1500)]
    chance = results[0].chance
    assert (chance.auc, chance.r1_v2a, chance.median_rank) == (0.5, pytest.approx(1 / 3), 2)
    assert chance.r1_a2v == pytest.approx((3 / 4 + 2 / 5 + 1 / 6) / 6)
    for name, level in chance._asdict().items():
        assert statistics.fmean(getattr(r, name) for r in results) == pytest.approx(level, abs=0.03), name


def test_no_signal_gives_an_auc_near_one_half():
    assert calibrate(randn(0, 60, 60), num_permutations=1).auc == pytest.approx(0.5, abs=0.1)
    ps = [calibrate(randn(seed, 10, 10), num_permutations=100).p_value for seed in range(200)]
    assert statistics.fmean(ps) == pytest.approx(0.5, abs=0.08)
    assert sum(p <= 0.1 for p in ps) / len(ps) < 0.17


def test_perfect_pairs_reach_the_best_of_every_number():
    result = calibrate(torch.eye(20))
    assert (result.auc, result.r1_v2a, result.r1_a2v, result.median_rank, result.gap) == (1, 1, 1, 1, 1)
    assert result.p_value == 1 / 2001 and bool((result.percentile == 1).all())


def test_rows_of_one_sound_are_not_mismatches_of_each_other():
    matrix = torch.tensor([[0.9, 0.9, 0.1], [0.8, 0.8, 0.2], [0.3, 0.3, 0.7]])
    alone, grouped = calibrate(matrix), calibrate(matrix, torch.tensor([4, 4, 2]))
    assert alone.auc == pytest.approx(5 / 6) and alone.r1_v2a == pytest.approx(2 / 3)
    assert grouped.auc == 1 and grouped.r1_v2a == 1 and grouped.r1_a2v == 1
    assert grouped.mismatched_mean == pytest.approx((0.1 + 0.2 + 0.3) / 3)


@pytest.mark.parametrize(("count", "groups"), [(1, None), (3, [5, 5, 5])])
def test_without_mismatches_their_numbers_are_nan(count, groups):
    matrix = torch.full((count, count), 0.25)
    result = calibrate(matrix, None if groups is None else torch.tensor(groups))
    assert result.paired_mean == 0.25 and result.num_sounds == 1
    assert all(math.isnan(getattr(result, name)) for name in NEED_MISMATCHES)
    assert bool(result.percentile.isnan().all()) and bool(result.z.isnan().all()) and len(result.z) == count
    assert all(math.isnan(level) for level in result.chance)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def gap_between_modalities(signal, rng, count=64, size=128):
    """Images and sounds in two far corners of the space, with a weak part in common."""
    shared, corner = rng.standard_normal((count, size)), rng.standard_normal(size) * 2
    other_corner = -corner + rng.standard_normal(size)
    pictures = unit(signal * shared + rng.standard_normal((count, size)) + corner)
    sounds = unit(signal * shared + rng.standard_normal((count, size)) + other_corner)
    return torch.from_numpy(pictures @ sounds.T)


def test_negative_cosines_across_a_modality_gap_still_find_the_pairs():
    rng = np.random.default_rng(0)
    control, weak, strong = (calibrate(gap_between_modalities(signal, rng)) for signal in (0, 0.15, 0.5))
    assert (strong.paired_mean, strong.mismatched_mean) == pytest.approx((-0.633, -0.675), abs=1e-3)
    assert strong.auc == pytest.approx(0.861, abs=1e-3)
    assert (strong.median_rank, strong.chance.median_rank) == (5.5, 32.5)
    assert (strong.r1_v2a, strong.chance.r1_v2a) == (12 / 64, 1 / 64)
    assert strong.p_value == 1 / 2001
    assert strong.auc > weak.auc > control.auc and weak.p_value < 0.05
    assert (control.paired_mean, control.mismatched_mean) == pytest.approx((-0.722, -0.718), abs=1e-3)
    assert control.auc == pytest.approx(0.462, abs=1e-3) and control.p_value > 0.9


def test_messages():
    with pytest.raises(
        InputError, match=re.escape("matrix must have N=2 to match the other arguments, got shape (2, 3)")
    ):
        calibrate(torch.zeros(2, 3))
    with pytest.raises(InputError, match=re.escape("matrix has no rows; calibration needs at least one pair")):
        calibrate(torch.zeros(0, 0))
    with pytest.raises(
        InputError, match=re.escape("matrix must be finite, row 1 is not; leave rows without a score out")
    ):
        calibrate(torch.tensor([[0.0, 1.0], [torch.nan, 0.0]]))
    with pytest.raises(
        InputError, match=re.escape("groups must have N=2 to match the other arguments, got shape (3,)")
    ):
        calibrate(torch.eye(2), torch.arange(3))
    with pytest.raises(InputError, match=re.escape("groups must be whole numbers, got torch.float32")):
        calibrate(torch.eye(2), torch.zeros(2))
    with pytest.raises(InputError, match=re.escape("num_permutations (0) must be at least 1")):
        calibrate(torch.eye(2), num_permutations=0)


def unrelated_clips(seed, clips, rows):
    """Similarities of clips whose sounds have nothing to do with them, each clip standing in several rows."""
    videos, sounds = randn(2 * seed, clips, 8), randn(2 * seed + 1, clips, 8)
    clip = torch.arange(clips).repeat_interleave(rows)
    return (videos @ sounds.T)[clip][:, clip], clip


@pytest.mark.parametrize(("clips", "rows"), [(6, 1), (6, 3), (6, 20), (40, 5)])
def test_clips_in_several_rows_are_not_significant_more_often_than_chance(clips, rows):
    ps = [calibrate(*unrelated_clips(seed, clips, rows), num_permutations=120).p_value for seed in range(400)]
    share = sum(p <= 0.05 for p in ps) / len(ps)
    # 400 draws at .05 have a standard deviation of .011.
    assert 0.015 <= share <= 0.085


def test_the_p_value_of_groups_is_the_share_of_all_ways_to_give_sounds_to_groups():
    from itertools import permutations

    groups = [0, 0, 0, 1, 2, 2, 3]
    matrix = shared_sounds(3, groups)
    rows, column = matrix.tolist(), [groups.index(group) for group in range(4)]
    means = [
        statistics.fmean(rows[i][column[order[group]]] for i, group in enumerate(groups))
        for order in permutations(range(4))
    ]
    exact = sum(mean >= means[0] - 1e-12 for mean in means) / len(means)
    assert calibrate(matrix, torch.tensor(groups), num_permutations=4000).p_value == pytest.approx(exact, abs=0.03)
