"""Who decodes: this process, or worker processes that bad files may kill."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from vqe_core.embed.settings import EmbedSettings
from vqe_core.media import DecodeWorker, WorkerLimits
from vqe_core.types import MediaSource

ISOLATE_FROM = 64  # files to decode; below, starting processes costs more than a tenth of the time


class DecodeCrew:
    """Decode workers of one call, started when first needed and used again; none where decoding is in-process."""

    def __init__(self, isolated: bool, row_timeout: float) -> None:
        self._isolated, self._row_timeout = isolated, row_timeout
        self._idle: list[DecodeWorker] = []
        self._all = ExitStack()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: EmbedSettings, sources: Sequence[MediaSource]) -> DecodeCrew:
        """The crew that the settings name; ``isolate=None`` decides by the number of files, where there can be one.

        Args:
            settings: of the call.
            sources: all that it may decode, videos and sounds.
        """
        files = sum(source.path is not None or source.data is not None for source in sources)
        if settings.isolate is None and os.name != "posix":
            return cls(False, settings.row_timeout)
        isolated = files >= ISOLATE_FROM if settings.isolate is None else settings.isolate
        return cls(isolated and files > 0, settings.row_timeout)

    def __enter__(self) -> DecodeCrew:
        return self

    def __exit__(self, *error: Any) -> None:
        self._all.close()

    @contextmanager
    def worker(self) -> Iterator[DecodeWorker | None]:
        """A worker for one thread, or None for decoding in this process."""
        if not self._isolated:
            yield None
            return
        with self._lock:
            worker = self._idle.pop() if self._idle else None
            if worker is None:
                worker = self._all.enter_context(DecodeWorker(WorkerLimits(row_seconds=self._row_timeout)))
        try:
            yield worker
        finally:
            with self._lock:
                self._idle.append(worker)
