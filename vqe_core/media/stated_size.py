"""Sizes of images as headers state them, for files that FFmpeg refuses without saying that it is for their size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from vqe_core.media.structure import boxes, content_of, find_boxes, find_elements, opened, size_of
from vqe_core.types import MediaSource

_HEAD_BYTES = 65536

# Ids of Segment, Tracks, TrackEntry, Video; PixelWidth, PixelHeight.
_MATROSKA_VIDEO = ["18538067", "1654ae6b", "ae", "e0"]
_WIDTH, _HEIGHT = "b0", "ba"

_PNG_START = b"\x89PNG\r\n\x1a\n"


def largest_stated_size(source: MediaSource) -> tuple[int, int] | None:
    """Return width and height of the largest image that the headers of a video state, None where they state none.

    Args:
        source: with ``path`` or ``data``; MP4, MOV, Matroska, WebM, AVI, animated PNG, GIF or IVF.
    """
    try:
        with opened(source) as file:
            return max(_stated(file), key=lambda size: size[0] * size[1], default=None)
    except OSError:
        return None


def _stated(file: BinaryIO) -> Iterator[tuple[int, int]]:
    head = file.read(_HEAD_BYTES)
    if head.startswith(b"\x1aE\xdf\xa3"):
        yield from _in_matroska(file)
    elif head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        yield from _in_avi(head)
    elif head.startswith(_PNG_START):
        if b"acTL" in head:  # others are images, not videos
            yield _number(head[16:20], "big"), _number(head[20:24], "big")
    elif head.startswith(b"GIF8"):
        yield _number(head[6:8], "little"), _number(head[8:10], "little")
    elif head.startswith(b"DKIF"):
        yield _number(head[12:14], "little"), _number(head[14:16], "little")
    else:
        yield from _in_iso(file)


def _number(digits: bytes, order: str) -> int:
    return int.from_bytes(digits, "big" if order == "big" else "little")


def _in_iso(file: BinaryIO) -> Iterator[tuple[int, int]]:
    for track in find_boxes(file, ["moov", "trak"], 0, size_of(file)):
        handlers = [content_of(file, box)[8:12] for box in find_boxes(file, ["mdia", "hdlr"], track.start, track.end)]
        if handlers[:1] != [b"vide"]:
            continue
        for table in find_boxes(file, ["mdia", "minf", "stbl", "stsd"], track.start, track.end):
            for entry in boxes(file, table.start + 8, table.end):
                content = content_of(file, entry)
                yield _number(content[24:26], "big"), _number(content[26:28], "big")


def _in_matroska(file: BinaryIO) -> Iterator[tuple[int, int]]:
    for video in find_elements(file, _MATROSKA_VIDEO, 0, size_of(file)):
        width, height = (
            max((_number(content_of(file, part), "big") for part in find_elements(file, [name], *video[1:])), default=0)
            for name in (_WIDTH, _HEIGHT)
        )
        yield width, height


def _in_avi(head: bytes) -> Iterator[tuple[int, int]]:
    """Sizes in the formats of streams; those of audio are told by the type of the stream before."""
    place = head.find(b"strh")
    while place >= 0:
        following = head.find(b"strh", place + 4)
        if head[place + 8 : place + 12] == b"vids":
            form = head.find(b"strf", place, following if following >= 0 else len(head))
            if form >= 0:
                # A height below 0 says that the rows are stored from the top down.
                height = int.from_bytes(head[form + 16 : form + 20], "little", signed=True)
                yield _number(head[form + 12 : form + 16], "little"), abs(height)
        place = following


def packet_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height that an encoded image states, which a decoder forgets where it refuses it.

    Args:
        data: its bytes; PNG, JPEG or VP8.
    """
    if data.startswith(_PNG_START[:4]):
        return _number(data[16:20], "big"), _number(data[20:24], "big")
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    if data[3:6] == b"\x9d\x01\x2a" and not data[0] & 1:  # a keyframe of VP8; the upper bits are a scale
        return _number(data[6:8], "little") & 0x3FFF, _number(data[8:10], "little") & 0x3FFF
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Walk the segments of a JPEG to its frame header (SOF)."""
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _number(data[place + 7 : place + 9], "big"), _number(data[place + 5 : place + 7], "big")
        place += 2 + _number(data[place + 2 : place + 4], "big")
    return None
