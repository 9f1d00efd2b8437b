"""Turn and mirror the images of a video for display, as its container, its images or its bitstream say.

A container's display matrix and the EXIF of an image come with each decoded frame. The display orientation SEI of
H.264 and HEVC comes with some packets only, and holds until another one comes; it is read here, as a decoder hands it
out with those images alone (H.264), or not at all where decoding begins later (HEVC).

Source: ITU-T H.264 and H.265, annex D, "Display orientation SEI message".
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream


class Turn(NamedTuple):
    """A stored point (x, y) is shown at (a x + c y, b x + d y), each -1, 0 or 1: quarter turns and mirrors."""

    a: int
    b: int
    c: int
    d: int

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """Return ``pixels`` (H, W, C) as they are shown, contiguous."""
        columns, rows = self.a, self.d
        if self.b:
            pixels = pixels.transpose(1, 0, 2)
            columns, rows = self.c, self.b
        return np.ascontiguousarray(pixels[:: -1 if rows < 0 else 1, :: -1 if columns < 0 else 1])

    @property
    def degrees(self) -> int:
        """Degrees, clockwise, without regard to mirrors: 0, 90, 180 or 270."""
        return round(math.degrees(math.atan2(self.b, self.a))) % 360


UPRIGHT = Turn(1, 0, 0, 1)


def shows_nothing(a: float, b: float, c: float, d: float) -> bool:
    """Tell whether a matrix puts all points on one line, as one of zeros does; viewers take no notice of it."""
    return a * d - b * c == 0


def turn_of(a: float, b: float, c: float, d: float) -> Turn:
    """Return the nearest quarter turns and mirrors; ``UPRIGHT`` for a matrix that would show nothing, such as zeros."""
    if shows_nothing(a, b, c, d):
        return UPRIGHT
    if abs(b) > abs(a):
        return Turn(0, 1 if b > 0 else -1, 1 if c > 0 else -1, 0)
    return Turn(1 if a > 0 else -1, 0, 0, 1 if d > 0 else -1)


Matrix = tuple[float, float, float, float]


def display_matrix(frame: VideoFrame) -> Matrix | None:
    """Return a, b, c, d of a frame's display matrix, None without one.

    Looking keeps the frame in memory until the garbage collector ends a cycle.
    """
    try:
        data: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV gives none where it does not know the type of one
        data = _without_unknown(frame).side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    values = np.frombuffer(bytes(data), dtype=np.int32)
    a, b, _, c, d = (float(value) for value in values[:5])
    return a, b, c, d


_MOST_TYPES = 128  # FFmpeg 8.1 knows 32 types of side data of frames


def _without_unknown(frame: VideoFrame) -> VideoFrame:
    """Return the frame without side data of types that PyAV does not know. The pixels are not copied."""
    known = {kind.value for kind in Type}
    graph = av.filter.Graph()
    last = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    first = last
    for number in range(_MOST_TYPES):
        if number not in known:
            following = graph.add("sidedata", f"mode=delete:type={number}")
            last.link_to(following)
            last = following
    sink = graph.add("buffersink")
    last.link_to(sink)
    graph.configure()
    first.push(frame)
    cleaned = sink.pull()
    assert isinstance(cleaned, VideoFrame)
    return cleaned


class OrientationMessages:
    """Collect the changes of orientation that the packets of a stream ask for.

    Args:
        stream: of video.

    Attributes:
        changes: (seconds, turn), those that differ from the one before.
    """

    def __init__(self, stream: VideoStream) -> None:
        self.changes: list[tuple[float, Turn]] = []
        self._codec = stream.codec_context.codec.canonical_name
        self._extradata = stream.codec_context.extradata

    def add(self, packet: Any, time: float | None) -> None:
        """Look at the next packet, which is shown at ``time`` (s)."""
        turn = orientation_message(packet, self._codec, self._extradata)
        if turn is not None and (not self.changes or self.changes[-1][1] != turn):
            self.changes.append((-math.inf if time is None else time, turn))


class Orientations:
    """Look up the orientation that a bitstream asks for, by time.

    Args:
        changes: (seconds, turn) of each message, by time of presentation.
    """

    def __init__(self, changes: Sequence[tuple[float, tuple[int, int, int, int]]]) -> None:
        ordered = sorted(changes, key=lambda change: change[0])
        self._times = [time for time, _ in ordered]
        self._turns = [Turn(*turn) for _, turn in ordered]

    def at(self, time: float | None) -> Turn | None:
        """Return the turn that holds at ``time`` (s), None where nothing was said yet."""
        number = bisect_right(self._times, -math.inf if time is None else time)
        return self._turns[number - 1] if number else None


_SEI_OF = {"h264": {6}, "hevc": {39, 40}}  # types of NAL units
_DISPLAY_ORIENTATION = 47


def orientation_message(packet: Any, codec: str, extradata: bytes | None) -> Turn | None:
    """Return the turn that a packet's display orientation SEI asks for, None without one.

    Args:
        packet: encoded.
        codec: its canonical name; those without such a message give None.
        extradata: of the stream: tells how units are kept apart.
    """
    kinds = _SEI_OF.get(codec)
    if kinds is None:
        return None
    turn = None
    for unit in _units(memoryview(packet), extradata or b""):
        kind = unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63
        if kind in kinds:
            turn = _turn_in(bytes(unit[1 if codec == "h264" else 2 :])) or turn
        elif _is_image(kind, codec):
            break  # what follows is pixels
    return turn


def _is_image(kind: int, codec: str) -> bool:
    return 1 <= kind <= 5 if codec == "h264" else kind < 32


def _units(data: memoryview, extradata: bytes) -> Iterator[memoryview]:
    """Return the NAL units of a packet, after their lengths (MP4, Matroska) or start codes (transport streams)."""
    size = _length_size(extradata)
    if size:
        place = 0
        while place + size < len(data):
            length = int.from_bytes(data[place : place + size], "big")
            if length:
                yield data[place + size : place + size + length]
            place += size + length
        return
    text = bytes(data)
    place = text.find(b"\0\0\1")
    while place >= 0:
        following = text.find(b"\0\0\1", place + 3)
        unit = data[place + 3 : following if following >= 0 else len(data)]
        if len(unit):
            yield unit
        place = following


def _length_size(extradata: bytes) -> int:
    """Return how many bytes a length takes, 0 where start codes keep units apart."""
    if not extradata or extradata[0] != 1 or len(extradata) < 7:
        return 0
    # avcC keeps it in byte 4, whose upper bits are set, hvcC in byte 21.
    hvcc = len(extradata) > 22 and extradata[4] & 0xFC != 0xFC
    return (extradata[21 if hvcc else 4] & 3) + 1


def _turn_in(message: bytes) -> Turn | None:
    """Return what an SEI unit says of the orientation, None if nothing."""
    content = message.replace(b"\0\0\3", b"\0\0")  # a 3 after two zeros keeps start codes out
    place = 0
    while place + 2 <= len(content) and content[place] != 0x80:
        kind, place = _coded(content, place)
        size, place = _coded(content, place)
        if kind == _DISPLAY_ORIENTATION:
            return _turn_from(content[place : place + size])
        place += size
    return None


def _coded(content: bytes, place: int) -> tuple[int, int]:
    """Return a number that is coded as bytes of 255 and a last one, and the place after it."""
    value = 0
    while place < len(content) and content[place] == 255:
        value, place = value + 255, place + 1
    return value + (content[place] if place < len(content) else 0), place + 1


def _turn_from(payload: bytes) -> Turn | None:
    if len(payload) < 1:
        return None
    if payload[0] & 0x80:  # what was said before no longer holds
        return UPRIGHT
    if len(payload) < 3:
        return None
    bits = int.from_bytes(payload[:3], "big")
    left_right, up_down = bits >> 22 & 1, bits >> 21 & 1
    angle = (bits >> 5 & 0xFFFF) / 65536 * 2 * math.pi  # anticlockwise, after the mirrors
    cosine, sine = math.cos(angle), math.sin(angle)
    across, down = -1 if left_right else 1, -1 if up_down else 1
    return turn_of(across * cosine, -across * sine, down * sine, down * cosine)
