"""Decode workers between two calls: a data set is scored batch by batch, and starting a process takes its time."""

from __future__ import annotations

import threading
import time

from vqe_core.media import DecodeWorker, WorkerLimits
from vqe_core.processes import ProcessLock, after_fork

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
        """A worker with these limits, running if one waits."""
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
