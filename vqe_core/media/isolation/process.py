"""The decode worker: a process that does one job after another until its parent is gone.

Fault isolation, not a sandbox: it has the parent's rights and environment, and the parent trusts its answers.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import queue
import threading
import traceback
from typing import Any, NamedTuple

import numpy as np

from vqe_core.media.isolation.jobs import Answerer
from vqe_core.media.isolation.memory_limit import MemoryLimit
from vqe_core.media.isolation.messages import FAULT_EXIT, MEMORY_EXIT, Reply, Request, read_message, write_message
from vqe_core.media.isolation.shared_memory import Credits, SlotWriter
from vqe_core.types import MediaSource


class Job(NamedTuple):
    """One request of the parent.

    Attributes:
        number: greater than those before.
        kind: a key of ``jobs.KINDS``.
        folder: the parent's working directory, from which relative paths start, or None if it has gone.
        source: None for that of the job before.
        arguments: of the function.
    """

    number: int
    kind: str
    folder: str | None
    source: MediaSource | None
    arguments: tuple[Any, ...]


def main(requests: int, replies: int, memory: int, memory_bytes: int) -> None:
    """Serve until the parent closes its end.

    Args:
        requests: descriptor of the pipe that the parent writes to.
        replies: of the one that it reads.
        memory: of the memory that both see.
        memory_bytes: how much memory decoding may take.
    """
    faulthandler.enable(all_threads=False)
    try:
        _serve(requests, replies, memory, memory_bytes)
    except MemoryError:
        os._exit(MEMORY_EXIT)
    except BaseException:
        traceback.print_exc()
        os._exit(FAULT_EXIT)


def _serve(requests: int, replies: int, memory: int, memory_bytes: int) -> None:
    limit = MemoryLimit(memory_bytes)
    inbox = _Inbox(requests)
    inbox.start()
    slots = SlotWriter(memory, inbox.credits)
    job = Job(-1, "", None, None, ())

    def send(remark: Any, array: np.ndarray) -> None:
        write_message(replies, (job.number, Reply.PIECE, (remark, slots.put(array)), False))

    answerer = Answerer(send, limit)
    write_message(replies, (job.number, Reply.READY, None, False))
    # What is there from the start need not be looked through after every job.
    gc.freeze()
    source: Any = None
    folder: str | None = None
    while True:
        job = inbox.jobs.get()
        inbox.credits.begin(job.number)
        source = job.source or source
        if job.folder not in (None, folder):
            folder = job.folder
            os.chdir(folder)
        write_message(replies, (job.number, *answerer.answer(job.kind, source, job.arguments)))
        # Decoders that are part of a cycle would keep their pictures, hundreds of megabytes, for many rows.
        gc.collect()


class _Inbox(threading.Thread):
    """Reads what the parent writes even while a file is decoded, so that its death is noticed at once."""

    def __init__(self, requests: int) -> None:
        super().__init__(daemon=True)
        self._requests = requests
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self.credits = Credits()

    def run(self) -> None:
        try:
            with os.fdopen(self._requests, "rb") as stream:
                while True:
                    self._take(*read_message(stream))
        except EOFError:
            os._exit(0)
        except MemoryError:
            os._exit(MEMORY_EXIT)
        except BaseException:
            traceback.print_exc()
            os._exit(FAULT_EXIT)

    def _take(self, request: Request, content: Any) -> None:
        if request is Request.CREDIT:
            self.credits.give(content)
        elif request is Request.CANCEL:
            self.credits.cancel(content)
        else:
            self.jobs.put(Job(*content))
