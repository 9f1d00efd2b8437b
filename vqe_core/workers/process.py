"""One worker process as its parent sees it: started, spoken to with a deadline, and sure to be gone at the end."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np

import vqe_core
from vqe_core.errors import WorkerStartError
from vqe_core.workers.messages import FAULT_EXIT, LENGTH, MEMORY_EXIT, Placement, Reply, packed
from vqe_core.workers.shared_memory import SlotReader, forbid_shrinking, nameless_file

_KILL_SECONDS = 5.0


class ProcessResources:
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


_LIVING: weakref.WeakSet[ProcessResources] = weakref.WeakSet()


def _let_go() -> None:
    for resources in list(_LIVING):
        resources.end()


# A fork that kept the pipes open would hide the death of its parent from the worker.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


# Interrupts go to every process of a terminal, and must not reach the worker even while it starts. Modules are found
# where this process finds them; the working directory is not among those places unless it is here too.
_PROGRAM = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = {path!r}; "
    "from vqe_core.workers.server import main; main{arguments!r}"
)

# Threads for linear algebra and memory pools of threads would take address space by the gigabyte, and decoding needs
# neither.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}

# A stranger that was forked at the wrong moment can hold a pipe open, so the end of a worker is looked for as well.
_LOOK_SECONDS = 1.0
_LAST_WORDS = 600
_TAIL_BYTES = 2**14


class ChildDiedError(Exception):
    """The worker process has ended, or its answer cannot be read.

    Attributes:
        code: status of the row that it leaves.
        trace: traceback of the exception that ended it, where that was a fault of its program; else "".
        from_outside: whether somebody else ended it, by SIGKILL, which no file does by itself.
    """

    def __init__(
        self, message: str, code: str = "worker_crash", trace: str = "", *, from_outside: bool = False
    ) -> None:
        super().__init__(message)
        self.code, self.trace, self.from_outside = code, trace, from_outside


class ChildProcess:
    """A worker process.

    Args:
        memory_bytes: see `WorkerLimits`.

    Raises:
        WorkerStartError: it cannot be started.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._own = ProcessResources()
        self.close = weakref.finalize(self, self._own.end)
        try:
            self._start(memory_bytes)
        except (OSError, ValueError) as error:
            self.close()
            raise cannot_start(str(error)) from error

    def _start(self, memory_bytes: int) -> None:
        if os.name != "posix":
            raise ValueError("it needs a POSIX system")
        if not sys.executable:
            raise ValueError("sys.executable, the path of the Python interpreter, is not known")
        files = self._own.descriptors
        theirs_in, files["requests"] = os.pipe()
        try:
            files["replies"], theirs_out = os.pipe()
            try:
                files["memory"], files["errors"] = nameless_file("vqe-frames"), nameless_file("vqe-errors")
                forbid_shrinking(files["memory"])
                arguments = (theirs_in, theirs_out, files["memory"], memory_bytes)
                self._own.process = self._launched(arguments)
            finally:
                os.close(theirs_out)
        finally:
            os.close(theirs_in)
        os.set_blocking(files["requests"], False)
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(files["replies"], select.POLLIN)
        self._writable.register(files["requests"], select.POLLOUT)
        self._slots = SlotReader(files["memory"])

    def _launched(self, arguments: tuple[int, ...]) -> subprocess.Popen[bytes]:
        folder = str(Path(vqe_core.__file__).resolve().parents[1])
        places = [place for place in sys.path if isinstance(place, str)]
        path = places if folder in places else [*places, folder]
        errors = self._own.descriptors["errors"]
        # Whatever a library prints goes to a file, so it can neither block the worker nor reach the pipes.
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(path=path, arguments=arguments)],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=arguments[:3],
            env={**os.environ, **_ENVIRONMENT},
        )

    @property
    def pid(self) -> int:
        """Process id, 0 once it is closed."""
        return self._own.process.pid if self._own.process else 0

    @property
    def is_own(self) -> bool:
        """True where it was started by this very process, not by one that this one was forked from."""
        return self._own.owner == os.getpid()

    @property
    def is_usable(self) -> bool:
        """True while it is alive and this process's own."""
        return self.is_own and self._own.process is not None and self._own.process.poll() is None

    def forget_errors(self) -> None:
        """Empty the file with what the worker has printed."""
        errors = self._own.descriptors["errors"]
        os.lseek(errors, 0, os.SEEK_SET)
        os.ftruncate(errors, 0)

    def send(self, message: Any, deadline: float) -> None:
        """Write a message.

        Args:
            message: anything that pickles.
            deadline: on the clock of ``time.monotonic``.

        Raises:
            ChildDiedError: nobody reads.
            TimeoutError: not done at ``deadline``.
        """
        for part in packed(message):
            rest = memoryview(part)
            while rest:
                self._wait(self._writable, deadline)
                try:
                    rest = rest[os.write(self._own.descriptors["requests"], rest) :]
                except BlockingIOError:
                    continue
                except (BrokenPipeError, KeyError):
                    raise self._death() from None

    def receive(self, deadline: float) -> tuple[int, Reply, Any, bool]:
        """Return the next message: number of the job, what kind of answer, its content, whether the worker is worn out.

        Raises:
            ChildDiedError: there is none, and none will come.
            TimeoutError: none is there at ``deadline``.
        """
        (length,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        content = self._read(length, deadline)
        try:
            number, reply, payload, worn = pickle.loads(content)
        except Exception as error:
            raise ChildDiedError(f"the decode worker sent what cannot be read ({error})") from error
        return number, reply, payload, worn

    def copy(self, placement: Placement) -> np.ndarray:
        """Return a copy of an array that the worker has put into the shared memory.

        Raises:
            ChildDiedError: there is nothing at that place.
        """
        try:
            return self._slots.copy(placement)
        except (ValueError, TypeError) as error:
            raise ChildDiedError(f"the decode worker pointed at nothing ({error})") from error

    def _read(self, length: int, deadline: float) -> bytearray:
        content = bytearray()
        while len(content) < length:
            self._wait(self._readable, deadline)
            part = os.read(self._own.descriptors["replies"], min(length - len(content), 2**20))
            if not part:
                raise self._death()
            content += part
        return content

    def _wait(self, poll: select.poll, deadline: float) -> None:
        while not poll.poll(1000 * max(0.0, min(_LOOK_SECONDS, deadline - time.monotonic()))):
            if not self.is_usable and not poll.poll(0):
                raise self._death()
            if time.monotonic() >= deadline:
                raise TimeoutError

    def _death(self) -> ChildDiedError:
        status = None
        if self._own.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._own.process.wait(_LOOK_SECONDS)
        if status == MEMORY_EXIT:
            return ChildDiedError("the decode worker could not hold it in its memory", "out_of_memory")
        if status == FAULT_EXIT:
            trace = self._printed().strip()
            last = trace.rpartition("\n")[2]
            return ChildDiedError(f"the decode worker failed: {last}", "internal_error", trace)
        killed = status == -signal.SIGKILL
        return ChildDiedError(f"the decode worker {_manner(status)}{self._last_words()}", from_outside=killed)

    def _printed(self) -> str:
        """Return the end of what the worker has printed for this job."""
        errors = self._own.descriptors.get("errors")
        if errors is None:
            return ""
        size = os.fstat(errors).st_size
        return os.pread(errors, _TAIL_BYTES, max(0, size - _TAIL_BYTES)).decode(errors="replace")

    def _last_words(self) -> str:
        text = self._printed()
        # The report of a crash has the place first, and a long list of modules last.
        crash = text.rfind("Fatal Python error")
        words = (text[-_LAST_WORDS:] if crash < 0 else text[crash:][:_LAST_WORDS]).strip()
        return f"; its last words: {words}" if words else ""


def cannot_start(reason: str) -> WorkerStartError:
    """Return the error that says so, and the way out."""
    return WorkerStartError(
        f"no decode worker can be started with {sys.executable!r}: {reason}; isolate=False decodes in this process"
    )


def _manner(status: int | None) -> str:
    if status is None:
        return "closed its pipe"
    if status >= 0:
        return f"ended with exit status {status}"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    hint = ", as the system does where memory runs out" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"
