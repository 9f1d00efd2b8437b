"""Every n frames, all frames, keyframes, scenes, and the cap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import coded_frames
from tests.media.recipes import coded_clip
from tests.samplers.tables import table
from vqe_core.errors import InputError
from vqe_core.media import as_media_source, open_video
from vqe_core.samplers import cap_positions, sampler_spec
from vqe_core.samplers.content_based import AllKeyframesSampler, SceneSampler
from vqe_core.samplers.index_based import AllFramesSampler, EveryNFramesSampler

TEN = table(np.arange(10) / 10)


def test_every_n_frames():
    assert EveryNFramesSampler(3).select(TEN).tolist() == [0, 3, 6, 9]
    assert EveryNFramesSampler(50).select(TEN).tolist() == [0]


def test_all_frames():
    assert AllFramesSampler().select(TEN).tolist() == list(range(10))


def test_keyframes_of_a_file():
    assert AllKeyframesSampler().select(TEN).tolist() == [0, 5]
    frames = open_video(as_media_source(coded_clip("closed.mp4"))).table
    assert AllKeyframesSampler().select(frames).tolist() == [0, 12, 24, 36]


def test_no_keyframes_is_an_error_with_a_way_out():
    frames = open_video(as_media_source(coded_frames(4))).table
    with pytest.raises(InputError, match=r"none of the 4 frames is a codec keyframe .* use every_n_frames, uniform"):
        AllKeyframesSampler().select(frames)


def test_scenes_are_cuts():
    frames = np.zeros((9, 20, 20, 3), dtype=np.uint8)
    frames[3:] = 100
    frames[6:, :10] = 130
    table = open_video(as_media_source(frames)).with_differences().table
    assert SceneSampler().select(table).tolist() == [0, 3]
    assert SceneSampler(threshold=14.9).select(table).tolist() == [0, 3, 6]
    assert SceneSampler(threshold=15).select(table).tolist() == [0, 3]


def test_scenes_need_differences():
    assert SceneSampler.needs_differences
    with pytest.raises(InputError, match="no differences"):
        SceneSampler().select(TEN)


def test_spec():
    assert sampler_spec(SceneSampler(12.5)) == {"name": "scene", "threshold": 12.5}
    assert sampler_spec(AllFramesSampler()) == {"name": "all"}


def test_cap_leaves_small_selections_alone():
    positions = np.array([0, 0, 3, 3, 9])
    got, note = cap_positions(positions, 3)
    assert got is positions
    assert note is None


def test_cap_thins_evenly_and_says_so():
    got, note = cap_positions(np.arange(600), 512)
    assert len(got) == 512
    assert (got[0], got[-1]) == (0, 599)
    assert set(np.diff(got)) == {1, 2}
    assert note == "sampled 600 frames, kept 512 evenly (max_frames=512)"


def test_cap_keeps_repeats_of_what_it_keeps():
    got, note = cap_positions(np.array([0, 0, 1, 2, 2, 2, 3, 4]), 3)
    assert got.tolist() == [0, 0, 2, 2, 2, 4]
    assert note == "sampled 5 frames, kept 3 evenly (max_frames=3)"


@given(st.lists(st.integers(0, 99), min_size=1), st.integers(1, 40))
def test_cap_holds(positions, max_frames):
    positions = np.sort(np.array(positions))
    got, note = cap_positions(positions, max_frames)
    assert len(np.unique(got)) == min(max_frames, len(np.unique(positions)))
    assert (note is None) == (len(np.unique(positions)) <= max_frames)
    assert np.all(np.diff(got) >= 0)


@pytest.mark.parametrize("max_frames", [0, -1, 2.5, True, None])
def test_cap_must_be_a_count(max_frames):
    with pytest.raises(InputError, match=r"max_frames .* must be a whole number of at least 1"):
        cap_positions(np.arange(3), max_frames)
