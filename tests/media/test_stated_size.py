"""Headers that state huge images are too large, also where FFmpeg refuses the file before it decodes anything."""

from __future__ import annotations

import struct
import zlib

import av
import pytest

from tests.clips import coded_frames, frame_times, write_clip
from vqe_core.errors import MediaError
from vqe_core.media import as_media_source, open_video
from vqe_core.media.stated_size import largest_stated_size, packet_size

HUGE = 65535
FRAMES = coded_frames(3)


def clip(tmp_path, name, **options):
    if options.get("codec", "libx264") not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {options['codec']}")
    return write_clip(tmp_path / name, FRAMES, **options).read_bytes()


def mjpeg_mov(tmp_path):
    data = bytearray(clip(tmp_path, "a.mov", codec="mjpeg", pix_fmt="yuvj420p"))
    entry = data.index(b"jpeg", data.index(b"stsd"))
    data[entry + 28 : entry + 32] = struct.pack(">HH", HUGE, HUGE)
    return with_huge_jpegs(data)


def with_huge_jpegs(data):
    data, place = bytearray(data), data.find(b"\xff\xc0")
    while place >= 0:
        data[place + 5 : place + 9] = struct.pack(">HH", HUGE, HUGE)
        place = data.find(b"\xff\xc0", place + 2)
    return bytes(data)


def small_header_huge_jpegs(tmp_path):
    return with_huge_jpegs(clip(tmp_path, "a.mov", codec="mjpeg", pix_fmt="yuvj420p"))


def avi(tmp_path):
    times = frame_times(3, 25)
    data = bytearray(clip(tmp_path, "a.avi", codec="rawvideo", pix_fmt="bgr24", clock=25, times=times))
    form = data.index(b"strf")
    data[form + 12 : form + 20] = struct.pack("<ii", HUGE, -HUGE)
    return bytes(data)


def webm(tmp_path):
    data = clip(tmp_path, "a.webm", codec="libvpx")
    place = data.index(b"\xb0\x81\x40\xba\x81\x30")
    return data[:place] + b"\xb0\x82\xff\xff\xba\x82\xff\xff" + data[place + 6 :]


def gif(tmp_path):
    data = bytearray(clip(tmp_path, "a.gif", codec="gif", pix_fmt="rgb8"))
    data[6:10] = struct.pack("<HH", HUGE, HUGE)
    return bytes(data)


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def apng(tmp_path):
    control = struct.pack(">IIIIIHHBB", 0, HUGE, HUGE, 0, 0, 1, 10, 0, 0)
    header = struct.pack(">IIBBBBB", HUGE, HUGE, 8, 2, 0, 0, 0)
    parts = {b"IHDR": header, b"acTL": struct.pack(">II", 1, 0), b"fcTL": control, b"IDAT": zlib.compress(bytes(99))}
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in [*parts.items(), (b"IEND", b"")])


@pytest.mark.parametrize("make", [mjpeg_mov, small_header_huge_jpegs, avi, webm, gif, apng])
def test_a_stated_size_beyond_the_limit_is_too_large(tmp_path, make):
    with pytest.raises(MediaError, match="65535 x 65535 = 4294836225 pixels") as caught:
        open_video(as_media_source(make(tmp_path)))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mkv", {}),
        ("a.gif", {"codec": "gif", "pix_fmt": "rgb8"}),
        ("a.apng", {"codec": "apng", "pix_fmt": "rgb24"}),
        ("a.ivf", {"codec": "libvpx"}),
        ("a.avi", {"codec": "mpeg4", "clock": 25, "times": frame_times(3, 25)}),
    ],
)
def test_the_size_of_a_healthy_file(tmp_path, name, options):
    assert largest_stated_size(as_media_source(clip(tmp_path, name, **options))) == (64, 48)


def test_damage_of_a_usual_size_stays_damage(tmp_path):
    data = clip(tmp_path, "a.mp4", options={"bf": "0"})
    place = data.index(b"mdat")
    broken = data[: place + 4] + bytes(data.index(b"moov") - place - 8) + data[data.index(b"moov") - 4 :]
    with pytest.raises(MediaError) as caught:
        open_video(as_media_source(broken))
    assert caught.value.code == "decode_error"


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG", b"\xff\xd8\xff", b"\xff\xd8" + b"\xff" * 40, b"\0\0\0\x9d\x01\x2a", b"abc"]
)
def test_a_packet_that_is_cut_is_no_fault(data):
    assert packet_size(data) in (None, (0, 0))


@pytest.mark.parametrize(
    "head", [b"", b"\0\0\0\x20ftyp", b"\x1aE\xdf\xa3", b"RIFF\0\0\0\0AVI strhvids", b"GIF89a", b"DKIF"]
)
def test_a_header_that_is_cut_states_little(head):
    assert largest_stated_size(as_media_source(head or b"x")) in (None, (0, 0))
