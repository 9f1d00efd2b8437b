"""Rows against others, with and without rows that stand for all."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vqe_core.scorers import calibration
from vqe_core.scorers.calibration import against_others, joined_groups


def test_rows_that_others_stand_for_are_placed_among_these(monkeypatch):
    """The eleven even rows stand for all; each of the others is compared with those of other groups, each of one."""
    torch.manual_seed(0)
    groups = [i // 3 for i in range(21)]
    sounds = torch.randn(21, 7)
    scores = sounds[:, groups]
    monkeypatch.setattr(calibration, "MOST_ROWS", 11)
    found = against_others(lambda rows, columns: scores[rows][:, columns], groups)
    assert found.numbers.num_rows == 11
    for i in range(21):
        others = [sounds[i, group].item() for group in range(7) if group != groups[i]]
        if i % 2:
            assert found.percentile[i] == pytest.approx(sum(other < scores[i, i] for other in others) / len(others))
            mean = sum(others) / len(others)
            deviation = math.sqrt(sum((other - mean) ** 2 for other in others) / (len(others) - 1))
            assert found.z[i] == pytest.approx((scores[i, i].item() - mean) / deviation, rel=1e-5)
        else:
            assert 0 <= found.percentile[i] <= 1


@given(st.lists(st.lists(st.integers(0, 8), max_size=3), max_size=9))
def test_groups_are_the_connected_rows(keys):
    """By brute force: reachability over shared keys."""
    joined = joined_groups(keys)
    reach = [[i == j or bool(set(keys[i]) & set(keys[j])) for j in range(len(keys))] for i in range(len(keys))]
    for k in range(len(keys)):
        for i in range(len(keys)):
            for j in range(len(keys)):
                reach[i][j] = reach[i][j] or (reach[i][k] and reach[k][j])
    assert [[joined[i] == joined[j] for j in range(len(keys))] for i in range(len(keys))] == reach
