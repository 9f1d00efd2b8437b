"""Profile, lag and temporal contrast against loops written from their definitions."""

import math
import re
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqe_core.errors import InputError
from vqe_core.functional.profile import av_profile, temporal_contrast
from vqe_core.functional.windows import window_bounds

NAN = math.nan
seeds = st.integers(0, 10**6)


def randn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def times_of(count, hop=0.5, window=2.0, start=0.0):
    return window_bounds(start, start + (count - 1) * hop + window, window=window, hop=hop)


def slow_best_lag(rows, hop):
    """Every shift by whole hops that keeps half of the windows; the smallest of equal ones."""
    count, best = len(rows), []
    needed = max(1, math.ceil(sum(not math.isnan(rows[i][i]) for i in range(count)) / 2))
    for shift in range(-count, count + 1):
        pairs = [rows[i][i + shift] for i in range(count) if 0 <= i + shift < count]
        measured = [x for x in pairs if not math.isnan(x)]
        if 2 * len(pairs) >= count and len(measured) >= needed:
            best.append((-round(statistics.fmean(measured), 9), abs(shift), -shift))
    return -min(best)[2] * hop


@settings(max_examples=60, deadline=None)
@given(seed=seeds, count=st.integers(1, 9), silent=st.integers(0, 3))
def test_profile_is_the_loop(seed, count, silent):
    similarity = randn(seed, count, count)
    quiet = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[: min(silent, count - 1)]
    similarity[:, quiet] = NAN
    before = similarity.clone()
    profile = av_profile(similarity, times_of(count), hop=0.5)
    rows = similarity.tolist()
    diagonal = [rows[i][i] for i in range(count)]
    lowest = min(x for x in diagonal if not math.isnan(x))
    assert profile.diagonal.tolist() == pytest.approx(diagonal, nan_ok=True)
    assert profile.worst.value == lowest and profile.worst.index == diagonal.index(lowest)
    assert profile.worst.start == profile.worst.index * 0.5 and profile.worst.end == profile.worst.start + 2
    assert profile.best_lag == slow_best_lag(rows, 0.5)
    assert len(profile.lags) == len(profile.lag_similarity) == 2 * (count // 2) + 1
    assert torch.equal(similarity.nan_to_num(9), before.nan_to_num(9))


@pytest.mark.parametrize("late", [-3, -1, 0, 2, 4])
def test_a_sound_that_comes_later_has_a_positive_lag(late):
    events = randn(0, 20, 16)
    pictures, sounds = events[5:15], events[5 - late : 15 - late]  # what is seen in window i is heard in i + late
    similarity = pictures @ sounds.T
    profile = av_profile(similarity, times_of(10, start=3.0), hop=0.5)
    assert profile.best_lag == late * 0.5
    at_best = profile.lag_similarity[profile.lags.tolist().index(profile.best_lag)]
    assert float(at_best) == float(profile.lag_similarity.max())


def test_a_static_scene_has_no_lag_and_ties_prefer_the_later_sound():
    static = torch.full((7, 7), 0.1)
    assert av_profile(static, times_of(7), hop=0.5).best_lag == 0
    both = torch.full((6, 6), 0.1) + 0.5 * (torch.diag(torch.ones(5), 1) + torch.diag(torch.ones(5), -1))
    assert av_profile(both, times_of(6), hop=0.5).best_lag == 0.5


def test_float32_rounding_makes_neither_a_lag_nor_a_contrast():
    static = (torch.full((9, 9), 0.3) + 1e-8 * randn(0, 9, 9).float()).clone()
    static[0, 1:] += 6e-8
    assert float(static.max()) > float(static.min())
    assert av_profile(static, times_of(9), hop=0.5).best_lag == 0
    assert temporal_contrast(0.3 + 6e-8 * torch.eye(9)).p_value == 1


def test_a_constant_added_moves_nothing():
    similarity = randn(3, 8, 8)
    one, other = (av_profile(x, times_of(8), hop=0.5) for x in (similarity, similarity - 5))
    assert one.best_lag == other.best_lag and one.worst.index == other.worst.index


def test_a_last_window_shifted_back_takes_no_part_in_the_lag():
    times = window_bounds(0, 6.9, window=2, hop=2)  # starts 0, 2, 4 and 4.9
    similarity = torch.zeros(4, 4)
    similarity[2, 3] = 100
    similarity[0, 1] = similarity[1, 2] = 1
    profile = av_profile(similarity, times, hop=2)
    assert profile.best_lag == 2 and profile.lags.tolist() == [-2, 0, 2]
    assert len(profile.diagonal) == 4


def test_one_short_window():
    profile = av_profile(torch.tensor([[0.25]]), window_bounds(1, 2, window=10, hop=10), hop=10)
    assert (profile.best_lag, profile.lags.tolist()) == (0, [0])
    assert profile.worst == type(profile.worst)(index=0, start=1.0, end=2.0, value=0.25)


def test_nothing_measured_is_nan_and_none():
    profile = av_profile(torch.full((3, 3), NAN), times_of(3), hop=0.5)
    assert math.isnan(profile.best_lag) and profile.worst is None


def test_profile_messages():
    with pytest.raises(InputError, match=re.escape("hop (0) must be a positive number of seconds")):
        av_profile(torch.eye(2), times_of(2), hop=0)
    with pytest.raises(InputError, match=re.escape("times must rise by hop (1.0 s), the last by less at most")):
        av_profile(torch.eye(3), times_of(3), hop=1.0)
    with pytest.raises(InputError, match=re.escape("times must rise by hop (0.25 s)")):
        av_profile(torch.eye(2), times_of(2), hop=0.25)
    with pytest.raises(InputError, match=re.escape("times must have one row (start, end) a window with end > start")):
        av_profile(torch.eye(2), times_of(2).flip(1), hop=0.5)
    with pytest.raises(InputError, match=re.escape("times must have T=2 to match the other arguments")):
        av_profile(torch.eye(2), times_of(3), hop=0.5)


def slow_contrast(rows):
    count = len(rows)
    means = [statistics.fmean(rows[i][(i + shift) % count] for i in range(count)) for shift in range(count)]
    shifted = statistics.fmean(means[1:])
    return means[0], shifted, means[0] - shifted, (1 + sum(m >= means[0] for m in means[1:])) / count


@settings(max_examples=60, deadline=None)
@given(seed=seeds, count=st.integers(3, 9), silent=st.integers(0, 3))
def test_temporal_contrast_is_the_loop_over_measured_windows(seed, count, silent):
    similarity = randn(seed, count + silent, count + silent)
    quiet = torch.randperm(len(similarity), generator=torch.Generator().manual_seed(seed))[:silent]
    kept = [i for i in range(len(similarity)) if i not in quiet.tolist()]
    rows = similarity[kept][:, kept].tolist()
    similarity[:, quiet] = NAN
    result = temporal_contrast(similarity)
    assert tuple(result[:4]) == pytest.approx(slow_contrast(rows), abs=1e-9)
    assert result.num_windows == count
    assert temporal_contrast(similarity * 7).p_value == result.p_value


def test_the_p_value_of_a_perfect_match_is_one_over_the_windows():
    result = temporal_contrast(torch.eye(12))
    assert result.p_value == pytest.approx(1 / 12) and result.contrast == 1


def test_a_static_scene_shows_no_contrast():
    result = temporal_contrast(torch.full((7, 7), 0.1))
    assert result.contrast == pytest.approx(0, abs=1e-12) and result.p_value == 1


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_windows_have_no_contrast(count):
    result = temporal_contrast(torch.eye(count))
    assert result.aligned == 1 and result.num_windows == count
    assert all(math.isnan(x) for x in (result.shifted_mean, result.contrast, result.p_value))


def test_contrast_of_silence_is_nan():
    result = temporal_contrast(torch.full((4, 4), NAN))
    assert math.isnan(result.aligned) and math.isnan(result.p_value) and result.num_windows == 0


def test_a_hole_between_measured_windows_is_an_error():
    similarity = torch.eye(3)
    similarity[0, 1] = NAN
    with pytest.raises(InputError, match=re.escape("similarity has NaN between two measured windows")):
        temporal_contrast(similarity)
