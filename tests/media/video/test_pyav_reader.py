"""Reading real codecs: what comes out is what decoding every frame in turn gives."""

import numpy as np
import pytest

from tests.clips import coded_frames, forward_decode, frame_times, noise_frames, read_code, write_clip
from tests.media.recipes import COUNT, FORWARD, PLANNED, coded_clip, moving_clip
from vqe_core.errors import InputError
from vqe_core.media import as_media_source, open_video
from vqe_core.media.video.frame_index import DecodedTable
from vqe_core.media.video.pyav_reader import PyAVReader


def read(path, positions):
    source = as_media_source(path)
    reader = PyAVReader()
    return list(reader.frames(source, reader.probe(source), np.asarray(positions)))


def random_targets(seed, count=COUNT, sets=10):
    generator = np.random.default_rng(seed)
    for _ in range(sets):
        yield np.sort(generator.choice(count, size=generator.integers(1, 7), replace=False))


@pytest.mark.parametrize("name", [*PLANNED, *FORWARD])
def test_table_has_the_times_of_a_full_decode(name):
    table = PyAVReader().probe(as_media_source(moving_clip(name)))
    times, _ = forward_decode(moving_clip(name))
    if name == "mpeg2.mpg":
        # FFmpeg gives one frame of this container the time of the one before it.
        times = (times[0] + np.arange(COUNT) / 25).tolist()
    np.testing.assert_allclose(table.timestamps, times, rtol=0, atol=1e-9)
    assert table.start == times[0]
    assert times[-1] < table.end < times[-1] + 0.3
    assert table.is_keyframe[0]
    assert isinstance(table, DecodedTable) == (name in FORWARD and name not in ("refresh.mp4", "refresh.ts"))
    assert not table.warnings


@pytest.mark.parametrize("name", [*PLANNED, *FORWARD])
def test_planned_decode_equals_sequential_decode(name):
    path = moving_clip(name)
    _, pictures = forward_decode(path)
    for targets in random_targets(seed=sum(name.encode())):
        got = read(path, targets)
        assert [frame.position for frame in got] == targets.tolist()
        for frame in got:
            np.testing.assert_array_equal(frame.pixels, pictures[frame.position])


@pytest.mark.parametrize("name", PLANNED)
def test_plan_needs_no_fallback(name, monkeypatch):
    def refuse(*_):
        raise AssertionError("fell back to decoding from the start")

    monkeypatch.setattr(PyAVReader, "_forward", refuse)
    for targets in random_targets(seed=1, sets=5):
        assert len(read(moving_clip(name), targets)) == len(targets)


@pytest.mark.parametrize("name", ["refresh.mp4", "refresh.ts"])
def test_a_gradual_refresh_is_not_taken_for_a_keyframe(name, monkeypatch):
    starts = []
    forward = PyAVReader._forward
    monkeypatch.setattr(PyAVReader, "_forward", lambda *args: starts.append(1) or forward(*args))
    read(moving_clip(name), [COUNT - 3])
    assert starts == [1]


@pytest.mark.parametrize("name", [*PLANNED, *FORWARD])
def test_frame_at_a_position_shows_its_number(name):
    frames = read(coded_clip(name), np.arange(0, COUNT, 3))
    assert [read_code(frame.pixels) for frame in frames] == list(range(0, COUNT, 3))


@pytest.mark.parametrize("name", ["open.mp4", "mpeg2.mpg", "patches.gif", "vp9.webm"])
def test_bytes_and_path_give_the_same(name):
    path = moving_clip(name)
    by_path = open_video(as_media_source(path))
    by_bytes = open_video(as_media_source(path.read_bytes()))
    np.testing.assert_array_equal(by_path.table.timestamps, by_bytes.table.timestamps)
    np.testing.assert_array_equal(by_path.table.is_keyframe, by_bytes.table.is_keyframe)
    for one, other in zip(by_path.frames(np.arange(9)), by_bytes.frames(np.arange(9)), strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt", "options"),
    [
        ("mp4", "libx264rgb", "rgb24", {"crf": "0", "preset": "ultrafast"}),
        ("mkv", "ffv1", "bgr0", {}),
        ("mov", "png", "rgb24", {}),
    ],
)
def test_lossless_video_gives_the_pixels_that_went_in(tmp_path, suffix, codec, pix_fmt, options):
    frames = noise_frames(12, 66, 50)
    path = write_clip(tmp_path / f"a.{suffix}", frames, codec=codec, pix_fmt=pix_fmt, options=options)
    got = read(path, np.arange(12))
    np.testing.assert_array_equal(np.stack([frame.pixels for frame in got]), frames)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_variable_rate_keeps_its_times(tmp_path, suffix):
    times = [0.0, 0.1, 0.2, 0.7, 2.0, 2.04, 2.08, 9.5]
    path = write_clip(tmp_path / f"vfr.{suffix}", coded_frames(8), times=times, options={"bf": "2"})
    video = open_video(as_media_source(path))
    np.testing.assert_allclose(video.table.timestamps - video.table.start, times, atol=1e-3)
    assert [read_code(f.pixels) for f in video.frames(np.array([3, 7]))] == [3, 7]


