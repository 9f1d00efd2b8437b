"""Several videos read at once, handed out in order, with a bound on what waits.

FFmpeg and resizing leave the interpreter free, so threads run side by side; one that has its own
decode worker only waits for it. A thread that is too far ahead of the consumer waits, and a consumer that is ahead of
the threads waits for them: images in flight are bounded however many or long the videos are.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

# Videos started but not yet handed out, for each thread: enough that no thread waits for one slow video before it.
_AHEAD = 2

_PATIENCE = 1.0  # seconds for all threads together to end after an error


class OrderedPrefetch(Generic[Item]):
    """Runs ``read(job, worker)`` for jobs 0, 1, 2 ... on several threads and yields their items job by job.

    Args:
        jobs: how many.
        read: gives the items of a job; runs on a thread. What it raises is raised to the consumer, at that job.
        threads: how many read side by side.
        worker: gives each thread what it works with, entered and left on that thread.
        waiting: items of one job that may wait for the consumer.
    """

    def __init__(
        self,
        jobs: int,
        read: Callable[[int, Any], Iterator[Item]],
        *,
        threads: int,
        worker: Callable[[], AbstractContextManager[Any]],
        waiting: int,
    ) -> None:
        self._jobs, self._read, self._worker, self._waiting = jobs, read, worker, waiting
        self._change = threading.Condition()
        self._items: list[deque[Item]] = [deque() for _ in range(jobs)]
        self._ends: dict[int, BaseException | None] = {}
        self._started, self._handed_out, self._closed = 0, 0, False
        self._ahead = _AHEAD * threads
        self._threads = [
            threading.Thread(target=self._run, name=f"vqe-prefetch-{i}", daemon=True) for i in range(min(threads, jobs))
        ]

    def __enter__(self) -> OrderedPrefetch[Item]:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()
        # After an error or Ctrl-C nobody waits for a long decode to end; its result is thrown away.
        deadline = None if error[0] is None else time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def items(self, job: int) -> Iterator[Item]:
        """Return the items of one job, as they come; jobs must be asked for in order.

        Raises:
            BaseException: what reading it raised, after the items before that.
        """
        try:
            while True:
                with self._change:
                    while not self._items[job] and job not in self._ends:
                        self._change.wait()
                    if not self._items[job]:
                        break
                    item = self._items[job].popleft()
                    self._change.notify_all()
                yield item
            error = self._ends.pop(job)
            if error is not None:
                raise error
        finally:
            with self._change:
                self._handed_out = job + 1
                self._items[job].clear()
                self._change.notify_all()

    def _run(self) -> None:
        with ExitStack() as stack:
            worker: Any = None
            entered = False
            while (job := self._next_job()) is not None:
                end: BaseException | None = None
                try:
                    if not entered:
                        worker, entered = stack.enter_context(self._worker()), True
                    for item in self._read(job, worker):
                        if not self._put(job, item):
                            return
                except BaseException as error:
                    end = error
                with self._change:
                    self._ends[job] = end
                    self._change.notify_all()

    def _next_job(self) -> int | None:
        with self._change:
            while not self._closed and self._started < self._jobs:
                if self._started < self._handed_out + self._ahead:
                    self._started += 1
                    return self._started - 1
                self._change.wait()
            return None

    def _put(self, job: int, item: Item) -> bool:
        """Hand over an item; return False if the consumer is past this job."""
        with self._change:
            while len(self._items[job]) >= self._waiting and not self._closed and job >= self._handed_out:
                self._change.wait()
            if self._closed:
                return False
            if job >= self._handed_out:
                self._items[job].append(item)
            self._change.notify_all()
            return True
