"""Decode a video from its first packet to its last: the truth that everything else is measured by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vqe_core.errors import MediaError
from vqe_core.media.container import (
    check_size,
    in_seconds,
    presentation_time,
    readable_packets,
    stated_ratio,
)
from vqe_core.media.display_times import display_times, last_duration
from vqe_core.media.limits import MediaLimits
from vqe_core.media.pixels import clockwise_rotation, picture_warnings
from vqe_core.types import FrameTable


@dataclass(frozen=True)
class DecodedTable(FrameTable):
    """A frame table made by decoding, for files whose packets do not tell the truth.

    ``indices`` count decoded frames, and its frames are only ever read by decoding forward.

    Attributes:
        clock: float64, the time that each decoded frame of the whole file carries, before it was put in order;
            NaN where it carries none.
    """

    clock: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass
class ForwardDecode:
    """One pass over all frames, counting what goes wrong."""

    container: InputContainer
    stream: VideoStream
    limits: MediaLimits
    name: str
    bad_packets: int = 0
    damaged_frames: int = 0

    def __iter__(self) -> Iterator[tuple[float | None, VideoFrame]]:
        """Yield (time in seconds or None, frame) in the order of display; see ``display_times``."""
        for frame in self._frames():
            check_size(frame.width, frame.height, self.limits, self.name)
            time = presentation_time(frame, self.stream)
            if time is None:
                time = in_seconds(frame.dts, self.stream.time_base)
            self.damaged_frames += frame.is_corrupt
            yield time, frame

    def _frames(self) -> Iterator[VideoFrame]:
        context = self.stream.codec_context
        for packet in self._packets():
            try:
                frames = context.decode(packet)
            except av.FFmpegError:
                # A picture over the limit looks like damage to FFmpeg; its size is known all the same.
                width, height = _png_size(packet) or (context.width, context.height)
                check_size(width, height, self.limits, self.name)
                self.bad_packets += 1
                continue
            yield from frames

    def _packets(self) -> Iterator[av.Packet[VideoStream] | None]:
        return readable_packets(self.container, self.stream, self._count_bad_packet)

    def _count_bad_packet(self) -> None:
        self.bad_packets += 1


def _png_size(packet: av.Packet[VideoStream] | None) -> tuple[int, int] | None:
    """Size that a PNG picture claims, which FFmpeg forgets when it refuses it."""
    head = bytes(memoryview(packet)[:24]) if packet is not None and packet.size > 24 else b""
    if not head.startswith(b"\x89PNG"):
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def decoded_table(decode: ForwardDecode, damage: str | None = None) -> FrameTable:
    """Decode everything and write down what came out.

    Args:
        decode: a fresh pass over the video.
        damage: what is known to be wrong with the file, if anything.

    Returns:
        The table, with a warning for each kind of damage met.

    Raises:
        MediaError: code ``no_frames``, ``decode_error`` (damage and no frame at all) or ``too_many_frames``.
    """
    clock: list[float] = []
    keyframes: list[bool] = []
    sizes: set[tuple[int, int]] = set()
    first: VideoFrame | None = None
    last: VideoFrame | None = None
    for time, frame in decode:
        first, last = first or frame, frame
        clock.append(math.nan if time is None else time)
        keyframes.append(bool(frame.key_frame))
        sizes.add((frame.width, frame.height))
        check_length(len(clock), decode.limits, decode.name)
    if first is None or last is None:
        raise _nothing_decoded(decode, damage)
    ticks, interval = np.array(clock, dtype=np.float64), usual_interval(decode.stream)
    times, jumps = display_times(ticks, numbered=decode.container.format.name == "avi", interval=interval)
    return DecodedTable(
        timestamps=times,
        is_keyframe=np.array(keyframes, dtype=bool),
        indices=np.arange(len(times), dtype=np.int64),
        start=float(times[0]),
        end=float(times[-1]) + last_duration(times, _duration(last, decode.stream), interval),
        rotation=clockwise_rotation(first),
        warnings=(*picture_warnings(first), *_damage(decode, len(times), len(sizes), jumps)),
        clock=ticks,
    )


def _duration(frame: VideoFrame, stream: VideoStream) -> float:
    return in_seconds(frame.duration, stream.time_base) or 0.0


def _damage(decode: ForwardDecode, frames: int, sizes: int, jumps: int) -> list[str]:
    remarks = {
        f"packets that cannot be decoded: {decode.bad_packets}": decode.bad_packets,
        f"damaged frames: {decode.damaged_frames} of {frames}": decode.damaged_frames,
        f"the clock starts anew {jumps} times": jumps,
        f"the picture changes between {sizes} sizes": sizes > 1,
    }
    return [text for text, met in remarks.items() if met]


def _nothing_decoded(decode: ForwardDecode, damage: str | None) -> MediaError:
    if decode.bad_packets or damage:
        reason = damage or "the file is damaged or cut off"
        return MediaError(f"{decode.name!r}: no frame can be decoded; {reason}")
    return MediaError(f"{decode.name!r} has a video stream with no frames in it", code="no_frames")


def check_length(frames: int, limits: MediaLimits, name: str) -> None:
    """Raise `MediaError` ``too_many_frames`` if a video has more frames than ``limits`` allow."""
    if frames > limits.max_frames_in_table:
        raise MediaError(
            f"{name!r} has more than {limits.max_frames_in_table} frames (MediaLimits.max_frames_in_table); "
            "cut it into pieces or raise the limit",
            code="too_many_frames",
        )


def usual_interval(stream: VideoStream) -> float:
    """Seconds from one frame to the next that the file states, 1/25 if it states none."""
    rate = stated_ratio(stream.average_rate)
    return float(1 / rate) if rate else 0.04
