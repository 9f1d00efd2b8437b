"""Worker processes of this machine; or none, and this process scores one part after the other."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Queue
from typing import Any, ClassVar, Literal

import torch

from vqe_core import errors
from vqe_core.embed.texts import TextMemory, remembering_texts
from vqe_core.encoders.backends.linear import share_choices
from vqe_core.errors import InputError, VqeError, WorkerEndedError
from vqe_core.run.folder import Manifest, RunFolder
from vqe_core.run.parts import retry_part, score_part, survey_part

Task = Literal["score", "retry", "survey"]
_TASKS = {"score": score_part, "retry": retry_part, "survey": survey_part}
TRIES = 3  # of a part whose worker ends: another file or the system may have been the cause


@dataclass(frozen=True)
class LocalEngine:
    """Worker processes of this machine, each with a model and a share of the threads; one worker is this process."""

    name: ClassVar[str] = "local"

    workers: int = 1
    address: str | None = None

    def __post_init__(self) -> None:
        if self.address is not None:
            raise InputError(f"engine 'local' takes no address, got {self.address!r}; use engine='ray'")

    def run(
        self, folder: RunFolder, scorer: Any, numbers: Sequence[int], task: Task = "score"
    ) -> Iterator[dict[str, Any]]:
        """Score parts; see ``Engine.run``."""
        manifest = folder.manifest()
        if min(self.workers, len(numbers)) > 1:
            yield from _Pool(folder, scorer, task, manifest.threads).run(list(numbers), self.workers)
            return
        with computing_as(folder, manifest):
            for number in numbers:
                yield do_part(folder, manifest, scorer, number, task)


def do_part(folder: RunFolder, manifest: Manifest, scorer: Any, number: int, task: Task) -> dict[str, Any]:
    """Do with a part what the task says."""
    return _TASKS[task](folder, manifest, scorer, number)


@contextmanager
def computing_as(folder: RunFolder, manifest: Manifest, texts: TextMemory | None = None) -> Iterator[None]:
    """Compute as the run began: with as many threads, and with the kernels that its first worker chose.

    Texts that several parts have in common are embedded once: those of ``texts``, or of this context.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(manifest.threads)
    share_choices(folder.kernels)
    try:
        with remembering_texts(texts or TextMemory()):
            yield
    finally:
        share_choices(None)
        torch.set_num_threads(before)


class _Worker:
    """One worker process; it ends when its standard input does, so with this process however that ends."""

    def __init__(self, folder: RunFolder, scorer: Any, task: Task, threads: int, answers: Queue[Any]) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vqe_core.run.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is the driver's, who ends its workers
        )
        self._send({"folder": str(folder.path), "scorer": b64encode(pickle.dumps(scorer)).decode(), "task": task})
        self.part: int | None = None
        threading.Thread(target=self._listen, args=(answers,), daemon=True).start()

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ValueError):  # it ended: the listener tells
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _listen(self, answers: Queue[Any]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answers.put((self, json.loads(line)))
        answers.put((self, {"ended": self._process.wait()}))

    def give(self, part: int) -> None:
        """Have a part scored."""
        self.part = part
        self._send({"part": part})

    def close(self) -> None:
        """Let the process end when it has nothing to do."""
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):
            self._process.stdin.close()

    def end(self) -> None:
        """End it now."""
        self.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        self._process.kill()
        self._process.wait()


@dataclass
class _Pool:
    folder: RunFolder
    scorer: Any
    task: Task
    threads: int
    tries: dict[int, int] = field(default_factory=dict)

    def run(self, numbers: list[int], workers: int) -> Iterator[dict[str, Any]]:
        waiting, answers = numbers[::-1], Queue[Any]()
        running: list[_Worker] = []
        try:
            for _ in range(min(workers, len(numbers))):
                running.append(self._start(answers, waiting))
            while running:
                worker, answer = answers.get()
                if "ended" in answer:
                    running.remove(worker)
                    if worker.part is not None:
                        self._again(worker.part, answer["ended"], waiting)
                        running.append(self._start(answers, waiting))
                    continue
                if "error" in answer:
                    raise rebuilt(answer["error"])
                worker.part = None
                yield answer
                self._next(worker, waiting)
        finally:
            for worker in running:
                worker.close()
            for worker in running:
                worker.end()

    def _start(self, answers: Queue[Any], waiting: list[int]) -> _Worker:
        worker = _Worker(self.folder, self.scorer, self.task, self.threads, answers)
        self._next(worker, waiting)
        return worker

    def _next(self, worker: _Worker, waiting: list[int]) -> None:
        if waiting:
            worker.give(waiting.pop())
        else:
            worker.close()

    def _again(self, number: int, status: int, waiting: list[int]) -> None:
        self.tries[number] = self.tries.get(number, 0) + 1
        if self.tries[number] >= TRIES:
            part = self.folder.manifest().parts[number]
            raise WorkerEndedError(
                f"the worker of rows {part.start} to {part.stop - 1} ended {TRIES} times (status {status}); is there "
                "memory for so many workers? Finished parts are kept"
            )
        waiting.append(number)


def told_error(error: VqeError) -> dict[str, Any]:
    """Return an error as it crosses to the driver: kind, words and code, and the trace of an internal one."""
    return {"kind": type(error).__name__, "text": str(error), "code": error.code, "trace": getattr(error, "trace", "")}


def rebuilt(told: dict[str, Any]) -> VqeError:
    """Return the error that ``told_error`` told of."""
    kind = getattr(errors, told["kind"], VqeError)
    error: VqeError = kind(told["text"], code=told["code"])
    if told["trace"]:
        error.trace = told["trace"]  # type: ignore[attr-defined]
    return error


def usable_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_for(workers: int) -> int:
    """Return the threads of each of so many workers; of one, those that torch has."""
    return torch.get_num_threads() if workers == 1 else max(1, usable_cores() // workers)
