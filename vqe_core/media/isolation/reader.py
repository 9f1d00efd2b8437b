"""Read videos in a decode worker."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from vqe_core.media.isolation.worker import DecodeWorker, TakenOverError
from vqe_core.media.pyav_reader import PyAVReader
from vqe_core.media.reader import checked_positions
from vqe_core.types import Frame, FrameTable, MediaSource


@dataclass(frozen=True)
class IsolatedReader:
    """`PyAVReader` at work in another process. Tables and pixels are the same, so name and version are too.

    Attributes:
        worker: the process. Videos may share one, also in turns, but are quicker one after another.
        reader: what decodes there.
    """

    name: ClassVar[str] = PyAVReader.name
    mismatch: ClassVar[str] = PyAVReader.mismatch
    worker: DecodeWorker = field(default_factory=DecodeWorker)
    reader: PyAVReader = field(default_factory=PyAVReader)

    @property
    def version(self) -> str:
        """Versions of PyAV and of the FFmpeg in it."""
        return self.reader.version

    def probe(self, source: MediaSource) -> FrameTable:
        """See `PyAVReader.probe`.

        Raises:
            MediaError: also with code ``timeout``, ``worker_crash`` or ``out_of_memory``.
            WorkerStartError: there is no worker process.
        """
        table: FrameTable = self.worker.value("probe", source, self.reader)
        return table

    def frames(self, source: MediaSource, table: FrameTable, positions: np.ndarray) -> Iterator[Frame]:
        """See `PyAVReader.frames`. A few frames are decoded ahead; each is the caller's own.

        Raises:
            TableMismatchError: a frame of the table cannot be decoded, or is damaged.
            MediaError: also with code ``timeout``, ``worker_crash`` or ``out_of_memory``.
            WorkerStartError: there is no worker process.
        """
        wanted = checked_positions(positions, table)
        while len(wanted):
            job = self.worker.pieces("frames", source, self.reader, table, wanted)
            with contextlib.suppress(TakenOverError), contextlib.closing(job):
                for position, pixels in job:
                    if position is None:
                        return
                    wanted = wanted[1:]
                    yield Frame(position, pixels)

    def decoding_all(self) -> IsolatedReader:
        """See `PyAVReader.decoding_all`."""
        return replace(self, reader=self.reader.decoding_all())
