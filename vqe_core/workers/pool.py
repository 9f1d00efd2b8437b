"""Pool of worker processes that decode, which bad files may kill; or none, and this process decodes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from vqe_core.runtime import ProcessLock, after_fork
from vqe_core.types import MediaSource
from vqe_core.workers.client import DecodeWorker
from vqe_core.workers.limits import WorkerLimits

IDLE_SECONDS = 30.0  # then it is ended; what it holds is some ten megabytes


class WaitingWorkers:
    """Workers of this process that nobody uses now; a forked process begins without any.

    They end when nobody has wanted them for ``IDLE_SECONDS``, and with this process.
    """

    def __init__(self) -> None:
        self._lock = ProcessLock()
        self._forget()
        after_fork(self._forget)

    def _forget(self) -> None:
        self._since: list[tuple[float, DecodeWorker]] = []
        self._clock: threading.Timer | None = None

    def __len__(self) -> int:
        return len(self._since)

    def take(self, limits: WorkerLimits) -> DecodeWorker:
        """Return a worker with these limits, running if one waits."""
        with self._lock:
            for i in reversed(range(len(self._since))):
                if self._since[i][1].limits == limits:
                    return self._since.pop(i)[1]
        return DecodeWorker(limits)

    def give(self, worker: DecodeWorker) -> None:
        """Take back a worker that has nothing to do."""
        with self._lock:
            self._since.append((time.monotonic(), worker))
            self._look_again()

    def end_idle(self, seconds: float = 0.0) -> None:
        """End those that have waited for so long."""
        with self._lock:
            now = time.monotonic()
            ended = [worker for since, worker in self._since if now - since >= seconds]
            self._since = [(since, worker) for since, worker in self._since if worker not in ended]
        for worker in ended:
            worker.close()

    def _look_again(self) -> None:
        """Have one clock run while somebody waits."""
        if self._clock is None and self._since:
            self._clock = threading.Timer(IDLE_SECONDS, self._on_clock)
            self._clock.daemon = True
            self._clock.start()

    def _on_clock(self) -> None:
        self.end_idle(IDLE_SECONDS)
        with self._lock:
            self._clock = None
            self._look_again()


WAITING = WaitingWorkers()


ISOLATE_FROM = 64  # files to decode; below, starting processes costs more than a tenth of the time


def many_files(files: int) -> bool:
    """Tell whether so many files are decoded in worker processes where ``isolate`` does not say; never on Windows."""
    return os.name == "posix" and files >= ISOLATE_FROM


class Running(Protocol):
    """The settings of a call that say where it decodes."""

    @property
    def isolate(self) -> bool | None: ...
    @property
    def row_timeout(self) -> float: ...


class WorkerPool:
    """Decode workers of one call, started when first needed and used again; none where decoding is in-process.

    After a call without an error they wait for the next one.
    """

    def __init__(self, isolated: bool, row_timeout: float) -> None:
        self._isolated, self._limits = isolated, WorkerLimits(row_seconds=row_timeout)
        self._idle: list[DecodeWorker] = []
        self._all: list[DecodeWorker] = []
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: Running, sources: Sequence[MediaSource]) -> WorkerPool:
        """Make the pool that the settings name; ``isolate=None`` decides by the number of files.

        Args:
            settings: of the call.
            sources: all that it may decode, videos and sounds.
        """
        files = sum(source.path is not None or source.data is not None for source in sources)
        isolated = many_files(files) if settings.isolate is None else settings.isolate
        return cls(isolated and files > 0, settings.row_timeout)

    def __enter__(self) -> WorkerPool:
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
        """Return a worker for one thread, or None for decoding in this process."""
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
