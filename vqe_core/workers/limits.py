"""Limits of what decoding in another process may cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vqe_core.errors import InputError

_LEAST_MEMORY = 64 * 2**20


@dataclass(frozen=True)
class WorkerLimits:
    """Bounds on what one row may cost a decode worker before it is given up.

    Attributes:
        row_seconds: seconds to wait for workers in all, from the first look at a row's video until its frames and
            its sound are there. The time between, in which the caller works, does not count. Default: two minutes.
        memory_bytes: address space that decoding may take, beyond that of an idle worker. Default: 2 GiB, which
            frames of 8192 x 4320 pixels need. Systems without address space limits (macOS) do not enforce it.

    Example:
        >>> WorkerLimits(row_seconds=30).memory_bytes
        2147483648
    """

    row_seconds: float = 120.0
    memory_bytes: int = 2 * 2**30

    def __post_init__(self) -> None:
        seconds, memory = self.row_seconds, self.memory_bytes
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
            raise InputError(f"row_timeout ({seconds!r}) must be a positive, finite number of seconds")
        if isinstance(memory, bool) or not isinstance(memory, int) or memory < _LEAST_MEMORY:
            raise InputError(f"memory_bytes ({memory!r}) must be a whole number of at least {_LEAST_MEMORY} (64 MiB)")

    @classmethod
    def of(cls, row_timeout: float | None, row_memory: float | None) -> WorkerLimits:
        """Make the limits that the options name: seconds and MiB, None for the default."""
        given = {
            "row_seconds": row_timeout,
            "memory_bytes": None if row_memory is None else round(row_memory * 2**20),
        }
        return cls(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


DEFAULT_WORKER_LIMITS = WorkerLimits()


class MemoryLimit:
    """A limit on the address space of this process, from now on.

    Args:
        more: bytes that may be taken beyond what is in use now.
    """

    def __init__(self, more: int) -> None:
        self.more = more
        in_use = _status_bytes("VmSize")
        self._ceiling = None if in_use is None else _limited(in_use + more)

    def was_short(self, margin: int) -> bool:
        """Tell whether the process has ever come so close to the limit that an allocation may have failed.

        FFmpeg reports a failed allocation as damage of the file more often than not.

        Args:
            margin: bytes of the largest allocation to think of; of a tight limit half counts.
        """
        peak = _status_bytes("VmPeak")
        if self._ceiling is None or peak is None:
            return False
        return peak + min(margin, self.more // 2) > self._ceiling


def _limited(size: int) -> int | None:
    """Limit the address space, and write no memory dumps; returns the limit, or None if there can be none."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        size = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    except (ImportError, ValueError, OSError):
        return None
    return size


def _status_bytes(name: str) -> int | None:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            line = next((line for line in status if line.startswith(f"{name}:")), None)
    except OSError:
        return None
    return int(line.split()[1]) * 1024 if line else None
