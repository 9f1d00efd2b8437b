"""Interfaces of video readers, and the reader of frame arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from vqe_core.errors import InputError, MediaError
from vqe_core.types import BAD_SEGMENT, Frame, Frames, FrameTable, MediaSource


@runtime_checkable
class VideoReader(Protocol):
    """Reader of one kind of source, to a frame table and images: a frozen dataclass that can be pickled."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str:
        """Versions of the libraries that decode, for the signature."""
        ...

    def probe(self, source: MediaSource) -> FrameTable:
        """Return the frames of the whole source; its segment is not applied."""
        ...

    def frames(self, source: MediaSource, table: FrameTable, positions: np.ndarray) -> Iterator[Frame]:
        """Return the images at the distinct ``positions`` of ``table``, increasing, one at a time."""
        ...


@runtime_checkable
class OpeningReader(VideoReader, Protocol):
    """A reader that keeps something open for one video, or leaves a video to another reader."""

    def opened(self, video: Any) -> Any:
        """Return ``video``, a `Video` that was just opened, with the reader that is to read it."""
        ...


@runtime_checkable
class RescanningReader(VideoReader, Protocol):
    """A reader that can do without the promises of a file's packets.

    ``mismatch`` is the warning on a video whose frames were not those of its table, where nothing else is wrong.
    """

    @property
    def mismatch(self) -> str: ...

    def decoding_all(self) -> VideoReader:
        """Return the same reader with tables made by decoding every frame."""
        ...


class TableMismatchError(MediaError):
    """A frame of the table is missing or damaged. `Video.decoded` gives a table that leaves it out."""

    @classmethod
    def at(cls, time: float, name: str) -> TableMismatchError:
        """Return the error of the frame at ``time`` (s) of the file ``name``."""
        return cls(f"{name!r}: the frame at {time:.3f} s cannot be decoded undamaged; the file is damaged")


def checked_positions(positions: np.ndarray, table: FrameTable) -> np.ndarray:
    """Return the distinct positions, increasing, int64.

    Raises:
        InputError: one is outside the table.
    """
    distinct = np.unique(np.asarray(positions, dtype=np.int64))
    if len(distinct) and (distinct[0] < 0 or distinct[-1] >= len(table)):
        raise InputError(f"positions {distinct[0]}..{distinct[-1]} must be within a table of {len(table)} frames")
    return distinct


@dataclass(frozen=True)
class FramesReader:
    """Reads ``MediaSource.frames``. With ``fps`` frame n is shown from n / fps seconds; without, there is no clock."""

    name: ClassVar[str] = "frames"

    @property
    def version(self) -> str:
        """Constant: nothing is decoded."""
        return "1"

    def probe(self, source: MediaSource) -> FrameTable:
        """Return one row per frame, none a keyframe; without ``fps`` the times are frame numbers.

        Raises:
            InputError: the source has a segment in seconds but no clock.
            MediaError: code ``no_frames``.
        """
        frames = _frames(source)
        if len(frames) == 0:
            raise MediaError(f"{source.name} has no frames", code="no_frames")
        if source.fps is None and (source.start is not None or source.end is not None):
            raise InputError(
                f"videos: start={source.start}, end={source.end} (s) need a clock, and {source.name} has none; add fps",
                code=BAD_SEGMENT,
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
        """Return each distinct position once, increasing; the pixels are views, not copies."""
        frames = _frames(source)
        for position in checked_positions(positions, table).tolist():
            yield Frame(position, frames[table.indices[position]])


def _frames(source: MediaSource) -> Frames:
    if source.frames is None:
        raise InputError(f"the frames reader needs decoded frames, got {source.name}")
    return source.frames
