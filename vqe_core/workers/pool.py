"""Pool of worker processes that decode, which bad files may kill; or none, and this process decodes."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from vqe_core.deadline import RowClock, current_deadline
from vqe_core.runtime import ProcessLock, after_fork
from vqe_core.types import MediaSource
from vqe_core.workers.client import DecodeWorker
from vqe_core.workers.limits import DEFAULT_WORKER_LIMITS, WorkerLimits

IDLE_SECONDS = 30.0  # then it is ended; what it holds is some fifty megabytes
MOST_WAITING = 8  # more than these have served a call of many files, and the next one may be small


class WaitingWorkers:
    """Workers of this process that nobody uses now; a forked process begins without any.

    They end when nobody has wanted them for ``IDLE_SECONDS``, and with this process. No more than ``MOST_WAITING``
    wait: starting one costs some tenths of a second, keeping one costs memory.
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
        """Return a worker with these limits, running if one waits; its process knows nothing of the time."""
        with self._lock:
            for i in reversed(range(len(self._since))):
                if self._since[i][1].limits.memory_bytes == limits.memory_bytes:
                    worker = self._since.pop(i)[1]
                    worker.limits = limits
                    return worker
        return DecodeWorker(limits)

    def give(self, worker: DecodeWorker) -> None:
        """Take back a worker that has nothing to do."""
        with self._lock:
            self._since.append((time.monotonic(), worker))
            spare = [worker for _, worker in self._since[:-MOST_WAITING]]
            del self._since[:-MOST_WAITING]
            self._look_again()
        for worker in spare:
            worker.close()

    def end_idle(self, seconds: float = 0.0) -> None:
        """End those that have waited for so long."""
        with self._lock:
            now = time.monotonic()
            ended = [worker for since, worker in self._since if now - since >= seconds]
            self._since = [(since, worker) for since, worker in self._since if worker not in ended]
            if not self._since and self._clock is not None:
                self._clock.cancel()
                self._clock = None
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


class Running(Protocol):
    """The settings of a call that say where it decodes."""

    @property
    def isolate(self) -> bool | str | None: ...
    @property
    def row_timeout(self) -> float | None: ...


class WorkerPool:
    """Decode workers of one call, started when first needed and used again; none where decoding is in-process.

    After a call without an error they wait for the next one.

    Args:
        isolated: whether worker processes decode.
        limits: what a row may cost there.
        needed: False: where there can be no worker process, this one decodes, and a warning says so.
    """

    def __init__(self, isolated: bool, limits: WorkerLimits = DEFAULT_WORKER_LIMITS, *, needed: bool = True) -> None:
        self._isolated, self._limits, self._needed = isolated, limits, needed
        self._deadline = current_deadline()
        self._idle: list[DecodeWorker] = []
        self._all: list[DecodeWorker] = []
        self._lock = threading.Lock()
        self._clocks: dict[Hashable, RowClock] = {}

    @classmethod
    def of(cls, settings: Running, sources: Sequence[MediaSource]) -> WorkerPool:
        """Make the pool that the settings name: workers for files and bytes, which may be anybody's.

        Args:
            settings: of the call; ``isolate`` of ``"auto"`` or None leaves it to this process where there can be no
                worker, unless a limit was asked for that only a worker can hold.
            sources: all that it may decode, videos and sounds.
        """
        encoded = any((source.path, source.data, source.url) != (None, None, None) for source in sources)
        seconds, memory = settings.row_timeout, getattr(settings, "row_memory", None)
        limits = WorkerLimits.of(seconds, memory)
        needed = settings.isolate is True or seconds is not None or memory is not None
        return cls(encoded and settings.isolate is not False, limits, needed=needed)

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
        worker.needed, worker.deadline = self._needed, self._deadline
        try:
            yield worker
        finally:
            with self._lock:
                self._idle.append(worker)

    def clock(self, video: Hashable) -> RowClock:
        """Return the clock of a video's frames, by what tells videos of this call apart."""
        with self._lock:
            return self._clocks.setdefault(video, RowClock())
