"""A process that ends what a killed one has started: by SIGKILL a process ends and can end nothing else.

Of Ray, the kernel ends raylet and GCS with their driver. Ray's agents notice that after 2 s and then wait for the GCS,
for up to a minute; so they are killed from here. Linux only: where the kernel cannot end processes with their parent,
Ray starts a reaper of its own.

This file is also the program of that process, started without site packages, so it imports the standard library only.
"""

from __future__ import annotations

import os
import select
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
_LOOKS_WITHOUT = 5  # that end it
_WATCH_SECONDS = 0.5  # a process has its mark for longer than that after its start
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


class Family:
    """The marked processes and all that they started, remembered from look to look.

    A process that sets its title, as Ray's agents do, may write over its mark, and has another parent once its own has
    ended; so what was seen once is known by its id and the time of its start.
    """

    def __init__(self, token: str) -> None:
        self._mark = f"{MARK}={token}".encode()
        self._known: dict[int, str] = {}

    def living(self) -> list[int]:
        """Look, and return the process ids of those that live, without this one's."""
        found = {int(entry.name): entry for entry in _PROC.iterdir() if entry.name.isdigit()}
        stats = {pid: stat for pid, entry in found.items() if pid != os.getpid() and (stat := _parent_and_start(entry))}
        self._known = {pid: start for pid, start in self._known.items() if stats.get(pid, ("", ""))[1] == start}
        new = [pid for pid in stats if pid not in self._known and self._is_marked(found[pid])]
        while new:
            self._known |= {pid: stats[pid][1] for pid in new}
            new = [pid for pid, (parent, _) in stats.items() if pid not in self._known and int(parent) in self._known]
        return list(self._known)

    def _is_marked(self, entry: Path) -> bool:
        with suppress(OSError):  # gone, or of another user
            return self._mark in (entry / "environ").read_bytes().split(b"\0")
        return False


def _parent_and_start(entry: Path) -> tuple[str, str] | None:
    """Return the parent's id of a process and the time of its start; None where it has ended."""
    try:
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else (fields[1], fields[19])


def main(token: str) -> None:
    """Look until the parent has ended, then kill the marked processes, and those they start meanwhile."""
    family = Family(token)
    while not select.select([sys.stdin], [], [], _WATCH_SECONDS)[0]:  # it is closed, by the parent or by its end
        family.living()
    until = time.monotonic() + _GIVE_UP_SECONDS
    looks_without = 0
    while looks_without < _LOOKS_WITHOUT and time.monotonic() < until:
        living = family.living()
        looks_without = 0 if living else looks_without + 1
        for pid in living:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1])
