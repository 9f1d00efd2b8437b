"""Files that cannot be read, or not safely: each gets its own code, at once, and touches nothing else."""

import os
import random
import resource
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.clips import coded_frames, read_code, write_clip, write_sound
from tests.media.recipes import coded_clip
from vqe_core.errors import MediaError, MediaNotFoundError
from vqe_core.media import MediaLimits, as_media_source, check_file, open_video


def code_of(value, limits=None):
    with pytest.raises(MediaError) as caught:
        open_video(as_media_source(value), limits or MediaLimits())
    return caught.value.code


def test_missing_file_and_dangling_link(tmp_path):
    (tmp_path / "link.mp4").symlink_to(tmp_path / "nowhere.mp4")
    for name in ("missing.mp4", "link.mp4", "no/such/folder.mp4"):
        assert code_of(tmp_path / name) == "not_found"
    with pytest.raises(MediaNotFoundError, match="check the path"):
        check_file(str(tmp_path / "missing.mp4"))
    with pytest.raises(FileNotFoundError):
        open_video(as_media_source(tmp_path / "missing.mp4"))


def test_a_file_that_vanishes_after_the_check(tmp_path, monkeypatch):
    monkeypatch.setattr("vqe_core.media.container.check_file", lambda path: None)
    assert code_of(tmp_path / "gone.mp4") == "not_found"


def test_directory_and_empty_file(tmp_path):
    (tmp_path / "empty.mp4").touch()
    assert code_of(tmp_path) == "is_directory"
    assert code_of(tmp_path / "empty.mp4") == "empty_file"


@pytest.mark.timeout(10)
def test_pipes_and_devices_return_at_once(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "fifo.mp4")
    with socket.socket(socket.AF_UNIX) as server:
        # A socket's path must be short.
        monkeypatch.chdir(tmp_path)
        server.bind("s.mp4")
    for path in (tmp_path / "fifo.mp4", tmp_path / "s.mp4", "/dev/zero", "/dev/null"):
        assert code_of(path) == "not_regular_file"


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"#EXTM3U\n#EXTINF:3,\n/abs/sibling.ts\n", "HLS playlist"),
        (b"ffconcat version 1.0\nfile sibling.ts\n", "concat script"),
        (b"\xef\xbb\xbf \nffconcat version 1.0\nfile sibling.ts\n", "concat script"),
        (b'<?xml version="1.0"?><MPD/>', "XML"),
        (b"<MPD></MPD>", "DASH"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", "SDP"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 9\n", "git lfs pull"),
        (b"<!DOCTYPE html><html></html>", "HTML page"),
        (b"just some words, nothing more\n", "text file"),
        ("süße Wörter\n".encode(), "text file"),
        (b"\xff\xd8\xff\xe0" + bytes(200), "JPEG image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "PNG image"),
        (b"RIFF\x00\x01\x00\x00WEBPVP8 " + bytes(200), "WebP"),
    ],
)
def test_texts_and_pictures_called_mp4(tmp_path, head, words):
    canary = write_clip(tmp_path / "sibling.ts", coded_frames(3))
    (tmp_path / "video.mp4").write_bytes(head.replace(b"/abs", bytes(tmp_path)))
    assert canary.stat().st_size
    for value in (tmp_path / "video.mp4", (tmp_path / "video.mp4").read_bytes()):
        with pytest.raises(MediaError, match=words) as caught:
            open_video(as_media_source(value))
        assert caught.value.code == "format_not_allowed"


def test_ffmpeg_itself_is_told_to_open_no_other_file(tmp_path, monkeypatch):
    monkeypatch.setattr("vqe_core.media.container.check_file", lambda path: None)
    monkeypatch.setattr("vqe_core.media.container.check_head", lambda head, name: None)
    write_clip(tmp_path / "sibling.ts", coded_frames(3))
    (tmp_path / "script.mp4").write_text("ffconcat version 1.0\nfile sibling.ts\n")
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:3,\n{tmp_path}/sibling.ts\n#EXT-X-ENDLIST\n")
    for name in ("script.mp4", "list.m3u8"):
        assert code_of(tmp_path / name) == "format_not_allowed"
        assert code_of((tmp_path / name).read_bytes()) == "format_not_allowed"


def test_random_bytes():
    generator = random.Random(0)
    for size in (1, 10, 500, 5000):
        assert code_of(generator.randbytes(size)) in ("decode_error", "format_not_allowed")


