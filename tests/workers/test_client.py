"""Images, tables and sounds from a worker are those of this process, bit for bit."""

import dataclasses
import re

import numpy as np
import pytest

from tests.clips import coded_frames, noise_frames, write_clip
from tests.media.decoders import StandInDecoder
from tests.media.recipes import coded_clip, moving_clip
from tests.sounds import noise, write_sound, write_track
from vqe_core.errors import InputError, MediaError
from vqe_core.media import (
    MediaLimits,
    VideoReader,
    as_audio_source,
    as_media_source,
    open_video,
    read_audio,
)
from vqe_core.media.video.pyav_reader import PyAVReader
from vqe_core.media.video.reader import TableMismatchError
from vqe_core.types import MediaSource
from vqe_core.workers import DecodeWorker, IsolatedReader, open_video_in, read_audio_in


@pytest.fixture(scope="module")
def worker():
    with DecodeWorker() as worker:
        yield worker


def assert_same_table(one, other):
    assert type(one) is type(other)
    for column in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, column.name), getattr(other, column.name))


def assert_same_frames(one, other, positions):
    for a, b in zip(one.frames(positions), other.frames(positions), strict=True):
        assert a.position == b.position
        np.testing.assert_array_equal(a.pixels, b.pixels)


def assert_same(source, worker):
    here, there = open_video(source), open_video_in(worker, source)
    assert_same_table(here.table, there.table)
    assert_same_frames(here, there, np.arange(len(here.table)))
    assert_same_frames(here, there, np.arange(0, len(here.table), 7))


@pytest.mark.parametrize("name", ["closed.mp4", "open.ts", "vp9.webm", "refresh.mp4", "mpeg4.avi", "patches.gif"])
def test_containers(worker, name):
    assert_same(as_media_source(moving_clip(name)), worker)


def test_encoded_bytes_and_segments(worker):
    path = coded_clip("closed.mp4")
    assert_same(as_media_source(path.read_bytes()), worker)
    assert_same(MediaSource(path=str(path), start=1.0, end=2.0), worker)


def test_irregular_times_rotation_and_odd_sizes(worker, tmp_path):
    times = [0, 0.1, 0.5, 0.6, 2.0, 2.05]
    assert_same(as_media_source(write_clip(tmp_path / "vfr.mp4", noise_frames(6), times=times)), worker)
    turned = write_clip(tmp_path / "turned.mp4", noise_frames(6), rotation=90, mirrored=True)
    assert_same(as_media_source(turned), worker)
    odd = write_clip(tmp_path / "odd.mkv", noise_frames(6, 67, 45), codec="ffv1", pix_fmt="bgr0")
    assert_same(as_media_source(odd), worker)


def test_a_picture_that_changes_its_size(worker, tmp_path):
    parts = [
        write_clip(tmp_path / f"{w}.ts", noise_frames(5, w, h), times=np.arange(5) / 10 + start).read_bytes()
        for w, h, start in [(64, 48, 0), (640, 480, 2), (128, 96, 4), (1280, 720, 6)]
    ]
    path = tmp_path / "sizes.ts"
    path.write_bytes(b"".join(parts))
    video = open_video_in(worker, as_media_source(path)).decoded()
    sizes = [frame.pixels.shape[:2] for frame in video.frames(np.arange(len(video.table)))]
    assert {(48, 64), (480, 640), (96, 128), (720, 1280)} == set(sizes)
    assert_same_table(open_video(as_media_source(path)).decoded().table, video.table)
    assert_same_frames(open_video(as_media_source(path)).decoded(), video, np.arange(len(video.table)))


