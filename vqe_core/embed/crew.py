"""Who decodes: this process, or worker processes that bad files may kill."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vqe_core.embed.settings import EmbedSettings
from vqe_core.embed.waiting_workers import WAITING
from vqe_core.media import DecodeWorker, WorkerLimits
from vqe_core.types import MediaSource

ISOLATE_FROM = 64  # files to decode; below, starting processes costs more than a tenth of the time


def many_files(files: int) -> bool:
    """Whether so many files are decoded in worker processes where ``isolate`` does not say; never on Windows."""
    return os.name == "posix" and files >= ISOLATE_FROM


class DecodeCrew:
    """Decode workers of one call, started when first needed and used again; none where decoding is in-process.

    After a call without an error they wait for the next one.
    """

    def __init__(self, isolated: bool, row_timeout: float) -> None:
        self._isolated, self._limits = isolated, WorkerLimits(row_seconds=row_timeout)
        self._idle: list[DecodeWorker] = []
        self._all: list[DecodeWorker] = []
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: EmbedSettings, sources: Sequence[MediaSource]) -> DecodeCrew:
        """The crew that the settings name; ``isolate=None`` decides by the number of files, where there can be one.

        Args:
            settings: of the call.
            sources: all that it may decode, videos and sounds.
        """
        files = sum(source.path is not None or source.data is not None for source in sources)
        isolated = many_files(files) if settings.isolate is None else settings.isolate
        return cls(isolated and files > 0, settings.row_timeout)

    def __enter__(self) -> DecodeCrew:
        return self

    def __exit__(self, *error: Any) -> None:
        with self._lock:
            workers, self._all = self._all, []
            rested = [] if error[0] is not None else self._idle
            self._idle = []
        for worker in workers:
            if worker in rested:
                WAITING.give(worker)
            else:  # somebody still reads with it, and is not waited for
                worker.close()

    @contextmanager
    def worker(self) -> Iterator[DecodeWorker | None]:
        """A worker for one thread, or None for decoding in this process."""
        if not self._isolated:
            yield None
            return
        with self._lock:
            worker = self._idle.pop() if self._idle else None
            if worker is None:
                worker = WAITING.take(self._limits)
                self._all.append(worker)
        try:
            yield worker
        finally:
            with self._lock:
                self._idle.append(worker)
