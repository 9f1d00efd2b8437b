"""A reader in a module of its own: worker processes import it, and their memory is too small for torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vqe_core.media.video.pyav_reader import PyAVReader
from vqe_core.types import Frame, FrameTable, MediaSource


@dataclass(frozen=True)
class Negative:
    """Every image with its values turned round."""

    name: ClassVar[str] = "negative"
    level: int = 255

    @property
    def version(self) -> str:
        """Versions of what decodes."""
        return f"1 on {PyAVReader().version}"

    def probe(self, source: MediaSource) -> FrameTable:
        """Return the frame table."""
        return PyAVReader().probe(source)

    def frames(self, source: MediaSource, table: FrameTable, positions: np.ndarray) -> Iterator[Frame]:
        """Decode frames."""
        for frame in PyAVReader().frames(source, table, positions):
            yield Frame(frame.position, (self.level - frame.pixels).astype(np.uint8))
