"""What a worker process leaves behind, closed whatever happens: its pipes, its memory and the process itself."""

from __future__ import annotations

import os
import subprocess
import weakref

_KILL_SECONDS = 5.0


class Belongings:
    """A process and the descriptors that go with it.

    Attributes:
        owner: process id of who started it.
        descriptors: by name; emptied at the end.
        process: None before the start and after the end.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.descriptors: dict[str, int] = {}
        self.process: subprocess.Popen[bytes] | None = None
        _LIVING.add(self)

    def end(self) -> None:
        """Close everything and kill the process, unless it is that of the process this one was forked from."""
        while self.descriptors:
            os.close(self.descriptors.popitem()[1])
        if self.process is None:
            return
        if self.owner == os.getpid():
            self.process.kill()
        try:
            # Where the process is not a child of this one, this only tells Popen so.
            self.process.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            return
        self.process = None


_LIVING: weakref.WeakSet[Belongings] = weakref.WeakSet()


def _let_go() -> None:
    for belongings in list(_LIVING):
        belongings.end()


# A fork that kept the pipes open would hide the death of its parent from the worker.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
