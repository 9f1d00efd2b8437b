"""Memory that two processes see, in which images and sound travel: a ring of a few slots in a file without a name.

Not in /dev/shm, which holds 64 MB in containers.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import threading

import numpy as np

from vqe_core.workers.messages import Placement

# Arrays that a worker may be ahead of its parent; fewer of large ones, each of which both processes hold.
SLOTS = 4
_RING_BYTES = 32 * 2**20

_GRAIN = 2**16


def nameless_file(name: str) -> int:
    """Descriptor of an empty file without a name, in memory where the system has such files.

    Args:
        name: for those who look into /proc.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def forbid_shrinking(descriptor: int) -> None:
    """Keep a broken worker from taking memory away under the parent's hands, where the system can."""
    if hasattr(os, "memfd_create"):
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)


class Cancelled(Exception):
    """The parent wants no more of this job."""


class Credits:
    """Counts the slots that the parent has emptied. Jobs are numbered upwards."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._job = self._cancelled = -1
        self._free = SLOTS

    def begin(self, job: int) -> None:
        """Start a job with every slot free."""
        with self._changed:
            self._job, self._free = job, SLOTS

    def give(self, job: int) -> None:
        """Return the parent has emptied a slot."""
        with self._changed:
            if job == self._job:
                self._free += 1
                self._changed.notify_all()

    def cancel(self, job: int) -> None:
        """Return the parent wants no more of a job, which may not have begun."""
        with self._changed:
            self._cancelled = max(self._cancelled, job)
            self._changed.notify_all()

    def wait(self, free: int = 1) -> None:
        """Wait until so many slots are free.

        Raises:
            Cancelled: the job is not wanted any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._free >= free or self._cancelled >= self._job)
            if self._cancelled >= self._job:
                raise Cancelled

    def take(self) -> None:
        """Use one slot that is free."""
        with self._changed:
            self._free -= 1


class SlotWriter:
    """The worker's side of the memory."""

    def __init__(self, descriptor: int, credits: Credits) -> None:
        self._descriptor, self._credits = descriptor, credits
        self._slot_bytes, self._slots, self._next = 0, SLOTS, 0
        self._memory: mmap.mmap | None = None

    def put(self, array: np.ndarray) -> Placement:
        """Copy an array into a free slot, waiting for one if need be.

        Raises:
            Cancelled: the job is not wanted any more.
            OSError, MemoryError: there is no memory for larger slots.
        """
        if array.nbytes > self._slot_bytes:
            # Slots move when they grow, so the parent must have emptied all.
            self._credits.wait(SLOTS)
            self._grow(array.nbytes)
        self._credits.wait(SLOTS - self._slots + 1)
        offset = self._next * self._slot_bytes
        slot: np.ndarray = np.ndarray(array.shape, array.dtype, buffer=self._memory, offset=offset)
        np.copyto(slot, array)
        self._credits.take()
        self._next = (self._next + 1) % self._slots
        return Placement(offset, array.shape, array.dtype.str)

    def _grow(self, size: int) -> None:
        slot_bytes = -(-size // _GRAIN) * _GRAIN
        # Room for old and new at once is not needed; until the new one is there, there is none.
        self._memory, self._slot_bytes, self._next = None, 0, 0
        self._slots = max(1, min(SLOTS, _RING_BYTES // slot_bytes))
        if os.fstat(self._descriptor).st_size < slot_bytes * self._slots:
            os.ftruncate(self._descriptor, slot_bytes * self._slots)
        self._memory = mmap.mmap(self._descriptor, slot_bytes * self._slots)
        self._slot_bytes = slot_bytes


class SlotReader:
    """The parent's side of the memory."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory: mmap.mmap | None = None

    def copy(self, placement: Placement) -> np.ndarray:
        """Return a copy of the array that lies there.

        Raises:
            ValueError: the placement is outside the memory.
        """
        dtype = np.dtype(placement.dtype)
        end = placement.offset + dtype.itemsize * int(np.prod(placement.shape, dtype=np.int64))
        if self._memory is None or end > len(self._memory):
            size = os.fstat(self._descriptor).st_size
            if not 0 <= placement.offset <= end <= size:
                raise ValueError(f"{placement} is outside the shared memory of {size} bytes")
            self._memory = mmap.mmap(self._descriptor, size, access=mmap.ACCESS_READ)
        return np.ndarray(placement.shape, dtype, buffer=self._memory, offset=placement.offset).copy()
