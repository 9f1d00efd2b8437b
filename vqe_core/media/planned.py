"""Feed a decoder by a packet plan, and stop at the first sign that the file does not keep to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
from av.container import InputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from vqe_core.media.container import presentation_time
from vqe_core.media.packet_plan import Feed, PacketPlan


class PlannedDecode:
    """The pictures that come out of a decoder fed by ``plan``, wanted ones among others.

    Ends early where a packet has no time or cannot be decoded, or where a keyframe is none: some encoders mark
    the start of a gradual refresh, from where pictures are not exact for a while.

    Args:
        container: freshly opened.
        stream: its video stream.
        plan: not used before.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, plan: PacketPlan) -> None:
        self._container, self._stream, self._plan = container, stream, plan
        self._context = stream.codec_context
        self._skip_unreferenced = _may_skip_unreferenced(stream)
        self._feeding = False
        self._skipped = False  # whether any packet was left out so far
        self._entry: float | None = None  # time (s) of a keyframe where decoding began anew, until it is shown

    def __iter__(self) -> Iterator[VideoFrame]:
        try:
            for packet in self._container.demux(self._stream):
                time = presentation_time(packet, self._stream)
                if time is None:
                    break
                for picture in self._feed(packet, time):
                    if not self._is_exact(picture):
                        return
                    yield picture
                if self._plan.finished and not self._feeding:
                    return
            yield from filter(self._is_exact, self._context.decode(None))
        except av.FFmpegError:
            return

    def _feed(self, packet: av.Packet[Any], time: float) -> list[VideoFrame]:
        feed = self._plan.step(time, packet.is_keyframe)
        if feed is Feed.SKIP:
            pictures = self._context.decode(None) if self._feeding else []
            self._context.flush_buffers()
            self._feeding, self._skipped = False, True
            return pictures
        if not self._feeding:
            self._feeding = True
            self._entry = time if self._skipped else None
        unwanted = feed is Feed.REFERENCE and self._skip_unreferenced
        self._context.skip_frame = "NONREF" if unwanted else "DEFAULT"
        return self._context.decode(packet)

    def _is_exact(self, picture: VideoFrame) -> bool:
        """False if decoding began at a keyframe whose picture is not whole in itself."""
        if self._entry is None:
            return True
        time = presentation_time(picture, self._stream)
        if time is not None and time < self._entry:
            # Shown before the keyframe, so it needs what was skipped, and the plan does not want it.
            return True
        if time != self._entry or picture.pict_type != PictureType.I:
            return False
        self._entry = None
        return True


def _may_skip_unreferenced(stream: VideoStream) -> bool:
    """Whether the decoder may drop pictures that it knows no other refers to.

    Not in AV1, whose decoder takes the choice once and for all. In HEVC the mark only says that no picture of
    the same temporal layer refers to it.
    """
    codec = stream.codec_context.codec.canonical_name
    if codec != "hevc":
        return codec != "av1"
    header = stream.codec_context.extradata or b""
    # The hvcC record starts with version 1; byte 21 holds the number of temporal layers (0: unknown) in bits 3-5.
    return len(header) > 21 and header[0] == 1 and (header[21] >> 3) & 7 == 1
