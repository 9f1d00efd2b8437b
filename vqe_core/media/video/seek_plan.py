"""Which packets of a video must be decoded to get a few of its frames.

Images between two keyframes form a group; a decoder can start at any keyframe. So groups that hold no wanted
frame are not decoded, and a group is left after its last wanted frame.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

import av
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from vqe_core.media.clock import FileClock


class Feed(Enum):
    """Decision about a packet."""

    SKIP = "skip"  # no wanted frame needs it
    REFERENCE = "reference"  # decode it if other images refer to it; its own image is not wanted
    TARGET = "target"  # its image is wanted


class PacketPlan:
    """Decide packet by packet, in the order of the file, without looking ahead.

    An open group has images that are shown before its keyframe but stored after it, and that need the group
    before. They are recognised by being still missing when the keyframe comes, and the plan then runs on.

    Args:
        targets: presentation times (s) of the wanted frames, increasing.
        keyframes: presentation times (s) of the keyframes that are known, increasing. A missing one costs time,
            never a frame.
    """

    def __init__(self, targets: Sequence[float], keyframes: Sequence[float]) -> None:
        self._targets = targets
        self._keyframes = keyframes
        self._missing = set(targets)
        self._open: set[float] = set()  # wanted frames of the group being decoded, not fed yet

    @property
    def finished(self) -> bool:
        """True when every wanted packet has been fed."""
        return not self._missing

    def step(self, time: float, is_keyframe: bool) -> Feed:
        """Decide about the next packet.

        Args:
            time: its presentation time (s).
            is_keyframe: whether decoding can start at it.
        """
        if is_keyframe:
            # Wanted frames left from before this keyframe are shown before it but stored after it.
            self._open = {late for late in self._open if late < time} | self._wanted_in_group(time)
        if not self._open:
            return Feed.SKIP
        if time not in self._open:
            return Feed.REFERENCE
        self._open.discard(time)
        self._missing.discard(time)
        return Feed.TARGET

    def _wanted_in_group(self, keyframe: float) -> set[float]:
        following = bisect_right(self._keyframes, keyframe)
        end = self._keyframes[following] if following < len(self._keyframes) else math.inf
        first, last = bisect_left(self._targets, keyframe), bisect_left(self._targets, end)
        return self._missing.intersection(self._targets[first:last])


class PlannedDecode:
    """The images that come out of a decoder fed by ``plan``, wanted ones among others.

    Ends early where a packet has no time or cannot be decoded, or where a keyframe is none: some encoders mark
    the start of a gradual refresh, from where images are not exact for a while.

    Args:
        clock: of a file that was just opened.
        stream: its video stream.
        plan: not used before.
    """

    def __init__(self, clock: FileClock, stream: VideoStream, plan: PacketPlan) -> None:
        self._clock, self._stream, self._plan = clock, stream, plan
        self._context = stream.codec_context
        self._skip_unreferenced = _may_skip_unreferenced(stream)
        self._feeding = False
        self._skipped = False  # whether any packet was left out so far
        self._entry: float | None = None  # time (s) of a keyframe where decoding began anew, until it is shown

    def __iter__(self) -> Iterator[VideoFrame]:
        try:
            for packet in self._clock.packets():
                if packet.stream_index != self._stream.index:
                    continue
                time = self._clock.seconds(packet.pts, self._stream.time_base)
                if time is None:
                    break
                for image in self._feed(packet, time):
                    if not self._is_exact(image):
                        return
                    yield image
                if self._plan.finished and not self._feeding:
                    return
            yield from filter(self._is_exact, self._context.decode(None))
        except av.FFmpegError:
            return

    def _feed(self, packet: av.Packet[Any], time: float) -> list[VideoFrame]:
        feed = self._plan.step(time, packet.is_keyframe)
        if feed is Feed.SKIP:
            images = self._context.decode(None) if self._feeding else []
            self._context.flush_buffers()
            self._feeding, self._skipped = False, True
            return images
        if not self._feeding:
            self._feeding = True
            self._entry = time if self._skipped else None
        unwanted = feed is Feed.REFERENCE and self._skip_unreferenced
        self._context.skip_frame = "NONREF" if unwanted else "DEFAULT"
        return self._context.decode(packet)

    def _is_exact(self, image: VideoFrame) -> bool:
        """Tell False if decoding began at a keyframe whose image is not whole in itself."""
        if self._entry is None:
            return True
        time = self._clock.seconds(image.pts, self._stream.time_base)
        if time is not None and time < self._entry:
            # Shown before the keyframe, so it needs what was skipped, and the plan does not want it.
            return True
        if time != self._entry or image.pict_type != PictureType.I:
            return False
        self._entry = None
        return True


def _may_skip_unreferenced(stream: VideoStream) -> bool:
    """Tell whether the decoder may drop images that it knows no other refers to.

    Not in AV1, whose decoder takes the choice once and for all. In HEVC the mark only says that no image of
    the same temporal layer refers to it.
    """
    codec = stream.codec_context.codec.canonical_name
    if codec != "hevc":
        return codec != "av1"
    header = stream.codec_context.extradata or b""
    # The hvcC record starts with version 1; byte 21 holds the number of temporal layers (0: unknown) in bits 3-5.
    return len(header) > 21 and header[0] == 1 and (header[21] >> 3) & 7 == 1
