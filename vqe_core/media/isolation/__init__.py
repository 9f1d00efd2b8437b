"""Decode in another process, so that a file that crashes, hangs or hogs the decoder costs one row and not the run.

Task: the pixels and samples of `PyAVReader` and `read_audio`, bit for bit, from a process that may die.
Conventions: one job at a time a worker; pictures and sound come through shared memory, the rest through pipes.
Not a sandbox: the process has the rights of its parent. For POSIX systems.

`child` and `worker` are the parent's side, `process` and `jobs` that of the worker.
"""

from __future__ import annotations
