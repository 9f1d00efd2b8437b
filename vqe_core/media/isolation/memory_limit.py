"""Hold this process to an amount of memory, and tell when it ran short."""

from __future__ import annotations


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
        """Whether the process has ever come so close to the limit that an allocation may have failed.

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
