"""Statistics by video, against scipy and loops written from the definitions."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
import scipy.stats
import torch

from vqe_core.errors import InputError
from vqe_core.functional.statistics import (
    VideoSums,
    bca_interval,
    bootstrap_means,
    cohens_d,
    holm,
    jackknife_means,
    margin_of_error,
    percentile_interval,
    probability_of_superiority,
    randomisation_p_values,
    student_quantile,
    sums_by_video,
    videos_needed,
    wilson_interval,
)

PAIR = torch.tensor([[0, 1]])


def made(num_videos, rows, sets=2, seed=0):
    """Scores whose rows share something by video, as a (sets, N) array, and the number of each row's video."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, rows + 1, num_videos)
    videos = np.repeat(np.arange(num_videos), counts)
    scores = rng.normal(size=(1, num_videos))[:, videos] + rng.normal(size=(sets, num_videos))[:, videos] * 0.5
    return scores + rng.normal(size=(sets, len(videos))) * 0.3, videos


def summed(scores, videos):
    return sums_by_video(torch.from_numpy(scores), torch.from_numpy(videos))


def test_sums_and_means_are_those_of_the_rows():
    scores, videos = made(7, 4)
    found = summed(scores, videos)
    for v in range(7):
        assert found.counts[v] == (videos == v).sum()
        np.testing.assert_allclose(found.sums[:, v], scores[:, videos == v].sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(found.means, scores.mean(axis=1), atol=1e-12)
    shuffled = np.random.default_rng(1).permutation(len(videos))
    again = summed(scores[:, shuffled], videos[shuffled])
    torch.testing.assert_close(again.sums, found.sums)


def test_a_bootstrap_draws_whole_videos():
    """Each resampled mean is that of some videos with all their rows, and the sets share the draw."""
    scores, videos = made(3, 4)
    possible = {}
    for draw in itertools.product(range(3), repeat=3):
        rows = np.concatenate([np.flatnonzero(videos == v) for v in draw])
        possible[tuple(np.round(scores[:, rows].mean(axis=1), 9))] = draw
    drawn = bootstrap_means(summed(scores, videos), num_resamples=400)
    found = {tuple(row) for row in np.round(drawn.numpy(), 9).tolist()}
    assert found == set(possible)  # all of them, after 400 draws of 27


def test_a_bootstrap_is_that_of_its_seed_and_leaves_the_global_one_alone():
    scores = summed(*made(20, 3))
    before = torch.random.get_rng_state()
    one, same, other = (bootstrap_means(scores, seed=seed, num_resamples=50) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_jackknife_means_are_those_of_the_rows_left():
    scores, videos = made(6, 4)
    expected = [scores[:, videos != v].mean(axis=1) for v in range(6)]
    np.testing.assert_allclose(jackknife_means(summed(scores, videos)), expected, atol=1e-12)


@pytest.mark.parametrize("method", ["percentile", "BCa"])
def test_intervals_are_those_of_scipy(method):
    """scipy is given our draws, so that only the quantiles are compared."""
    scores, videos = made(25, 5, sets=1, seed=3)
    sums = summed(scores**2, videos)  # skewed
    drawn = bootstrap_means(sums, num_resamples=999)

    def mean(sums, counts, axis=-1):
        return sums.sum(axis=axis) / counts.sum(axis=axis)

    earlier = scipy.stats.bootstrap(
        (sums.sums[0].numpy(), sums.counts.numpy()), mean, paired=True, vectorized=True, n_resamples=1, method="basic"
    )
    earlier.bootstrap_distribution = drawn[:, 0].numpy()
    expected = scipy.stats.bootstrap(
        (sums.sums[0].numpy(), sums.counts.numpy()),
        mean,
        paired=True,
        vectorized=True,
        n_resamples=0,
        bootstrap_result=earlier,
        method=method,
    ).confidence_interval
    found = (
        percentile_interval(drawn) if method == "percentile" else bca_interval(drawn, sums.means, jackknife_means(sums))
    )
    np.testing.assert_allclose(found[0], [expected.low, expected.high], atol=1e-12)


def test_intervals_of_few_videos_are_expanded_by_student_s_t():
    levels = torch.tensor([0.005, 0.025, 0.2, 0.5, 0.975], dtype=torch.float64)
    for freedom in (4, 9, 19, 299):
        found = student_quantile(torch.special.ndtri(levels), freedom)
        np.testing.assert_allclose(found, scipy.stats.t.ppf(levels, freedom), atol=0.04 if freedom < 9 else 0.003)
    drawn = torch.from_numpy(np.random.default_rng(0).normal(size=(999, 2)))
    level = scipy.stats.norm.cdf(scipy.stats.t.ppf(0.025, 9) * math.sqrt(10 / 9))
    expected = np.quantile(drawn.numpy(), [level, 1 - level], axis=0).T
    np.testing.assert_allclose(percentile_interval(drawn, num_videos=10), expected, atol=2e-3)
    flat = torch.tensor([-1.0, 1.0] * 5).double()[:, None].expand(10, 2)  # no acceleration
    bca = bca_interval(drawn, drawn.median(dim=0).values, flat, expanded=True)
    np.testing.assert_allclose(bca, percentile_interval(drawn, num_videos=10), atol=0.02)


def test_an_interval_of_a_mean_that_never_varies_is_that_mean():
    constant = VideoSums(torch.ones(1, 5), torch.ones(5))
    drawn = bootstrap_means(constant, num_resamples=99)
    for interval in (percentile_interval(drawn), bca_interval(drawn, constant.means, jackknife_means(constant))):
        assert interval.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize(("num_videos", "rows"), [(5, 1), (40, 1), (7, 4), (60, 9)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_a_margin_is_that_of_a_ratio_of_sums_over_videos(num_videos, rows, confidence):
    scores, videos = made(num_videos, rows)
    found = margin_of_error(summed(scores, videos), confidence)
    for row, margin in zip(scores, found, strict=True):
        mean = row.mean()
        squares = sum(sum(row[i] - mean for i in np.flatnonzero(videos == v)) ** 2 for v in range(num_videos))
        error = math.sqrt(num_videos / (num_videos - 1) * squares) / len(row)
        quantile = scipy.stats.t.ppf((1 + confidence) / 2, num_videos - 1)
        assert float(margin) == pytest.approx(quantile * error, rel=2e-3)
        if rows == 1:
            low, high = scipy.stats.t.interval(confidence, num_videos - 1, mean, scipy.stats.sem(row))
            assert float(margin) == pytest.approx((high - low) / 2, rel=2e-3)


def test_a_margin_is_near_that_of_resampled_videos_and_of_a_part_of_them():
    scores, videos = made(4000, 6)
    sums = summed(scores, videos)
    resampled = percentile_interval(bootstrap_means(sums, num_resamples=2000))
    torch.testing.assert_close(margin_of_error(sums), (resampled[:, 1] - resampled[:, 0]) / 2, rtol=0.06, atol=0)
    chosen = videos % 4 == 0
    part = margin_of_error(summed(scores[:, chosen], videos[chosen]), share=0.25)
    torch.testing.assert_close(part, margin_of_error(sums), rtol=0.1, atol=0)


def test_margins_hold_the_mean_as_often_as_they_say():
    held = 0
    for seed in range(600):
        scores, videos = made(30, 5, sets=1, seed=seed)
        sums = summed(scores, videos)
        held += abs(float(sums.means[0])) <= float(margin_of_error(sums)[0])  # the true mean is 0
    assert 0.9 <= held / 600 <= 0.975  # videos of one to five rows: a little short, as resampling is (docs/compare.md)


def test_one_video_has_no_margin_and_a_share_is_a_share():
    one = VideoSums(torch.ones(2, 1).double(), torch.ones(1).double())
    assert margin_of_error(one).isnan().tolist() == [True, True]
    with pytest.raises(InputError, match=re.escape("share (0) must be above 0 and at most 1")):
        margin_of_error(one, share=0)


def test_with_few_videos_every_exchange_is_tried():
    scores, videos = made(6, 3, sets=3, seed=4)
    sums = summed(scores, videos)
    pairs = torch.tensor([[0, 1], [0, 2], [2, 1]])
    expected = []
    for one, other in pairs.tolist():
        difference = (sums.sums[one] - sums.sums[other]).numpy()
        observed = abs(difference.sum())
        drawn = [abs(np.dot(signs, difference)) for signs in itertools.product((1, -1), repeat=6)]
        expected.append(np.mean([value >= observed - 1e-12 for value in drawn]))
    assert randomisation_p_values(sums, pairs).tolist() == expected
    paired = scipy.stats.permutation_test(
        (sums.sums[0].numpy(), sums.sums[1].numpy()),
        lambda x, y, axis: (x - y).sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
    )
    assert randomisation_p_values(sums, PAIR).item() == pytest.approx(paired.pvalue)


def test_a_drawn_p_value_is_near_the_exact_one():
    sums = summed(*made(12, 3, seed=5))
    exact = randomisation_p_values(sums, PAIR).item()  # 4096 exchanges
    drawn = randomisation_p_values(sums, PAIR, num_resamples=4000).item()
    assert drawn == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 4000))
    assert drawn != exact


@pytest.mark.parametrize("num_resamples", [9999, 99])
def test_a_p_value_does_not_mind_order_place_and_scale(num_resamples):
    scores, videos = made(10, 3, seed=6)
    expected = randomisation_p_values(summed(scores, videos), PAIR, num_resamples=num_resamples)
    for other in (scores[::-1].copy(), scores + 100, scores * 1e-6):
        found = randomisation_p_values(summed(other, videos), PAIR, num_resamples=num_resamples)
        torch.testing.assert_close(found, expected, atol=0, rtol=0)
    same = randomisation_p_values(summed(np.stack([scores[0]] * 2), videos), PAIR, num_resamples=num_resamples)
    assert same.item() == 1.0


def test_holm_is_the_stepping_down_of_its_definition():
    rng = np.random.default_rng(7)
    for count in (1, 2, 5, 9):
        values = rng.random(count) ** 3
        expected, largest = np.zeros(count), 0.0
        for step, index in enumerate(np.argsort(values)):
            largest = max(largest, min(1.0, values[index] * (count - step)))
            expected[index] = largest
        np.testing.assert_allclose(holm(torch.from_numpy(values)), expected, atol=1e-15)
    assert holm(torch.tensor([0.2, 0.2])).tolist() == pytest.approx([0.4, 0.4])


def test_effect_sizes_are_those_of_the_means_of_videos():
    scores, videos = made(15, 4, sets=3, seed=8)
    pairs = torch.tensor([[0, 1], [2, 0]])
    means = np.array([[row[videos == v].mean() for v in range(15)] for row in scores])
    d = [np.mean(means[a] - means[b]) / np.std(means[a] - means[b], ddof=1) for a, b in pairs.tolist()]
    ahead = [np.mean(means[a] > means[b]) for a, b in pairs.tolist()]
    np.testing.assert_allclose(cohens_d(summed(scores, videos), pairs), d, atol=1e-12)
    np.testing.assert_allclose(probability_of_superiority(summed(scores, videos), pairs), ahead, atol=1e-12)
    tied = VideoSums(torch.tensor([[1.0, 2.0], [1.0, 2.0]]), torch.ones(2))
    assert probability_of_superiority(tied, PAIR).item() == 0.5
    assert math.isnan(cohens_d(tied, PAIR).item())
    assert math.isnan(cohens_d(VideoSums(torch.rand(2, 1), torch.ones(1)), PAIR).item())


@pytest.mark.parametrize("size", [0.2, 0.5, 0.9])
def test_so_many_videos_have_the_power_that_the_t_test_has(size):
    """By the noncentral t distribution, so many videos reach .8, and two fewer do not."""
    sample = np.random.default_rng(9).normal(size=50)
    sample = (sample - sample.mean()) / sample.std(ddof=1) + size
    found = videos_needed(summed(np.stack([sample, np.zeros(50)]), np.arange(50)), PAIR).item()

    def power(count):
        edge = scipy.stats.t.ppf(0.975, count - 1)
        return 1 - scipy.stats.nct.cdf(edge, count - 1, size * math.sqrt(count))

    assert power(found + 1) >= 0.8 > power(found - 2)


def test_where_nothing_differs_no_number_of_videos_would_do():
    zero = VideoSums(torch.tensor([[1.0, -1.0], [0.0, 0.0]]), torch.ones(2))
    assert videos_needed(zero, PAIR).item() == math.inf
    assert math.isnan(videos_needed(VideoSums(torch.zeros(2, 5), torch.ones(5)), PAIR).item())


def test_what_cannot_be_used_is_told():
    scores = torch.zeros(2, 3)
    for arguments, words in (
        ((scores, torch.zeros(2, dtype=torch.int64)), "videos must have N=3"),
        ((scores[:, :0], torch.zeros(0, dtype=torch.int64)), "scores have no rows"),
        ((scores / 0, torch.zeros(3, dtype=torch.int64)), "scores must be finite, row 0 is not"),
        ((scores, torch.zeros(3)), "videos must be whole numbers, got torch.float32"),
    ):
        with pytest.raises(InputError, match=re.escape(words)):
            sums_by_video(*arguments)
    sums = VideoSums(scores.double(), torch.ones(3).double())
    with pytest.raises(InputError, match=r"num_resamples \(0\) must be at least 1"):
        bootstrap_means(sums, num_resamples=0)
    with pytest.raises(InputError, match=r"num_resamples \(0\) must be at least 1"):
        randomisation_p_values(sums, PAIR, num_resamples=0)
    with pytest.raises(InputError, match="pairs must name two sets"):
        randomisation_p_values(sums, torch.tensor([[0]]))
    with pytest.raises(InputError, match=r"confidence \(95\) must be between 0 and 1"):
        percentile_interval(torch.zeros(3, 1), 95)


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (93, 100), (50, 100), (7, 7), (1, 1)])
def test_the_interval_of_a_share_is_wilson_s(successes, count):
    expected = scipy.stats.binomtest(successes, count).proportion_ci(method="wilson")
    assert wilson_interval(successes / count, count) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("share", "count"), [(1.1, 10), (-0.1, 10), (0.5, 0), (math.nan, 10)])
def test_a_share_of_nothing_has_no_interval(share, count):
    with pytest.raises(InputError, match="share"):
        wilson_interval(share, count)
