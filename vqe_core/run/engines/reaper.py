"""A process that ends what a killed one has started: by SIGKILL a process ends and can end nothing else.

Of Ray, the kernel ends raylet and GCS with their driver. Ray's agents notice that after 2 s and then wait for the GCS,
for up to a minute; so they are killed from here. Linux only: where the kernel cannot end processes with their parent,
Ray starts a reaper of its own.

This file is also the program of that process, started without site packages, so it imports the standard library only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = "VQE_REAPER"
_PROC = Path("/proc")
_LOOK_SECONDS = 0.1
_LOOKS_WITHOUT = 30  # that end it: what is being started has no environment for a moment
_GIVE_UP_SECONDS = 30.0


class Reaper:
    """Ends the processes that were started in ``marking``, and theirs, at ``end`` or when this process is killed.

    Example:
        >>> import subprocess
        >>> reaper = Reaper()
        >>> with reaper.marking():
        ...     process = subprocess.Popen(["sleep", "60"])
        >>> reaper.end()  # what is left of them
        >>> process.wait()
        -9
    """

    def __init__(self) -> None:
        self._token = uuid.uuid4().hex
        self._process: subprocess.Popen[bytes] | None = None
        if _PROC.is_dir():
            # A session of its own: an interrupt at the terminal is not for it.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, self._token],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    @contextmanager
    def marking(self) -> Iterator[None]:
        """Mark the processes that are started inside, by an environment variable."""
        os.environ[MARK] = self._token
        try:
            yield
        finally:
            del os.environ[MARK]

    def end(self) -> None:
        """Have what is left of the marked processes ended, and then the reaper."""
        if self._process is not None:
            if self._process.stdin:
                self._process.stdin.close()  # it looks for some seconds, and nobody waits for it
            self._process = None


def marked(token: str) -> list[int]:
    """Return the process ids, other than this one's, whose environment at their start had the mark."""
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):  # gone, or of another user
                if f"{MARK}={token}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def main(token: str) -> None:
    """Wait until the parent has ended, then kill the marked processes, and those they start meanwhile."""
    sys.stdin.buffer.read()  # until it is closed, by the parent or by its end
    until = time.monotonic() + _GIVE_UP_SECONDS
    looks_without = 0
    while looks_without < _LOOKS_WITHOUT and time.monotonic() < until:
        living = marked(token)
        looks_without = 0 if living else looks_without + 1
        for pid in living:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1])
