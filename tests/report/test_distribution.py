"""Histograms count every value once, and ranks are those of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vqe_core.report.distribution import histogram, percentile_ranks, summarise

VALUES = st.lists(st.floats(-2, 2, allow_subnormal=False), max_size=40)


@given(VALUES)
def test_every_value_is_counted_once_between_its_edges(values):
    found = histogram(values)
    assert sum(found.counts) == len(values) and len(found.edges) == len(found.counts) + 1
    assert list(found.edges) == sorted(set(found.edges)) and len(found.counts) <= 60
    last = len(found.counts) - 1
    for i, count in enumerate(found.counts):
        low, high = found.edges[i : i + 2]
        if 0 < i < last:  # rounding of the outermost edges may take in a value beside them
            assert count == sum(low <= value < high for value in values)


@given(VALUES.filter(lambda values: len(values) > 1))
def test_percentile_ranks_are_those_of_scipy_among_the_others(values):
    ranks = percentile_ranks(values)
    for i, value in enumerate(values):
        others = values[:i] + values[i + 1 :]
        assert ranks[i] == pytest.approx(stats.percentileofscore(others, value, "mean") / 100)


def test_systems_share_bins_where_they_share_a_range():
    one, other = (histogram(values, 0.0, 1.0) for values in ([0.1], [0.9]))
    assert one.edges == other.edges and one.most == 1


def test_quantiles_are_those_of_numpy():
    values = np.random.default_rng(0).normal(size=50).tolist()
    found = summarise(values)
    assert found.mean == pytest.approx(np.mean(values)) and found.median == pytest.approx(np.median(values))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.05, 0.95])))
    assert summarise([]) is None
