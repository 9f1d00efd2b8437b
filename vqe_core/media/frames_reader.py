"""Frames that are decoded already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vqe_core.errors import InputError, MediaError
from vqe_core.media.reader import checked_positions
from vqe_core.types import Frame, FrameTable, MediaSource


@dataclass(frozen=True)
class FramesReader:
    """Reads ``MediaSource.frames``. With ``fps`` frame n is shown from n / fps seconds; without, there is no clock."""

    name: ClassVar[str] = "frames"

    @property
    def version(self) -> str:
        """Constant: nothing is decoded."""
        return "1"

    def probe(self, source: MediaSource) -> FrameTable:
        """One row per frame, none a keyframe; without ``fps`` the times are frame numbers.

        Raises:
            InputError: the source has a segment in seconds but no clock.
            MediaError: code ``no_frames``.
        """
        frames = _frames(source)
        if len(frames) == 0:
            raise MediaError(f"{source.name} has no frames", code="no_frames")
        if source.fps is None and (source.start is not None or source.end is not None):
            raise InputError(
                f"videos: start={source.start}, end={source.end} (s) need a clock, and {source.name} has none; add fps"
            )
        numbers = np.arange(len(frames), dtype=np.float64)
        rate = source.fps or 1.0
        return FrameTable(
            timestamps=numbers / rate,
            is_keyframe=np.zeros(len(frames), dtype=bool),
            indices=np.arange(len(frames), dtype=np.int64),
            start=0.0,
            end=len(frames) / rate,
            has_clock=source.fps is not None,
        )

    def frames(self, source: MediaSource, table: FrameTable, positions: np.ndarray) -> Iterator[Frame]:
        """Each distinct position once, increasing; the pixels are views, not copies."""
        frames = _frames(source)
        for position in checked_positions(positions, table).tolist():
            yield Frame(position, frames[table.indices[position]])


def _frames(source: MediaSource) -> np.ndarray:
    if source.frames is None:
        raise InputError(f"the frames reader needs decoded frames, got {source.name}")
    return source.frames
