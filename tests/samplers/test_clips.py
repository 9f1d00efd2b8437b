"""Sampled frames to clips."""

from __future__ import annotations

import numpy as np
import pytest

from vqe_core.errors import InputError
from vqe_core.samplers.clips import clip_positions


def by_hand(count, frames):
    """Written out frame by frame."""
    if count <= frames:
        return [[i * (count - 1) // max(1, frames - 1) for i in range(frames)]]
    starts = [min(start, count - frames) for start in range(0, count, frames)]
    return [[start + i for i in range(frames)] for start in starts]


def test_clips_hold_every_frame_in_order_and_none_is_shorter():
    for count in range(1, 40):
        for frames in range(1, 18):
            clips = clip_positions(count, frames)
            assert clips.dtype == np.int64
            assert clips.tolist() == by_hand(count, frames)
            assert clips.shape == (max(1, -(-count // frames)), frames)
            assert set(clips.ravel().tolist()) == set(range(count))
            assert (np.diff(clips, axis=1) >= 0).all()


@pytest.mark.parametrize("count", [1, 5, 40])
def test_any_length_takes_all_frames_at_once(count):
    assert clip_positions(count, 8, any_length=True).tolist() == [list(range(count))]


@pytest.mark.parametrize(("count", "frames"), [(0, 4), (4, 0)])
def test_nothing_makes_no_clip(count, frames):
    with pytest.raises(InputError, match="must be at least 1"):
        clip_positions(count, frames)
