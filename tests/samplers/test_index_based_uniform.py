"""Uniform positions, as published."""

import numpy as np
import pytest

from tests.samplers.tables import table
from vqe_core.samplers.index_based import UniformSampler


@pytest.mark.parametrize("frames", [1, 2, 9, 10, 11, 250, 391])
@pytest.mark.parametrize("frame_num", [1, 2, 10, 33])
def test_positions_are_those_of_the_published_code(frames, frame_num):
    got = UniformSampler(frame_num).select(table(np.arange(frames) / 25))
    assert got.tolist() == [int(x) for x in np.linspace(0, frames - 1, frame_num)]


def test_few_frames_are_repeated():
    assert UniformSampler(5).select(table([0.0, 0.1])).tolist() == [0, 0, 0, 0, 1]


def test_one_frame_is_the_first():
    assert UniformSampler(1).select(table(np.arange(9.0))).tolist() == [0]
