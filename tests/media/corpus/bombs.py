"""Small files that ask for much, and are held to the limits."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.media.corpus.cases import at, case, numbered
from tests.media.corpus.making import box, find_box, join, patched, write


def bomb(name: str, what: str, **expected: Any) -> Callable[..., Any]:
    """Put a file into the corpus that costs more than others to read; see `cases.case`."""
    return case(name, what, plain=False, slow=True, **expected)


@bomb("frame_6400.mp4", "a frame of 6,400 x 6,400", video="too_large", sound="no_audio")
def _(path: Path) -> None:
    big = np.zeros((6400, 6400, 3), np.uint8)
    write(path, [big], options={"preset": "ultrafast", "x264-params": "keyint=1"})


@bomb(
    "frame_65535.gif",
    "108 bytes that claim 65,535 x 65,535",
    video="too_large",
    sound=("no_audio", "too_large", "decode_error"),
)
def _(path: Path) -> None:
    path.write_bytes(gif(65_535, 65_535))


@bomb(
    "frame_5900.gif",
    "108 bytes that claim 5,900 x 5,900: more than so short a file may",
    video="too_large",
    sound="no_audio",
)
def _(path: Path) -> None:
    path.write_bytes(gif(5_900, 5_900))


def gif(width: int, height: int) -> bytes:
    """Return a GIF of a huge screen and one image of 8 x 8."""
    palette = bytes(6)
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + palette
    control = b"!\xf9\x04\x00\x0a\x00\x00\x00"
    image = b"," + struct.pack("<HHHHB", 0, 0, 8, 8, 0) + b"\x02\x07\x84\x8f\xa9\xcb\xed\x0f\x63\x00"
    return head + control + image + b";"


@bomb("many_gif.gif", "60 frames of 5,000 x 5,000 in a few kB", video=None, sound="no_audio")
def _(path: Path) -> None:
    one = gif(5_000, 5_000)
    head, rest = one[:19], one[19:-1]
    path.write_bytes(head + rest * 60 + b";")


@bomb("frame.png.mov", "a PNG that claims 30,000 x 30,000", video="too_large", sound="no_audio")
def _(path: Path) -> None:
    write(path, 3, codec="png", pix_fmt="rgb24", container_format="mov")
    data = path.read_bytes()
    changes = []
    place = data.find(b"\x89PNG")
    while place >= 0:
        header = b"IHDR" + struct.pack(">II", 30_000, 30_000) + data[place + 24 : place + 29]
        changes.append((place + 12, header + struct.pack(">I", zlib.crc32(header))))
        place = data.find(b"\x89PNG", place + 8)
    path.write_bytes(patched(data, *changes))


@bomb("late_bomb.ts", "ten small frames, then one of 6,400 x 6,400", video="too_large", sound="no_audio")
def _(path: Path) -> None:
    headers = {"preset": "ultrafast", "x264-params": "repeat-headers=1:keyint=1"}
    big = np.zeros((6400, 6400, 3), np.uint8)
    join(
        path,
        lambda place: write(place, 10, options=headers),
        lambda place: write(place, [big], times=[1.0], options=headers),
    )


@bomb(
    "sample_table.mp4",
    "14 kB whose table claims 2**26 samples",
    video="too_many_frames",
    sound="too_many_frames",
)
def _(path: Path) -> None:
    write(path, 3, options={"g": "1"}, container_options={"movflags": "faststart"})
    data = path.read_bytes()
    way = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
    # One size for all samples, one duration for all: the table says "2**26 of them" in a few bytes.
    many = 2**26
    sizes, _ = find_box(data, *way, b"stsz")
    times, _ = find_box(data, *way, b"stts")
    chunks, _ = find_box(data, *way, b"stsc")
    data = patched(data, (sizes + 4, struct.pack(">II", 100, many)))
    data = patched(data, (times + 4, struct.pack(">III", 1, many, 3000)))
    path.write_bytes(patched(data, (chunks + 4, struct.pack(">IIII", 1, 1, many, 1))))


@bomb(
    "huge_box.mp4",
    "an index that claims 2**62 bytes, and is whole",
    video=numbered(3),
    sound="no_audio",
    may_warn=frozenset({"truncated"}),
)
def _(path: Path) -> None:
    write(path, 3)
    data = path.read_bytes()
    begin, _ = find_box(data, b"moov")
    path.write_bytes(data[: begin - 8] + struct.pack(">I4sQ", 1, b"moov", 2**62) + data[begin:])


@bomb("ten_hours.mp4", "three frames in ten hours", video=at([0.0, 18_000.0, 36_000.0]), sound="no_audio")
def _(path: Path) -> None:
    write(path, 3, times=[0.0, 18_000.0, 36_000.0], clock=1000)


@bomb(
    "nested_boxes.mp4",
    "2,000 boxes, one within the other",
    video=("decode_error", "no_video_stream"),
    sound=("decode_error", "no_audio"),
)
def _(path: Path) -> None:
    content = b""
    for _ in range(2000):
        content = box(b"moov", content)
    path.write_bytes(box(b"ftyp", b"isom\0\0\2\0isomiso2") + content)
