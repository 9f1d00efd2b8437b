"""Correlations against their definitions; intervals that draw whole videos."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.meta_eval import slow
from vqe_core.errors import InputError
from vqe_core.meta_eval.correlations import correlation, intervals

SLOW = {
    "tau_b": lambda x, y: slow.tau(x, y, "b"),
    "tau_c": lambda x, y: slow.tau(x, y, "c"),
    "rho": slow.spearman,
    "r": slow.pearson,
}


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("seed", range(4))
def test_each_is_its_definition_with_ties(name, seed):
    generator = np.random.default_rng(seed)
    x, y = generator.integers(0, 6, 40) / 7, generator.integers(1, 6, 40).astype(float)
    assert correlation(name, x, y) == pytest.approx(SLOW[name](x.tolist(), y.tolist()), abs=1e-12)


@pytest.mark.parametrize(("name", "expected"), [("tau_b", 4 / 6), ("tau_c", 2 * 4 / 12), ("rho", 0.8), ("r", 0.8)])
def test_an_example_by_hand(name, expected):
    """Of 6 pairs 5 agree and 1 does not; tau_c is 2 (5 - 1) / (16 (4 - 1) / 4)."""
    value = correlation(name, np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0]))
    assert value == pytest.approx(expected)


def test_several_raters_are_the_mean_of_each():
    generator = np.random.default_rng(0)
    scores, labels = generator.random(30), generator.integers(1, 6, (30, 3)).astype(float)
    each = [correlation("tau_b", scores, labels[:, i]) for i in range(3)]
    assert correlation("tau_b", scores, labels) == pytest.approx(sum(each) / 3)


@pytest.mark.parametrize("name", SLOW)
def test_what_does_not_vary_has_none(name):
    assert math.isnan(correlation(name, np.ones(5), np.arange(5.0)))
    assert math.isnan(correlation(name, np.arange(5.0), np.ones(5)))
    assert math.isnan(correlation(name, np.ones(1), np.ones(1)))


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="tau_b, tau_c, rho, r"):
        correlation("tau", np.arange(3.0), np.arange(3.0))
    with pytest.raises(InputError, match="must be"):
        correlation("r", np.arange(3.0), np.arange(4.0))
    with pytest.raises(InputError, match="num_resamples"):
        intervals(lambda rows: {}, np.arange(3), num_resamples=-1)


def mean_of(values):
    return lambda rows: {"mean": float(values[rows].mean())}


def test_the_value_is_that_of_all_rows_and_the_ends_stand_around_it():
    values = np.random.default_rng(0).standard_normal(200)
    found = intervals(mean_of(values), np.arange(200), num_resamples=2000)["mean"]
    error = values.std() / math.sqrt(200)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_rows_of_a_video_are_drawn_together():
    """Ten copies of a row promise no more than the row itself."""
    values = np.random.default_rng(1).standard_normal(40)
    alone = intervals(mean_of(values), np.arange(40), num_resamples=500)["mean"]
    copies = intervals(mean_of(np.repeat(values, 10)), np.repeat(np.arange(40), 10), num_resamples=500)["mean"]
    assert copies == pytest.approx(alone)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """50 videos with 6 captions that share the luck of their video: 95 %, within what 200 draws allow."""
    generator = np.random.default_rng(2)
    groups = np.repeat(np.arange(50), 6)
    held = 0
    for seed in range(200):
        values = np.repeat(generator.standard_normal(50), 6) + 0.5 * generator.standard_normal(300)
        found = intervals(mean_of(values), groups, num_resamples=200, seed=seed)["mean"]
        held += found.low <= 0 <= found.high
    assert 0.9 < held / 200 < 0.985


def test_the_draws_are_those_of_the_seed():
    values = np.random.default_rng(3).standard_normal(30)
    one, two, other = (intervals(mean_of(values), np.arange(30), 50, seed) for seed in (1, 1, 2))
    assert one == two != other


def test_one_video_has_no_interval():
    found = intervals(mean_of(np.arange(3.0)), np.zeros(3, dtype=int), num_resamples=10)["mean"]
    assert found.value == 1 and math.isnan(found.low) and math.isnan(found.high)


def test_draws_without_a_number_are_left_out():
    """Of two videos, a draw may hold one alone, which varies in nothing."""
    groups = np.array([0, 0, 1, 1])
    scores, labels = np.array([1.0, 1.0, 2.0, 2.0]), np.array([1.0, 1.0, 2.0, 2.0])
    found = intervals(lambda rows: {"r": correlation("r", scores[rows], labels[rows])}, groups, num_resamples=50)["r"]
    assert found == pytest.approx((1, 1, 1))
