"""Read videos with PyAV, whose wheel brings FFmpeg along."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import av
import numpy as np

from vqe_core.errors import MediaError
from vqe_core.media.budget import PixelCount, check_size, fitted_limits
from vqe_core.media.container import open_stream
from vqe_core.media.file_checks import truncation_warning
from vqe_core.media.limits import DEFAULT_LIMITS, MediaLimits
from vqe_core.media.stated_size import largest_stated_size
from vqe_core.media.video.frame_index import (
    DecodedTable,
    ForwardDecode,
    decoded_table,
    early_end,
    may_plan,
    packet_table,
    scan_packets,
)
from vqe_core.media.video.orientation import Orientations, Turn
from vqe_core.media.video.pixels import UprightImages
from vqe_core.media.video.reader import TableMismatchError, checked_positions
from vqe_core.media.video.seek_plan import PacketPlan, PlannedDecode
from vqe_core.options import check_choice
from vqe_core.registry import not_an_option
from vqe_core.types import Frame, FrameTable, MediaSource

_PERHAPS_TOO_LARGE = {"decode_error", "no_video_stream", "no_frames", "format_not_allowed"}

Scan = Literal["auto", "decode"]


@dataclass(frozen=True)
class PyAVReader:
    """Reads paths and encoded bytes, one thread a video, decoding no more than the wanted frames need.

    What comes out is what decoding every frame in turn gives: each frame's time is checked against the table,
    and where a file does not do as its packets say, it is decoded from front to back.

    Attributes:
        limits: what a file may ask for.
        scan: ``"auto"`` makes the table from packets where they can be trusted, ``"decode"`` always decodes
            every frame for it (slow, and right for damaged files too).
    """

    name: ClassVar[str] = "pyav"
    mismatch: ClassVar[str] = "the file is damaged: its frames are not those that its packets promise"
    limits: MediaLimits = not_an_option(DEFAULT_LIMITS)
    scan: Scan = "auto"

    def __post_init__(self) -> None:
        check_choice("scan", self.scan, Scan)

    @property
    def version(self) -> str:
        """Versions of PyAV and of the FFmpeg in it; another one may give other pixels."""
        return f"{av.__version__} (FFmpeg {av.ffmpeg_version_info})"

    def probe(self, source: MediaSource) -> FrameTable:
        """Return the frames of a video, the same as a full decode would give.

        Args:
            source: with ``path`` or ``data``; its segment is not applied.

        Raises:
            MediaError: the video cannot be read; ``code`` says why.
        """
        try:
            return self._probed(source)
        except MediaError as error:
            # FFmpeg takes a size that is beyond its own bounds for damage.
            size = largest_stated_size(source) if error.code in _PERHAPS_TOO_LARGE else None
            if size is not None:
                check_size(*size, fitted_limits(source, self.limits), source.name)
            raise

    def _probed(self, source: MediaSource) -> FrameTable:
        limits = fitted_limits(source, self.limits)
        with open_stream(source, limits) as (clock, stream):
            scan = scan_packets(clock, stream, limits, source.name)
            table = packet_table(scan, stream, clock) if self.scan == "auto" else None
            early = early_end(scan, clock)
        cut_off = truncation_warning(source)
        if table is None:
            with open_stream(source, limits) as (clock, stream):
                table = decoded_table(ForwardDecode(clock, stream, limits, source.name), cut_off or early)
        table = _turned(table, scan.turns)
        warning = early or cut_off
        return replace(table, warnings=(*table.warnings, warning)) if warning else table

    def frames(self, source: MediaSource, table: FrameTable, positions: np.ndarray) -> Iterator[Frame]:
        """Decode frames, one at a time.

        Args:
            source: as given to `probe`.
            table: as `probe` returned it, or a segment of that.
            positions: int, positions in ``table``, any order, repeats allowed.

        Yields:
            Each distinct position once, increasing, with its upright image.

        Raises:
            TableMismatchError: a frame of the table cannot be decoded, or is damaged.
            MediaError: the video cannot be read.
        """
        wanted = checked_positions(positions, table)
        done = 0
        if not isinstance(table, DecodedTable):
            for frame in self._planned(source, table, wanted):
                if done == len(wanted) or frame.position != wanted[done]:
                    break
                done += 1
                yield frame
        if done < len(wanted):
            yield from self._forward(source, table, wanted[done:])

    def decoding_all(self) -> PyAVReader:
        """Return the same reader with tables made by decoding every frame."""
        return replace(self, scan="decode")

    def _planned(self, source: MediaSource, table: FrameTable, wanted: np.ndarray) -> Iterator[Frame]:
        """Return frames by the packet plan; stops at the first sign that the plan does not fit the file."""
        times = table.timestamps[wanted].tolist()
        positions = dict(zip(times, wanted.tolist(), strict=True))
        upright = UprightImages(table.turns)
        plan = PacketPlan(times, table.timestamps[table.is_keyframe].tolist())
        limits = fitted_limits(source, self.limits)
        count = PixelCount(limits, source.name)
        with open_stream(source, limits) as (clock, stream):
            if not may_plan(clock.container, stream) or len(positions) != len(wanted):
                return
            for image in PlannedDecode(clock, stream, plan):
                count.add(image.width, image.height)
                time = clock.seconds(image.pts, stream.time_base)
                position = positions.get(time)
                if position is None:
                    continue
                if image.is_corrupt:
                    return
                yield Frame(position, upright.rgb(image, time))

    def _forward(self, source: MediaSource, table: FrameTable, wanted: np.ndarray) -> Iterator[Frame]:
        """Return frames by decoding from the start."""
        recorded = table.clock if isinstance(table, DecodedTable) else None
        # Decoded tables number frames, so that equal times are told apart; packet tables know only times.
        column = table.timestamps if recorded is None else table.indices
        positions = dict(zip(column[wanted].tolist(), wanted.tolist(), strict=True))
        expected, upright = iter(positions.values()), UprightImages(table.turns)
        due = next(expected)
        limits = fitted_limits(source, self.limits)
        with open_stream(source, limits) as (clock, stream):
            decode = ForwardDecode(clock, stream, limits, source.name)
            for number, (time, image) in enumerate(decode):
                position = positions.get(time if recorded is None else number)
                if position is None:
                    continue
                changed = recorded is not None and not _same_time(time, float(recorded[number]))
                if position != due or changed or (image.is_corrupt and recorded is None):
                    break
                yield Frame(position, upright.rgb(image, time, None if decode.alpha is None else decode.alpha.plane))
                due = next(expected, -1)
                if due < 0:
                    return
        raise TableMismatchError.at(float(table.timestamps[due]), source.name)


def _turned(table: FrameTable, turns: Sequence[tuple[float, Turn]]) -> FrameTable:
    """Return the table with the changes of orientation that were found in the packets."""
    first = Orientations(turns).at(float(table.timestamps[0]))
    return replace(table, turns=tuple(turns), rotation=table.rotation if first is None else first.degrees)


def _same_time(time: float | None, recorded: float) -> bool:
    return math.isnan(recorded) if time is None else time == recorded
