"""Decode in another process, so that a file that crashes, hangs or hogs the decoder costs one row and not the run.

Task: the pixels and samples of `PyAVReader` and `read_audio`, bit for bit, from a process that may die.
Conventions: one job at a time a worker; images and sound come through shared memory, the rest through pipes.
Not a sandbox: the process has the rights of its parent. For POSIX systems.

`client` and `process` are the parent's side, `server` is that of the worker; `pool` has the workers of a call.
"""

from __future__ import annotations

from vqe_core.deadline import RowClock
from vqe_core.workers.client import DecodeWorker, IsolatedReader, one_row, open_video_in, read_audio_in
from vqe_core.workers.limits import WorkerLimits
from vqe_core.workers.pool import WorkerPool

__all__ = [
    "WorkerPool",
    "DecodeWorker",
    "IsolatedReader",
    "WorkerLimits",
    "RowClock",
    "one_row",
    "open_video_in",
    "read_audio_in",
]
