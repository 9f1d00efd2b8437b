"""The limits that ship come from drawn clips, and hold for others."""

from __future__ import annotations

import json

import pytest

from training.known_world import grounds, measure
from vqe_core.toy import model_folder
from vqe_core.toy.known_world import FILE, known_world_of

pytestmark = pytest.mark.slow
SHIPPED = json.loads((model_folder() / FILE).read_text())


def test_limits_of_a_few_clips_lie_within_those_that_ship():
    found = measure("local", 24, 8)
    assert found["false_alarms"]["of_clips"] == 8
    for name, (low, high) in found["limits"].items():
        shipped_low, shipped_high = SHIPPED["limits"][name]
        width = shipped_high - shipped_low
        assert shipped_low - 0.1 * width <= low and high <= shipped_high + 0.1 * width


def test_few_drawn_clips_are_called_strange():
    known = known_world_of(model_folder(), SHIPPED["revision"])
    told = [bool(known.clip_notes([known.is_ground_strange(g) for g in clip])) for clip in grounds(90_000_000, 60)]
    assert sum(told) <= 4, "1.2 in 100 were when it was measured"
