"""Cutting rows into parts: properties over any costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqe_core.errors import InputError
from vqe_core.run.plan import FEWEST, MOST, cut, largest_first, of_shard, parse_shard, rows_per_part

COSTS = st.lists(st.floats(0, 100), max_size=60)


@given(COSTS, st.integers(1, 10), st.floats(1, 200))
def test_parts_are_all_rows_once_in_order_and_within_bounds(costs, most, costliest):
    parts = list(cut(costs, most, costliest))
    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(len(costs)))
    for part in parts:
        assert 1 <= part.num_rows <= most
        assert part.cost == pytest.approx(sum(costs[part.start : part.stop]))
        assert part.num_rows == 1 or part.cost <= costliest * (1 + 1e-9)


@given(COSTS, st.integers(1, 10), st.integers(1, 5))
def test_shards_share_the_parts_out(costs, most, shards):
    parts = list(cut(costs, most))
    numbers = largest_first(parts, range(len(parts)))
    assert sorted(numbers) == list(range(len(parts)))
    assert [parts[n].cost for n in numbers] == sorted((part.cost for part in parts), reverse=True)
    shared = [number for index in range(shards) for number in of_shard(range(len(parts)), (index, shards))]
    assert sorted(shared) == list(range(len(parts)))


@given(st.integers(0, 10_000_000))
def test_parts_have_rows_within_bounds(rows):
    assert FEWEST <= rows_per_part(rows) <= MOST


@pytest.mark.parametrize("text", ["", "1", "2/2", "-1/2", "0/0", "a/b", "1/2/3", (3, 2)])
def test_shards_that_cannot_be_are_refused(text):
    with pytest.raises(InputError, match="must be I/N with 0 <= I < N"):
        parse_shard(text)
