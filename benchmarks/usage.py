"""The cost of a piece of work: wall and CPU seconds, and memory, worker processes included."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIB = 2**20
LOOK_EVERY = 0.2  # seconds between two looks at the workers' memory


def cpu_seconds() -> float:
    """Return the CPU seconds of this process, of children that ended and of those that still run."""
    waited = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + waited.ru_utime + waited.ru_stime + sum(_cpu_of(pid) for pid in descendants())


def measured(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Run ``work`` and measure what it costs.

    ``wall_s`` and ``cpu_s``; ``peak_mib``, the highest resident memory of this process since it began;
    ``workers_mib``, the highest sum of that over worker processes alive at one time; ``total_mib``, both together,
    which counts pages that they share more than once.
    """
    marks, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_EVERY):
            marks.append(sum(_high_water(pid) for pid in descendants()))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    cpu, wall = cpu_seconds(), time.perf_counter()
    result = work()
    spent = {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_seconds() - cpu}
    done.set()
    watcher.join()
    own = _high_water(os.getpid())
    workers = max(*marks, sum(_high_water(pid) for pid in descendants()))
    memory = {"peak_mib": own, "workers_mib": workers, "total_mib": own + workers}
    return result, {**spent, **{name: value / MIB for name, value in memory.items()}}


def descendants() -> list[int]:
    """Return the process ids below this one, by the kernel's list; none where there is no such list."""
    found, waiting = [], [os.getpid()]
    while waiting:
        pid = waiting.pop()
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                below = [int(word) for word in children.read_text().split()]
            except OSError:  # the thread or process has just ended
                continue
            found += below
            waiting += below
    return found


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _high_water(pid: int) -> float:
    """Return ``VmHWM``, bytes. Not ``ru_maxrss``, which starts at the size of the process that forked this one."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if pid == os.getpid() else 0.0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0.0)
