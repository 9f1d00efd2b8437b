"""The end of a track as its container states it. What FFmpeg guesses from a bit rate or last times is not stated.

Sources:
    Xing Inc. and Fraunhofer, headers of variable bit rate MP3 (frame counts in the first frame).
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO

import av

from vqe_core.media.audio.stated_sizes import stated_size
from vqe_core.media.clock import FileClock
from vqe_core.media.container import in_seconds
from vqe_core.media.structure import opened
from vqe_core.types import MediaSource

# FFmpeg's names of containers that state a length.
_STATING = {"mov", "matroska", "avi", "flv", "ogg", "asf", "flac", "aiff", "au", "caf", "wav", "w64"}
_STATING |= {"ape", "tta", "wv", "mp3"}

# Where the count of frames stands in the first frame of an MP3, by version and channels.
_TAG_OFFSETS = {b"Xing": (13, 21, 36), b"Info": (13, 21, 36), b"VBRI": (36,)}
_TAG = re.compile(b"Xing|Info|VBRI")
_SEARCHED_BYTES = 1 << 17

_CLOCK_TIME = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)$")


def end_as_stated(clock: FileClock, stream: Any, source: MediaSource, *, has_images: bool) -> float | None:
    """Return the time (s) on a file's clock at which a track ends, None where its container does not state it.

    Args:
        clock: of the open file.
        stream: the track.
        source: that was opened.
        has_images: there is a video too, so that the length of the file may be that of the video.
    """
    container = clock.container
    formats = set(container.format.name.split(","))
    if not formats & _STATING or ("mp3" in formats and not _reading(source, counts_frames)):
        return None
    if "wav" in formats and _reading(source, _is_open_ended):
        return None
    begin = clock.seconds(stream.start_time, stream.time_base) or 0.0
    seconds = in_seconds(stream.duration, stream.time_base)
    if seconds is not None:
        return begin + seconds
    whole = None if container.duration is None else container.duration / av.time_base
    if has_images or whole is None:
        return None
    # The length in Matroska is the time of the end, on its own clock.
    return whole - float(clock.origin) if "matroska" in formats else begin + whole


def end_as_tagged(clock: FileClock, stream: Any) -> float | None:
    """Return about where (s) a track of Matroska ends, by the tag that FFmpeg and mkvmerge write for each, or None."""
    if "matroska" not in clock.container.format.name:
        return None
    for name, value in stream.metadata.items():
        found = _CLOCK_TIME.match(value) if name.upper().startswith("DURATION") else None
        if found is not None:
            hours, minutes, seconds = (float(part) for part in found.groups())
            return 3600 * hours + 60 * minutes + seconds - float(clock.origin)
    return None


def counts_frames(file: BinaryIO) -> bool:
    """Tell whether an MP3 file says in its first frame how many there are.

    Args:
        file: binary, open.
    """
    file.seek(0)
    head = file.read(10)
    skipped = 0
    if head.startswith(b"ID3") and len(head) == 10:
        skipped = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    file.seek(skipped)
    begin = file.read(_SEARCHED_BYTES)
    for tag in _TAG.finditer(begin):
        for offset in _TAG_OFFSETS[tag.group()]:
            frame = begin[max(tag.start() - offset, 0) :][:2]
            if tag.start() >= offset and len(frame) == 2 and frame[0] == 0xFF and frame[1] & 0xE0 == 0xE0:
                flags = begin[tag.end() + 3 : tag.end() + 4]
                return tag.group() == b"VBRI" or (bool(flags) and bool(flags[0] & 1))
    return False


def _is_open_ended(file: BinaryIO) -> bool:
    size = stated_size(file)
    return size is not None and size.stated is None


def _reading(source: MediaSource, ask: Any) -> bool:
    with opened(source) as file:
        return bool(ask(file))
