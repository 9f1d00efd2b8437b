"""Make the frame table of a video from its packets alone, where they can be trusted."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vqe_core.media.container import check_size, in_seconds, presentation_time
from vqe_core.media.display_times import last_duration
from vqe_core.media.forward import check_length, usual_interval
from vqe_core.media.limits import MediaLimits
from vqe_core.media.pixels import clockwise_rotation, picture_warnings
from vqe_core.types import FrameTable

# Elsewhere a packet is not always one frame with one time: AVI has no presentation times, Ogg repeats frames by
# empty packets, GIF and APNG frames are patches on the one before, VP8 has packets that show nothing.
_PLAIN_FORMATS = {"mov", "matroska", "mpegts", "flv", "ivf"}
_PLAIN_CODECS = {"h264", "hevc", "vp9", "av1", "mpeg1video", "mpeg2video", "mpeg4", "mjpeg", "png", "prores", "ffv1"}


@dataclass
class PacketScan:
    """What one pass over the packets found."""

    # Arrays, not lists: ten hours of video are a million packets.
    times: array[float] = field(default_factory=lambda: array("d"))
    durations: array[float] = field(default_factory=lambda: array("d"))
    keyframes: bytearray = field(default_factory=bytearray)  # 0 or 1
    shown: bytearray = field(default_factory=bytearray)  # 0 for packets that an edit list hides
    first: VideoFrame | None = None
    first_time: float | None = None
    plain: bool = True
    reached: float = 0.0  # seconds into the file that some stream's packets reach


def scan_packets(container: InputContainer, stream: VideoStream, limits: MediaLimits, name: str) -> PacketScan:
    """Read all packets, decoding only until the first frame comes out.

    Args:
        container: freshly opened.
        stream: its video stream.
        limits: bounds on pixels and number of frames.
        name: the file, for messages.

    Returns:
        The scan. ``plain`` is False if the packets do not tell the frames for sure.
    """
    scan = PacketScan(plain=may_plan(container, stream))
    try:
        for packet in container.demux():
            if packet.stream_index == stream.index:
                _add(scan, packet, stream, limits, name)
            if packet.pts is not None:
                end = in_seconds(packet.pts + (packet.duration or 0), packet.time_base)
                scan.reached = max(scan.reached, end or 0.0)
    except av.FFmpegError:
        scan.plain = False
    return scan


def may_plan(container: InputContainer, stream: VideoStream) -> bool:
    """True if, in this format and codec, a packet is one frame with its time, and keyframes are entry points."""
    formats = set(container.format.name.split(","))
    return bool(formats & _PLAIN_FORMATS) and stream.codec_context.codec.canonical_name in _PLAIN_CODECS


def packet_table(scan: PacketScan, stream: VideoStream) -> FrameTable | None:
    """The frame table, or None if only decoding can tell."""
    all_times, rows = np.array(scan.times), np.flatnonzero(np.frombuffer(scan.shown, dtype=np.uint8))
    if not scan.plain or scan.first is None or not len(rows) or not scan.keyframes[0]:
        return None
    # Equal times cannot be told apart; pictures before the first keyframe are dropped by decoders; and
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
        end=float(times[-1]) + last_duration(times, scan.durations[rows[-1]], usual_interval(stream)),
        rotation=clockwise_rotation(scan.first),
        warnings=tuple(picture_warnings(scan.first)),
    )


def early_end(scan: PacketScan, container: InputContainer) -> str | None:
    """A remark if the file stops well before the end that its header states, else None."""
    if not container.duration:
        return None
    stated = container.duration / av.time_base
    reached = scan.reached - (container.start_time or 0) / av.time_base
    if stated - reached <= max(0.5, 0.05 * stated):
        return None
    return f"ends early: {max(reached, 0.0):.1f} of {stated:.1f} s"


def _add(scan: PacketScan, packet: av.Packet[Any], stream: VideoStream, limits: MediaLimits, name: str) -> None:
    ends = packet.size == 0 and packet.pts is None and packet.dts is None
    if scan.first is None:
        _decode_first(scan, packet, stream, limits, name)
    if ends:
        return
    time = presentation_time(packet, stream)
    if time is None or packet.is_corrupt or packet.size == 0 or packet.has_sidedata("new_extradata"):
        scan.plain = False
    if time is None:
        return
    scan.times.append(time)
    scan.durations.append(in_seconds(packet.duration, packet.time_base) or 0.0)
    scan.keyframes.append(packet.is_keyframe)
    scan.shown.append(not packet.is_discard)
    check_length(len(scan.times), limits, name)


def _decode_first(
    scan: PacketScan, packet: av.Packet[Any], stream: VideoStream, limits: MediaLimits, name: str
) -> None:
    try:
        frames = stream.codec_context.decode(packet)
    except av.FFmpegError:
        scan.plain = False
        return
    if frames:
        scan.first = frames[0]
        scan.first_time = presentation_time(frames[0], stream)
        check_size(scan.first.width, scan.first.height, limits, name)
        if scan.first.interlaced_frame or scan.first.is_corrupt:
            # Fields may come as two packets for one frame.
            scan.plain = False