def test_frames_hidden_by_an_edit_list_are_not_counted(tmp_path):
    times = [time - 1.5 for time in frame_times(40)]
    path = write_clip(tmp_path / "cut.mp4", coded_frames(40), times=times, options={"g": "10", "bf": "2"})
    video = open_video(as_media_source(path))
    assert len(video.table) == 25
    np.testing.assert_array_equal(video.table.timestamps, forward_decode(path)[0])
    assert [read_code(f.pixels) for f in video.frames(np.array([0, 7, 24]))] == [15, 22, 39]


def test_a_stream_cut_in_the_middle_of_a_group_starts_where_decoding_can(tmp_path):
    path = write_clip(tmp_path / "whole.ts", coded_frames(40), options={"g": "10", "bf": "2"})
    data = path.read_bytes()
    cut = as_media_source(data[len(data) * 3 // 8 // 188 * 188 :])
    video = open_video(cut)
    codes = [read_code(f.pixels) for f in video.frames(np.arange(len(video.table)))]
    assert codes == list(range(codes[0], 40))
    # The file starts with images that cannot be decoded, as what they refer to was cut off.
    assert 0 < video.table.timestamps[0] < 1
    np.testing.assert_allclose(np.diff(video.table.timestamps), 0.1, atol=1e-3)


def test_a_clock_that_starts_anew_goes_on_and_says_so(tmp_path):
    parts = [
        write_clip(tmp_path / f"{n}.ts", coded_frames(20)[10 * n :], times=frame_times(20)[: 20 - 10 * n])
        for n in range(2)
    ]
    video = open_video(as_media_source(b"".join(part.read_bytes() for part in parts)))
    np.testing.assert_allclose(np.diff(video.table.timestamps), 0.1, atol=1e-3)
    codes = [read_code(f.pixels) for f in video.frames(np.arange(len(video.table)))]
    assert codes == [*range(20), *range(10, 20)]
    assert [(warning.code, warning.count) for warning in video.table.warnings] == [("clock_jumps", 1)]


def test_avi_with_b_frames_shows_them_in_order(tmp_path):
    path = write_clip(tmp_path / "b.avi", coded_frames(20), options={"bf": "2"}, clock=10)
    video = open_video(as_media_source(path))
    assert [read_code(f.pixels) for f in video.frames(np.arange(20))] == list(range(20))
    np.testing.assert_allclose(np.diff(video.table.timestamps), 0.1, atol=0.01)


@pytest.mark.parametrize("size", [(127, 95), (16, 16), (2, 2)])
@pytest.mark.parametrize("count", [1, 2])
def test_odd_sizes_and_very_short_clips(tmp_path, size, count):
    frames = noise_frames(count, *size)
    path = write_clip(tmp_path / "odd.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    video = open_video(as_media_source(path))
    got = np.stack([f.pixels for f in video.frames(np.arange(count))])
    np.testing.assert_array_equal(got, frames)
    assert video.table.end == pytest.approx(count / 10)


def test_one_pixel(tmp_path):
    frames = np.full((1, 1, 1, 3), 77, dtype=np.uint8)
    path = write_clip(tmp_path / "dot.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    assert read(path, [0])[0].pixels.tolist() == [[[77, 77, 77]]]


@pytest.mark.parametrize("name", ["open.ts", "patches.gif"])
def test_a_segment_of_a_table_can_be_read_too(name):
    source, reader = as_media_source(coded_clip(name)), PyAVReader()
    table = reader.probe(source)
    part = table.segment(table.start + 1.7, table.start + 2.9)
    got = reader.frames(source, part, np.array([0, 5, 11]))
    assert [(frame.position, read_code(frame.pixels)) for frame in got] == [(0, 17), (5, 22), (11, 28)]


def test_positions_may_repeat_and_come_in_any_order():
    assert [f.position for f in read(moving_clip("closed.mp4"), [9, 2, 9, 2])] == [2, 9]
    assert read(moving_clip("closed.mp4"), []) == []


@pytest.mark.parametrize("positions", [[-1], [COUNT]])
def test_positions_outside_the_table_are_refused(positions):
    with pytest.raises(InputError, match=f"within a table of {COUNT} frames"):
        read(moving_clip("closed.mp4"), positions)


def test_frames_come_one_at_a_time():
    source = as_media_source(moving_clip("closed.mp4"))
    reader = PyAVReader()
    stream = reader.frames(source, reader.probe(source), np.arange(COUNT))
    assert next(stream).position == 0
    stream.close()


def test_version_names_pyav_and_ffmpeg():
    import av

    assert PyAVReader().version == f"{av.__version__} (FFmpeg {av.ffmpeg_version_info})"
