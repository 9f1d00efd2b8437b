"""Exceptions that nobody foresaw, and a reader that raises them, also in a process that decodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vqe_core.media.video.pyav_reader import PyAVReader
from vqe_core.types import Frame, FrameTable, MediaSource


class Custom(Exception):
    """An exception of a package of others, with an ``__init__`` that no pickle can call."""

    def __init__(self, one: int, *, two: int) -> None:
        super().__init__("custom")


KINDS: dict[str, Any] = {
    "ValueError": lambda: ValueError("operands could not be broadcast together"),
    "KeyError": lambda: KeyError("pts"),
    "TypeError": lambda: TypeError("unsupported operand"),
    "OSError": lambda: OSError(5, "Input/output error"),
    "MemoryError": MemoryError,
    "RecursionError": lambda: RecursionError("maximum recursion depth exceeded"),
    "RuntimeError": lambda: RuntimeError("something in C++"),
    "UnicodeDecodeError": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    "StopIteration": StopIteration,
    "Custom": lambda: Custom(1, two=2),
}


def raised(kind: str) -> BaseException:
    """Make an exception of a kind."""
    if kind in ("KeyboardInterrupt", "SystemExit"):
        return {"KeyboardInterrupt": KeyboardInterrupt, "SystemExit": SystemExit}[kind]()
    made: BaseException = KINDS[kind]()
    return made


@dataclass(frozen=True)
class PlantedReader:
    """Reads as PyAV does, but raises for a source whose name ends so."""

    name: ClassVar[str] = "planted"

    kind: str
    ending: str
    stage: str = "probe"

    @property
    def version(self) -> str:
        """Of PyAV."""
        return PyAVReader().version

    def probe(self, source: MediaSource) -> FrameTable:
        """Return the table that PyAV gives."""
        if self.stage == "probe" and source.name.endswith(self.ending):
            raise raised(self.kind)
        return PyAVReader().probe(source)

    def frames(self, source: MediaSource, table: FrameTable, positions: np.ndarray) -> Iterator[Frame]:
        """Return the frames that PyAV gives; raise after the first."""
        for frame in PyAVReader().frames(source, table, positions):
            yield frame
            if self.stage == "frames" and source.name.endswith(self.ending):
                raise raised(self.kind)