def test_sound_without_pictures(tmp_path):
    for name in ("a.mp4", "a.mkv", "a.ogg"):
        assert code_of(write_sound(tmp_path / name)) == "no_video_stream"


def test_cover_art_is_no_video(tmp_path):
    import av

    path = tmp_path / "cover.mp3"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame", rate=44_100, layout="mono")
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1152), dtype=np.float32), "fltp", "mono")
        frame.sample_rate = 44_100
        container.mux(cover.encode(av.VideoFrame.from_ndarray(coded_frames(1)[0], format="rgb24")))
        container.mux(cover.encode(None))
        for _ in range(30):
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    assert code_of(path) == "no_video_stream"


def test_header_without_frames():
    data = coded_clip("fragments.mp4").read_bytes()
    assert code_of(data[: data.index(b"moof") - 4]) == "no_frames"


@pytest.mark.parametrize(
    "name", ["ünï 🎬.mp4", "a b.mp4", "100%d.mp4", "a#b?.mp4", "a:b.mp4", "-y.mp4", "x" * 250 + ".mp4"]
)
def test_any_file_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(coded_clip("closed.mp4").read_bytes())
    assert len(open_video(as_media_source(path)).table) == 40


def test_relative_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-i.mp4").write_bytes(coded_clip("closed.mp4").read_bytes())
    assert len(open_video(as_media_source("-i.mp4")).table) == 40
    assert len(open_video(as_media_source("-i.mp4", base_dir=str(tmp_path))).table) == 40


def test_a_name_that_is_not_utf8(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")
    with open(path, "wb") as file:
        file.write(coded_clip("closed.mp4").read_bytes())
    assert read_code(next(open_video(as_media_source(path)).frames(np.array([30]))).pixels) == 30


def test_too_many_frames():
    for name in ("closed.mp4", "patches.gif"):
        assert code_of(coded_clip(name), MediaLimits(max_frames_in_table=39)) == "too_many_frames"
        assert len(open_video(as_media_source(coded_clip(name)), MediaLimits(max_frames_in_table=40)).table) == 40


@pytest.fixture(scope="module")
def bombs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    big = np.zeros((6000, 6000, 3), dtype=np.uint8)
    quick = {"preset": "ultrafast", "x264-params": "repeat-headers=1"}
    for name in ("big.mp4", "big.ts"):
        write_clip(folder / name, [big], times=[1.0], options=quick)
    write_clip(folder / "big.mov", [big], codec="png", pix_fmt="rgb24")
    small = write_clip(folder / "small.ts", coded_frames(10), options={"x264-params": "repeat-headers=1"})
    (folder / "late.ts").write_bytes(small.read_bytes() + (folder / "big.ts").read_bytes())
    return folder


@pytest.mark.parametrize("name", ["big.mp4", "big.ts", "big.mov", "late.ts"])
def test_large_pictures_are_refused_before_they_take_memory(bombs, name):
    script = f"""
import resource
from vqe_core.errors import MediaError
from vqe_core.media import MediaLimits, as_media_source, open_video
limits = MediaLimits(max_pixels=4096 * 4096)
open_video(as_media_source({str(bombs / "small.ts")!r}), limits)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    open_video(as_media_source({str(bombs / name)!r}), limits)
except MediaError as error:
    print(error.code, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    code, megabytes, message = done.stdout.split(maxsplit=2)
    assert code == "too_large"
    assert int(megabytes) < 150
    assert "6000 x 6000" in message


def test_max_pixels_is_inclusive(bombs):
    source = as_media_source(coded_clip("closed.mp4"))
    assert len(open_video(source, MediaLimits(max_pixels=64 * 48)).table) == 40
    assert code_of(coded_clip("closed.mp4"), MediaLimits(max_pixels=64 * 48 - 1)) == "too_large"


def test_files_are_closed_and_memory_is_given_back():
    def use():
        for name in ("closed.mp4", "patches.gif"):
            video = open_video(as_media_source(coded_clip(name)))
            next(video.frames(np.arange(9)))
        for bad in (b"text", coded_clip("closed.mp4").read_bytes()[:500]):
            with pytest.raises(MediaError):
                open_video(as_media_source(bad))

    use()
    files = len(os.listdir("/proc/self/fd"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(30):
        use()
    assert len(os.listdir("/proc/self/fd")) == files
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 20_000
