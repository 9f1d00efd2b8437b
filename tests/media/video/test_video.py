"""Source, reader and table in one: segments, differences, frame arrays."""

import pickle
import re

import numpy as np
import pytest

from tests.clips import coded_frames, read_code, write_clip
from tests.media.recipes import coded_clip
from vqe_core.errors import InputError
from vqe_core.media import as_media_source, open_video, reader_for, reader_versions
from vqe_core.media.video.video import grey
from vqe_core.types import MediaSource


@pytest.mark.parametrize("name", ["closed.mp4", "patches.gif", "open.ts"])
def test_a_segment_keeps_times_and_numbers(name):
    whole = open_video(as_media_source(coded_clip(name))).table
    start = whole.start
    video = open_video(MediaSource(path=str(coded_clip(name)), start=start + 1.0, end=start + 2.0))
    assert video.table.indices.tolist() == list(range(10, 20))
    np.testing.assert_array_equal(video.table.timestamps, whole.timestamps[10:20])
    assert [read_code(frame.pixels) for frame in video.frames(np.array([0, 3, 9]))] == [10, 13, 19]
    assert [frame.position for frame in video.frames(np.array([9, 3]))] == [3, 9]


def test_a_segment_inside_one_frame_shows_that_frame():
    video = open_video(MediaSource(path=str(coded_clip("closed.mp4")), start=1.02, end=1.05))
    assert [read_code(frame.pixels) for frame in video.frames(np.array([0]))] == [10]


@pytest.mark.parametrize(("start", "end"), [(50.0, None), (4.0, 5.0)])
def test_a_segment_outside_the_video(start, end):
    path = str(coded_clip("closed.mp4"))
    with pytest.raises(InputError, match=re.escape("the video covers [0.000, 4.000) s")) as caught:
        open_video(MediaSource(path=path, start=start, end=end))
    assert path in str(caught.value)
    assert caught.value.code == "bad_segment"


def test_frame_arrays_read_as_themselves():
    frames = coded_frames(6)
    video = open_video(as_media_source(frames))
    assert not video.table.has_clock
    assert video.table.timestamps.tolist() == [0, 1, 2, 3, 4, 5]
    assert not video.table.is_keyframe.any()
    for frame in video.frames(np.array([1, 4])):
        np.testing.assert_array_equal(frame.pixels, frames[frame.position])


def test_frame_arrays_with_a_rate_have_times_and_segments():
    video = open_video(as_media_source({"frames": coded_frames(8), "fps": 4, "start": 0.5, "end": 1.5}))
    assert video.table.has_clock
    assert video.table.timestamps.tolist() == [0.5, 0.75, 1.0, 1.25]
    assert [read_code(frame.pixels) for frame in video.frames(np.arange(4))] == [2, 3, 4, 5]


def test_frame_arrays_without_a_rate_have_no_segments():
    with pytest.raises(InputError, match=r"need a clock, and .* has none; add fps"):
        open_video(as_media_source({"frames": coded_frames(3), "start": 1.0}))


def test_decoded_frames_read_the_same_as_the_file():
    path = coded_clip("closed.mp4")
    video = open_video(as_media_source(path))
    pixels = np.stack([frame.pixels for frame in video.frames(np.arange(40))])
    again = open_video(as_media_source({"frames": pixels, "fps": 10}))
    np.testing.assert_allclose(again.table.timestamps, video.table.timestamps)
    for one, other in zip(video.frames(np.arange(40)), again.frames(np.arange(40)), strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_differences_are_mean_grey_differences():
    frames = np.zeros((4, 10, 10, 3), dtype=np.uint8)
    frames[1] = 40
    frames[2] = frames[1]
    frames[3, :5] = 140
    frames[3, 5:] = 40
    video = open_video(as_media_source(frames))
    assert video.table.differences is None
    np.testing.assert_allclose(video.with_differences().table.differences, [0, 40, 0, 50])


def test_differences_of_a_segment_start_at_its_first_frame(tmp_path):
    frames = np.zeros((20, 48, 64, 3), dtype=np.uint8)
    frames[10:] = 200
    path = write_clip(tmp_path / "step.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    whole = open_video(as_media_source(path)).with_differences().table
    assert np.flatnonzero(whole.differences).tolist() == [10]
    part = open_video(MediaSource(path=str(path), start=1.0)).with_differences().table
    assert len(part) == 10
    assert not part.differences.any()


def test_grey_is_that_of_pil():
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_array_equal(grey(pixels), np.asarray(Image.fromarray(pixels).convert("L")))


def test_readers_by_source():
    assert reader_for(as_media_source("a.mp4")).name == "pyav"
    assert reader_for(as_media_source(b"abc")).name == "pyav"
    assert reader_for(as_media_source(coded_frames(1))).name == "frames"
    assert reader_for(MediaSource(decoder=object())).name == "torchcodec"


def test_versions_name_torchcodec_only_where_it_decodes():
    assert list(reader_versions()) == ["pyav"]
    assert list(reader_versions([MediaSource(decoder=object())])) == ["pyav", "torchcodec"]


def test_decoded_changes_nothing_for_frame_arrays():
    video = open_video(as_media_source(coded_frames(3)))
    assert video.decoded() is video


def test_a_video_pickles():
    video = pickle.loads(pickle.dumps(open_video(as_media_source(coded_clip("closed.mp4")))))
    assert read_code(next(video.frames(np.array([21]))).pixels) == 21


def test_media_needs_no_torch():
    import subprocess
    import sys

    script = """
import sys
import vqe_core.media, vqe_core.media.video.pyav_reader, vqe_core.media.video.torchcodec_reader, vqe_core.samplers
from vqe_core import registry
for name in registry.names("sampler"):
    registry.load("sampler", name)
assert "torch" not in sys.modules, "torch was imported"
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
