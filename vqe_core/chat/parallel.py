"""Many slow calls at a time, few enough, and none for ever."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tqdm import tqdm

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Outcome(Generic[Result]):
    """Result of task ``number``. A result may itself be an error object, so a raised one has its own place."""

    number: int
    result: Result
    failure: BaseException | None = None


def run_bounded(
    call: Callable[[Task, float], Result],
    tasks: Sequence[Task],
    *,
    workers: int,
    deadline: float,
    late: Result,
    progress: bool | None = None,
    doing: str = "asking",
) -> list[Result]:
    """Call ``call(task, time_left)`` for each task in threads.

    The threads are daemons and are left behind at the deadline, so that a call that hangs in a name server or a
    socket holds up neither the caller nor the end of the program.

    Args:
        call: must not raise; an exception that it raises all the same is raised here.
        tasks: in the order of the results.
        workers: most calls at a time.
        deadline: seconds for all.
        late: result of a task that is not done by then.
        progress: progress bar: always, never, or (None) on a terminal only.
        doing: what the bar says.

    Returns:
        A result a task, in order.
    """
    end = time.monotonic() + deadline
    waiting: queue.SimpleQueue[tuple[int, Task]] = queue.SimpleQueue()
    done: queue.SimpleQueue[_Outcome[Result]] = queue.SimpleQueue()
    for numbered in enumerate(tasks):
        waiting.put(numbered)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set() and (left := end - time.monotonic()) > 0:
            try:
                number, task = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put(_Outcome(number, call(task, left)))
            except BaseException as error:  # handed to the caller, whose thread may raise it
                done.put(_Outcome(number, late, error))

    for _ in range(min(workers, len(tasks))):
        threading.Thread(target=work, daemon=True, name="vqe-chat").start()
    results = [late] * len(tasks)
    try:
        for outcome in _collect(done, len(tasks), end, progress, doing):
            if outcome.failure is not None:
                raise outcome.failure
            results[outcome.number] = outcome.result
    finally:
        stop.set()
    return results


def _collect(
    done: queue.SimpleQueue[_Outcome[Result]], count: int, end: float, progress: bool | None, doing: str
) -> Iterator[_Outcome[Result]]:
    """Outcomes as they come, until all are there or the time is over."""
    disable = None if progress is None else not progress
    with tqdm(total=count, desc=doing, disable=disable, leave=False) as bar:
        for _ in range(count):
            try:
                outcome = done.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                return
            bar.update()
            yield outcome
