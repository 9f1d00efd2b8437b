"""Make the frame table of a video from its packets alone, where they can be trusted."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vqe_core.errors import MediaError
from vqe_core.media.budget import PixelCount, check_size
from vqe_core.media.clock import FileClock
from vqe_core.media.container import (
    in_seconds,
    readable_packets,
    stated_ratio,
)
from vqe_core.media.limits import MediaLimits
from vqe_core.media.stated_size import packet_size
from vqe_core.media.video.alpha import AlphaPlanes, alpha_beside, may_have_alpha
from vqe_core.media.video.orientation import OrientationMessages, Turn
from vqe_core.media.video.pixels import clockwise_rotation, image_warnings
from vqe_core.types import FrameTable, RowWarning


def display_times(clock: np.ndarray, numbered: bool, interval: float) -> tuple[np.ndarray, int]:
    """Times that do not decrease, for frames in the order of display.

    Args:
        clock: float64 (N,), seconds as the frames carry them; NaN for none.
        numbered: the times only number the frames in the order of decoding, as AVI does, so the n-th frame
            shown gets the n-th time.
        interval: seconds from one frame to the next where nothing else tells.

    Returns:
        float64 (N,) seconds, and how often the clock starts anew, as in joined recordings: the later part is
        moved to follow the earlier one. A single time that is out of order is put between its neighbours.
    """
    known = np.flatnonzero(~np.isnan(clock))
    if len(known) < len(clock):
        first = clock[known[0]] - known[0] * interval if len(known) else 0.0
        clock = np.where(np.isnan(clock), first + np.arange(len(clock)) * interval, clock)
    if numbered:
        return np.sort(clock), 0
    if np.all(np.diff(clock) >= 0):
        return clock, 0
    return _without_jumps(clock.tolist(), interval)


def _without_jumps(clock: list[float], interval: float) -> tuple[np.ndarray, int]:
    times = clock[:1]
    offset, restarts = 0.0, 0
    for number, time in enumerate(clock[1:], start=1):
        latest, time = times[-1], time + offset
        following = clock[number + 1] + offset if number + 1 < len(clock) else latest
        if time < latest < following:
            time = (latest + following) / 2
        elif time < latest:
            offset += latest + interval - time
            time = latest + interval
            restarts += 1
        times.append(time)
    return np.array(times, dtype=np.float64), restarts


def last_duration(times: np.ndarray, stated: float, interval: float) -> float:
    """Return seconds that the last frame stays on screen.

    Args:
        times: float64 (N,) seconds, not decreasing.
        stated: what the file says, 0 for nothing.
        interval: what to assume if neither that nor the other frames tell.

    Returns:
        The stated duration, else that of the typical frame, else ``interval``.
    """
    if stated > 0:
        return stated
    typical = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return typical if typical > 0 else interval


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

    clock: FileClock
    stream: VideoStream
    limits: MediaLimits
    name: str
    bad_packets: int = 0
    damaged_frames: int = 0
    alpha: AlphaPlanes | None = None

    def __post_init__(self) -> None:
        if may_have_alpha(self.stream):
            self.alpha = AlphaPlanes(self.stream, self.limits)

    def __iter__(self) -> Iterator[tuple[float | None, VideoFrame]]:
        """Yield (time in seconds or None, frame) in the order of display; see ``display_times``."""
        count = PixelCount(self.limits, self.name)
        for frame in self._frames():
            count.add(frame.width, frame.height)
            if self.alpha is not None:
                self.alpha.fit(frame.width, frame.height)
            time = self.clock.seconds(frame.pts, self.stream.time_base)
            if time is None:
                time = self.clock.seconds(frame.dts, self.stream.time_base)
            self.damaged_frames += frame.is_corrupt
            yield time, frame

    def _frames(self) -> Iterator[VideoFrame]:
        context = self.stream.codec_context
        for packet in self._packets():
            if self.alpha is not None:
                self.alpha.feed(packet)
            try:
                frames = context.decode(packet)
            except av.FFmpegError:
                # A image over the limit looks like damage to FFmpeg; its size is known all the same.
                stated = None if packet is None else packet_size(bytes(packet))
                width, height = stated or (context.width, context.height)
                check_size(width, height, self.limits, self.name)
                self.bad_packets += 1
                continue
            yield from frames

    def _packets(self) -> Iterator[av.Packet[VideoStream] | None]:
        return readable_packets(self.clock, self.stream, self._count_bad_packet)

    def _count_bad_packet(self) -> None:
        self.bad_packets += 1


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
    times, jumps = display_times(ticks, numbered=decode.clock.container.format.name == "avi", interval=interval)
    return DecodedTable(
        timestamps=times,
        is_keyframe=np.array(keyframes, dtype=bool),
        indices=np.arange(len(times), dtype=np.int64),
        start=float(times[0]),
        end=float(times[-1]) + last_duration(times, _duration(last, decode.stream), interval),
        origin=float(decode.clock.origin),
        rotation=clockwise_rotation(first),
        warnings=(*image_warnings(first), *_damage(decode, len(times), len(sizes), jumps), *decode.clock.warnings),
        clock=ticks,
    )


def _duration(frame: VideoFrame, stream: VideoStream) -> float:
    return in_seconds(frame.duration, stream.time_base) or 0.0


def _damage(decode: ForwardDecode, frames: int, sizes: int, jumps: int) -> list[RowWarning]:
    bad, damaged = decode.bad_packets, decode.damaged_frames
    lost = 0 if decode.alpha is None else decode.alpha.lost
    warnings = (
        RowWarning(f"packets that cannot be decoded: {bad}", code="damaged_packets", count=bad),
        RowWarning(f"frames whose transparency cannot be decoded: {lost}", code="alpha_dropped", count=lost),
        RowWarning(f"damaged frames: {damaged} of {frames}", code="damaged_frames", count=damaged),
        RowWarning(f"the clock starts anew {jumps} times", code="clock_restarts", count=jumps),
        RowWarning(f"the image changes between {sizes} sizes", code="size_changes", count=sizes - 1),
    )
    return [warning for warning in warnings if warning.count]


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
    """Return seconds from one frame to the next that the file states, 1/25 if it states none."""
    rate = stated_ratio(stream.average_rate)
    return float(1 / rate) if rate else 0.04


# Elsewhere a packet is not always one frame with one time: AVI has no presentation times, Ogg repeats frames by
# empty packets, GIF and APNG frames are patches on the one before, VP8 has packets that show nothing.
_PLAIN_FORMATS = {"mov", "matroska", "mpegts", "flv", "ivf"}
_PLAIN_CODECS = {"h264", "hevc", "vp9", "av1", "mpeg1video", "mpeg2video", "mpeg4", "mjpeg", "png", "prores", "ffv1"}


@dataclass
class PacketScan:
    """Result of one pass over the packets."""

    # Arrays, not lists: ten hours of video are a million packets.
    times: array[float] = field(default_factory=lambda: array("d"))
    durations: array[float] = field(default_factory=lambda: array("d"))
    keyframes: bytearray = field(default_factory=bytearray)  # 0 or 1
    shown: bytearray = field(default_factory=bytearray)  # 0 for packets that an edit list hides
    first: VideoFrame | None = None
    first_time: float | None = None
    plain: bool = True
    turns: Sequence[tuple[float, Turn]] = ()
    reached: float = 0.0  # seconds into the file that some stream's packets reach


def scan_packets(clock: FileClock, stream: VideoStream, limits: MediaLimits, name: str) -> PacketScan:
    """Read all packets, decoding only until the first frame comes out.

    Args:
        clock: of a file that was just opened.
        stream: its video stream.
        limits: bounds on pixels and number of frames.
        name: the file, for messages.

    Returns:
        The scan. ``plain`` is False if the packets do not tell the frames for sure.
    """
    messages = OrientationMessages(stream)
    scan = PacketScan(plain=may_plan(clock.container, stream), turns=messages.changes)
    try:
        for packet in clock.packets(every_stream=True):
            if packet.stream_index == stream.index:
                _add(scan, packet, stream, clock, limits, name)
                messages.add(packet, clock.seconds(packet.pts, stream.time_base))
            if packet.pts is not None:
                end = clock.seconds(packet.pts + (packet.duration or 0), packet.time_base)
                scan.reached = max(scan.reached, end or 0.0)
    except av.FFmpegError:
        scan.plain = False
    if scan.first is None:
        _decode_first(scan, None, stream, clock, limits, name)
    return scan


def may_plan(container: InputContainer, stream: VideoStream) -> bool:
    """Tell whether, in this format and codec, a packet is one frame with its time, and keyframes are entry points."""
    formats = set(container.format.name.split(","))
    return bool(formats & _PLAIN_FORMATS) and stream.codec_context.codec.canonical_name in _PLAIN_CODECS


def packet_table(scan: PacketScan, stream: VideoStream, clock: FileClock) -> FrameTable | None:
    """Return the frame table, or None if only decoding can tell."""
    all_times, rows = np.array(scan.times), np.flatnonzero(np.frombuffer(scan.shown, dtype=np.uint8))
    if not scan.plain or scan.first is None or not len(rows) or not scan.keyframes[0]:
        return None
    # Equal times cannot be told apart; images before the first keyframe are dropped by decoders; and
    # the first frame decoded must be the first frame counted.
    doubled = len(np.unique(all_times)) != len(all_times)
    if doubled or all_times.min() < all_times[0] or scan.first_time != all_times[rows].min():
        return None
    rows = rows[np.argsort(all_times[rows], kind="stable")]
    times = all_times[rows]
    return FrameTable(
        timestamps=times,
        is_keyframe=np.frombuffer(scan.keyframes, dtype=np.uint8)[rows].astype(bool),
        indices=np.arange(len(rows), dtype=np.int64),
        start=float(times[0]),
        end=_end(scan, times, rows, stream, clock),
        origin=float(clock.origin),
        rotation=clockwise_rotation(scan.first),
        warnings=(*image_warnings(scan.first), *clock.warnings),
    )


def _end(scan: PacketScan, times: np.ndarray, rows: np.ndarray, stream: VideoStream, clock: FileClock) -> float:
    """Return when the last frame leaves the screen (s)."""
    last, stated = float(times[-1]), scan.durations[rows[-1]]
    if "mov" in clock.container.format.name:
        # Durations are steps from one decoded frame to the next there, so only their sum is that of the images.
        stated = max(float(times[0]) + float(np.array(scan.durations)[rows].sum()) - last, 0.0)
    return last + last_duration(times, stated, usual_interval(stream))


def early_end(scan: PacketScan, clock: FileClock) -> RowWarning | None:
    """Return a warning if the file stops well before the end that its header states, else None."""
    # Where the clock jumps, FFmpeg's length of the file counts the jump.
    if not clock.container.duration or clock.warnings:
        return None
    stated = clock.container.duration / av.time_base
    # Matroska's length counts from the clock's 0, others from the start of the file.
    reached = max(scan.reached, scan.reached + float(clock.origin))
    if stated - reached <= max(0.5, 0.05 * stated):
        return None
    return RowWarning(f"ends early: {max(reached, 0.0):.1f} of {stated:.1f} s", code="ends_early")


def _add(
    scan: PacketScan,
    packet: av.Packet[Any],
    stream: VideoStream,
    clock: FileClock,
    limits: MediaLimits,
    name: str,
) -> None:
    if scan.first is None:
        _decode_first(scan, packet, stream, clock, limits, name)
    time = clock.seconds(packet.pts, stream.time_base)
    if time is None or packet.is_corrupt or packet.has_sidedata("new_extradata"):
        scan.plain = False
    if scan.plain and may_have_alpha(stream) and alpha_beside(packet):
        scan.plain = False  # transparency has keyframes of its own
    if time is None:
        return
    scan.times.append(time)
    scan.durations.append(in_seconds(packet.duration, packet.time_base) or 0.0)
    scan.keyframes.append(packet.is_keyframe)
    scan.shown.append(not packet.is_discard)
    check_length(len(scan.times), limits, name)


def _decode_first(
    scan: PacketScan,
    packet: av.Packet[Any] | None,
    stream: VideoStream,
    clock: FileClock,
    limits: MediaLimits,
    name: str,
) -> None:
    try:
        frames = stream.codec_context.decode(packet)
    except av.FFmpegError:
        scan.plain = False
        return
    if frames:
        scan.first = frames[0]
        scan.first_time = clock.seconds(frames[0].pts, stream.time_base)
        check_size(scan.first.width, scan.first.height, limits, name)
        if scan.first.interlaced_frame or scan.first.is_corrupt:
            # Fields may come as two packets for one frame.
            scan.plain = False
