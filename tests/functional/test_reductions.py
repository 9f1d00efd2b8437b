"""Reductions over windows against loops written from their definitions."""

import math
import re
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqe_core.errors import InputError
from vqe_core.functional.reductions import (
    aligned_windows,
    avh_similarity,
    pooled_similarity,
    reduce_windows,
    window_match,
)

NAN = math.nan
MODES = ("mean", "max", "min", "median", "bottomk")
seeds = st.integers(0, 10**6)


def randn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def slow_reduction(diagonal, mode):
    lowest = sorted(diagonal)[: max(1, -(-len(diagonal) * 2 // 5))]
    return {
        "mean": statistics.fmean,
        "max": max,
        "min": min,
        "median": statistics.median,
        "bottomk": lambda _: statistics.fmean(lowest),
    }[mode](diagonal)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, count=st.integers(1, 16), silent=st.integers(0, 3), mode=st.sampled_from(MODES))
def test_reductions_are_the_loop_over_the_measured_diagonal(seed, count, silent, mode):
    similarity = randn(seed, count, count)
    similarity[:, count - min(silent, count - 1) :] = NAN
    before = similarity.clone()
    diagonal = [x for x in (row[i] for i, row in enumerate(similarity.tolist())) if not math.isnan(x)]
    assert float(reduce_windows(similarity, mode)) == pytest.approx(slow_reduction(diagonal, mode), abs=1e-12)
    assert torch.equal(similarity.nan_to_num(9), before.nan_to_num(9))


@pytest.mark.parametrize(("count", "kept"), [(1, 1), (2, 1), (3, 2), (5, 2), (6, 3), (10, 4), (35, 14)])
def test_bottomk_takes_forty_percent_rounded_up(count, kept):
    assert float(reduce_windows(torch.diag(torch.arange(count).double()), "bottomk")) == (kept - 1) / 2


@pytest.mark.parametrize("mode", MODES)
def test_silent_everywhere_is_nan_never_zero(mode):
    assert reduce_windows(torch.full((2, 2), NAN), mode).isnan()


def test_reduction_messages():
    with pytest.raises(InputError, match=re.escape("mode ('avg') must be 'mean', 'max', 'min', 'median' or 'bottomk'")):
        reduce_windows(torch.eye(2), "avg")
    with pytest.raises(InputError, match=re.escape("similarity has no windows; a clip has at least one")):
        aligned_windows(torch.zeros(0, 0))
    with pytest.raises(InputError, match=re.escape("got shape (2, 3)")):
        reduce_windows(torch.zeros(2, 3))


def test_aligned_windows_is_a_copy():
    similarity = torch.eye(2)
    aligned_windows(similarity).zero_()
    assert torch.equal(similarity, torch.eye(2))


@settings(max_examples=30, deadline=None)
@given(seed=seeds, video=st.integers(1, 5), audio=st.integers(1, 5))
def test_pooled_similarity_is_the_cosine_of_the_means(seed, video, audio):
    pictures, sounds = randn(seed, video, 3), randn(seed + 1, audio, 3)
    means = [[statistics.fmean(column) for column in side.T.tolist()] for side in (pictures, sounds)]
    assert float(pooled_similarity(pictures, sounds)) == pytest.approx(slow_cosine(*means), abs=1e-9)
    order = torch.randperm(video, generator=torch.Generator().manual_seed(seed))
    assert float(pooled_similarity(pictures[order], 3 * sounds)) == pytest.approx(slow_cosine(*means), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, frames=st.integers(1, 6))
def test_avh_is_the_mean_cosine_of_each_frame_with_the_whole_sound(seed, frames):
    pictures, sound = randn(seed, frames, 3), randn(seed + 1, 3)
    expected = statistics.fmean(slow_cosine(frame, sound.tolist()) for frame in pictures.tolist())
    assert float(avh_similarity(pictures, sound)) == pytest.approx(expected, abs=1e-9)


def test_pooling_needs_windows_and_one_space():
    with pytest.raises(InputError, match=re.escape("audio must have at least one row, got shape (0, 2)")):
        pooled_similarity(torch.zeros(1, 2), torch.zeros(0, 2))
    with pytest.raises(InputError, match=re.escape("visual must have at least one row, got shape (0, 2)")):
        avh_similarity(torch.zeros(0, 2), torch.zeros(2))
    with pytest.raises(InputError, match=re.escape("audio must have D=2 to match")):
        pooled_similarity(torch.zeros(1, 2), torch.zeros(1, 3))


@settings(max_examples=40, deadline=None)
@given(seed=seeds, video=st.integers(1, 5), audio=st.integers(1, 5), silent=st.integers(0, 2))
def test_window_match_is_the_loop_without_silent_windows(seed, video, audio, silent):
    similarity = randn(seed, video, audio)
    kept = max(1, audio - silent)
    similarity[:, kept:] = NAN
    rows = similarity[:, :kept].tolist()
    precision = statistics.fmean(max(row) for row in rows)
    recall = statistics.fmean(max(row[j] for row in rows) for j in range(kept))
    match = window_match(similarity)
    assert float(match.precision) == pytest.approx(precision, abs=1e-12)
    assert float(match.recall) == pytest.approx(recall, abs=1e-12)
    assert min(precision, recall) - 1e-12 <= float(match.f1) <= max(precision, recall) + 1e-12
    order = torch.randperm(video, generator=torch.Generator().manual_seed(seed))
    assert float(window_match(similarity[order]).f1) == pytest.approx(float(match.f1), abs=1e-12)


def test_matching_ignores_times_and_is_at_least_the_diagonal():
    shifted = torch.eye(4).roll(1, dims=1)
    assert float(window_match(shifted).f1) == 1 and float(reduce_windows(shifted)) == 0


def test_window_match_without_a_measured_window():
    assert all(x.isnan() for x in window_match(torch.full((2, 2), NAN)))
    with pytest.raises(InputError, match=re.escape("similarity must have windows on both sides, got shape (2, 0)")):
        window_match(torch.zeros(2, 0))