@pytest.fixture
def damaged(tmp_path):
    content = bytearray(moving_clip("closed.mp4").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = b"\xff" * 400
    (tmp_path / "damaged.mp4").write_bytes(content)
    return as_media_source(tmp_path / "damaged.mp4")


def test_damaged_files(worker, damaged):
    here, there = open_video(damaged), open_video_in(worker, damaged)
    assert_same_table(here.table, there.table)
    everything = np.arange(len(here.table))
    with pytest.raises(TableMismatchError) as expected:
        list(here.frames(everything))
    with pytest.raises(TableMismatchError, match=re.escape(str(expected.value))):
        list(there.frames(everything))
    here, there = here.decoded(), there.decoded()
    assert there.table.warnings
    assert_same_table(here.table, there.table)
    assert_same_frames(here, there, np.arange(len(here.table)))


def test_differences(worker):
    source = as_media_source(moving_clip("closed.mp4"))
    here, there = open_video(source).with_differences(), open_video_in(worker, source).with_differences()
    assert here.table.differences.any()
    np.testing.assert_array_equal(here.table.differences, there.table.differences)


def test_errors_are_the_same(worker, tmp_path):
    (tmp_path / "text.mp4").write_text("just some words, nothing more\n")
    (tmp_path / "empty.mp4").touch()
    for name in ("text.mp4", "empty.mp4", "missing.mp4", ""):
        source = as_media_source(tmp_path / name)
        with pytest.raises(MediaError) as here:
            open_video(source)
        with pytest.raises(MediaError) as there:
            open_video_in(worker, source)
        assert (type(here.value), str(here.value), here.value.code) == (
            type(there.value),
            str(there.value),
            there.value.code,
        )
    source = as_media_source(coded_clip("closed.mp4"))
    with pytest.raises(MediaError, match=r"MediaLimits.max_pixels") as caught:
        open_video_in(worker, source, MediaLimits(max_pixels=1000))
    assert caught.value.code == "too_large"
    with pytest.raises(InputError, match="the video covers"):
        open_video_in(worker, dataclasses.replace(source, start=50.0))


def test_relative_paths_follow_the_working_directory(worker, tmp_path, monkeypatch):
    for name, first in (("one", 0), ("two", 5)):
        (tmp_path / name).mkdir()
        write_clip(tmp_path / name / "clip.mp4", coded_frames(first + 3)[first:])
    pixels = []
    for name in ("one", "two"):
        monkeypatch.chdir(tmp_path / name)
        pixels.append(next(open_video_in(worker, MediaSource(path="clip.mp4")).frames(np.array([1]))).pixels)
        expected = next(open_video(MediaSource(path="clip.mp4")).frames(np.array([1]))).pixels
        np.testing.assert_array_equal(pixels[-1], expected)
    assert (pixels[0] != pixels[1]).any()


def test_sounds(worker, tmp_path):
    wave = noise(2.0, channels=2)
    plain = write_sound(tmp_path / "plain.wav", wave)
    late = write_track(tmp_path / "late.mp4", wave, delay=0.5, pictures=3.0)
    long = write_sound(tmp_path / "long.flac", noise(60.0, channels=2))
    cut = tmp_path / "cut.wav"
    cut.write_bytes(plain.read_bytes()[:100_000])
    sources = [as_audio_source(plain), as_media_source(late), as_audio_source(long), as_audio_source(cut)]
    sources += [as_audio_source(plain.read_bytes()), MediaSource(path=str(late), start=1.0, end=1.5)]
    for source in sources:
        here, there = read_audio(source), read_audio_in(worker, source)
        np.testing.assert_array_equal(here.waveform, there.waveform)
        assert (here.sampling_rate, here.start, here.warnings) == (
            there.sampling_rate,
            there.start,
            there.warnings,
        )


def test_sounds_that_cannot_be_read_say_the_same(worker, tmp_path):
    silent = write_clip(tmp_path / "silent.mp4", coded_frames(3))
    for source in (as_media_source(silent), as_audio_source(tmp_path / "missing.wav")):
        with pytest.raises(MediaError) as here:
            read_audio(source)
        with pytest.raises(MediaError, match=re.escape(str(here.value))) as there:
            read_audio_in(worker, source)
        assert here.value.code == there.value.code


def test_the_reader_is_the_same_by_name():
    reader = IsolatedReader(DecodeWorker())
    assert isinstance(reader, VideoReader)
    assert (reader.name, reader.version) == (PyAVReader().name, PyAVReader().version)


def test_what_is_decoded_already_needs_no_worker():
    worker = DecodeWorker()
    open_video_in(worker, as_media_source(coded_frames(3)))
    open_video_in(worker, MediaSource(decoder=StandInDecoder(coded_clip("closed.mp4"))))
    read_audio_in(worker, as_audio_source({"array": noise(), "sampling_rate": 48_000}))
    assert worker.starts == 0
