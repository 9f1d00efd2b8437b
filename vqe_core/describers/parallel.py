"""Many slow calls at a time, few enough, and none for ever."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tqdm import tqdm

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_bounded(
    call: Callable[[Task, float], Result],
    tasks: Sequence[Task],
    *,
    workers: int,
    deadline: float,
    late: Result,
    progress: bool | None = None,
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

    Returns:
        A result a task, in order.
    """
    end = time.monotonic() + deadline
    waiting: queue.SimpleQueue[tuple[int, Task]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Result | BaseException]] = queue.SimpleQueue()
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
                done.put((number, call(task, left)))
            except BaseException as error:  # handed to the caller, whose thread may raise it
                done.put((number, error))

    for _ in range(min(workers, len(tasks))):
        threading.Thread(target=work, daemon=True, name="describer").start()
    results = [late] * len(tasks)
    try:
        for number, result in _collect(done, len(tasks), end, progress):
            if isinstance(result, BaseException):
                raise result
            results[number] = result
    finally:
        stop.set()
    return results


def _collect(
    done: queue.SimpleQueue[tuple[int, Result | BaseException]], count: int, end: float, progress: bool | None
) -> list[tuple[int, Result | BaseException]]:
    disable = None if progress is None else not progress
    found: list[tuple[int, Result | BaseException]] = []
    with tqdm(total=count, desc="describing", disable=disable, leave=False) as bar:
        while len(found) < count:
            try:
                found.append(done.get(timeout=max(0.0, end - time.monotonic())))
            except queue.Empty:
                break
            bar.update()
    return found
