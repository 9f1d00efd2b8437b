"""What a video reader is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from vqe_core.errors import InputError, MediaError
from vqe_core.types import Frame, FrameTable, MediaSource


@runtime_checkable
class VideoReader(Protocol):
    """Turns one kind of source into a frame table and pictures."""

    name: ClassVar[str]

    @property
    def version(self) -> str:
        """Versions of the libraries that decode, for the signature."""
        ...

    def probe(self, source: MediaSource) -> FrameTable:
        """The frames of the whole source; its segment is not applied."""
        ...

    def frames(self, source: MediaSource, table: FrameTable, positions: np.ndarray) -> Iterator[Frame]:
        """The pictures at the distinct ``positions`` of ``table``, increasing, one at a time."""
        ...


@runtime_checkable
class RescanningReader(VideoReader, Protocol):
    """A reader that can do without the promises of a file's packets.

    ``mismatch`` is the remark on a video whose frames were not those of its table, where nothing else is wrong.
    """

    mismatch: ClassVar[str]

    def decoding_all(self) -> VideoReader:
        """The same reader with tables made by decoding every frame."""
        ...


class TableMismatchError(MediaError):
    """A frame of the table is missing or damaged. `Video.decoded` gives a table that leaves it out."""

    @classmethod
    def at(cls, time: float, name: str) -> TableMismatchError:
        """The error of the frame at ``time`` (s) of the file ``name``."""
        return cls(f"{name!r}: the frame at {time:.3f} s cannot be decoded undamaged; the file is damaged")


def checked_positions(positions: np.ndarray, table: FrameTable) -> np.ndarray:
    """The distinct positions, increasing, int64.

    Raises:
        InputError: one is outside the table.
    """
    distinct = np.unique(np.asarray(positions, dtype=np.int64))
    if len(distinct) and (distinct[0] < 0 or distinct[-1] >= len(table)):
        raise InputError(f"positions {distinct[0]}..{distinct[-1]} must be within a table of {len(table)} frames")
    return distinct
