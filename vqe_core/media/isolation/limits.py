"""What decoding in another process may cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vqe_core.errors import InputError

_LEAST_MEMORY = 64 * 2**20


@dataclass(frozen=True)
class WorkerLimits:
    """Bounds on what one row may cost a decode worker before it is given up.

    Attributes:
        row_seconds: seconds to wait for the worker in all, from the first look at a source until its frames or its
            sound are there. The time between, in which the caller works, does not count. Default: two minutes.
        memory_bytes: address space that decoding may take, beyond that of an idle worker. Default: 4 GiB. Systems
            without address space limits (macOS) do not enforce it.

    Example:
        >>> WorkerLimits(row_seconds=30).memory_bytes
        4294967296
    """

    row_seconds: float = 120.0
    memory_bytes: int = 4 * 2**30

    def __post_init__(self) -> None:
        seconds, memory = self.row_seconds, self.memory_bytes
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
            raise InputError(f"row_timeout ({seconds!r}) must be a positive, finite number of seconds")
        if isinstance(memory, bool) or not isinstance(memory, int) or memory < _LEAST_MEMORY:
            raise InputError(f"memory_bytes ({memory!r}) must be a whole number of at least {_LEAST_MEMORY} (64 MiB)")


DEFAULT_WORKER_LIMITS = WorkerLimits()
