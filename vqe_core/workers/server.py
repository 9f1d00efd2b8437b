"""The decode worker: a process that does one job after another until its parent is gone.

Fault isolation, not a sandbox: it has the parent's rights and environment, and the parent trusts its answers.
"""

from __future__ import annotations

import errno
import faulthandler
import gc
import os
import queue
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vqe_core.errors import InternalError, MediaError, VqeError
from vqe_core.media.audio.reader import read_audio
from vqe_core.media.limits import DEFAULT_LIMITS, AudioLimits
from vqe_core.media.video.pyav_reader import PyAVReader
from vqe_core.types import FrameTable, MediaSource
from vqe_core.workers.limits import MemoryLimit
from vqe_core.workers.messages import FAULT_EXIT, MEMORY_EXIT, Reply, Request, read_message, write_message
from vqe_core.workers.shared_memory import Cancelled, Credits, SlotWriter

# Statuses that a failed allocation may hide behind.
_DOUBTFUL = {"decode_error", "no_frames", "no_video_stream", "no_audio", "out_of_memory"}

# Bytes of one pixel in the deepest format, 16-bit RGBA, and of sound that is allocated at once.
_PIXEL_BYTES = 8
_SOUND_BYTES = 64 * 2**20

# Samples sent at once.
_BLOCK = 2**20

Send = Callable[[Any, np.ndarray], None]


def probe(send: Send, source: MediaSource, reader: PyAVReader) -> FrameTable:
    """Return the frame table."""
    return reader.probe(source)


def frames(send: Send, source: MediaSource, reader: PyAVReader, table: FrameTable, positions: np.ndarray) -> None:
    """Send (position, image) of each frame."""
    for frame in reader.frames(source, table, positions):
        send(frame.position, frame.pixels)


def sound(
    send: Send, source: MediaSource, limits: AudioLimits, within: tuple[float | None, float | None]
) -> tuple[tuple[str, ...], tuple[float, float] | None]:
    """Send (shape, rate, start) of the sound with its first samples, then the others; returns warnings and extent."""
    samples = read_audio(source, limits=limits, within=within)
    waveform = samples.waveform
    flat = waveform.reshape(-1)
    for first in range(0, len(flat), _BLOCK):
        send((first, waveform.shape, samples.sampling_rate, samples.start), flat[first : first + _BLOCK])
    return samples.warnings, samples.extent


KINDS: dict[str, Callable[..., Any]] = {"probe": probe, "frames": frames, "sound": sound}


@dataclass
class Answerer:
    """Does jobs and says how they ended.

    Attributes:
        send: takes (warning, array) to the parent.
        memory: the limit that holds here.
    """

    send: Send
    memory: MemoryLimit

    def answer(self, kind: str, source: MediaSource, arguments: tuple[Any, ...]) -> tuple[Reply, Any, bool]:
        """Do a job.

        Returns:
            END with a value or ERROR with an error, and whether the worker should be replaced, because it ran out
            of memory, or after a peak of it can no more tell a file that is damaged from one that is too large.
        """
        margin = (
            _SOUND_BYTES
            if kind == "sound"
            else _PIXEL_BYTES * getattr(arguments[0], "limits", DEFAULT_LIMITS).max_pixels
        )
        reply, payload = self._attempt(kind, source, arguments)
        short = self.memory.was_short(margin)
        if short and _is_doubtful(payload):
            payload = self._too_large(source)
        if isinstance(payload, BaseException):
            return Reply.ERROR, payload, short or getattr(payload, "code", "") == "out_of_memory"
        return reply, payload, short

    def _attempt(self, kind: str, source: MediaSource, arguments: tuple[Any, ...]) -> tuple[Reply, Any]:
        try:
            return Reply.END, KINDS[kind](self.send, source, *arguments)
        except Cancelled:
            return Reply.END, None
        except VqeError as error:
            return Reply.ERROR, self._too_large(source) if error.code == "out_of_memory" else error
        except MemoryError:
            return Reply.ERROR, self._too_large(source)
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.ENOMEM:
                return Reply.ERROR, self._too_large(source)
            return Reply.ERROR, InternalError.of(error)

    def _too_large(self, source: MediaSource) -> MediaError:
        return MediaError(
            f"{source.name!r} needs more memory than decoding may take ({self.memory.more} bytes, "
            "WorkerLimits.memory_bytes); scale it down, give a segment (start, end) or raise the limit",
            code="out_of_memory",
        )


def _is_doubtful(payload: Any) -> bool:
    if isinstance(payload, VqeError):
        return payload.code in _DOUBTFUL
    # Damage is a warning where something could be decoded; the warnings are all that a sound answers.
    return bool(payload if isinstance(payload, tuple) else getattr(payload, "warnings", ()))


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

    def send(label: Any, array: np.ndarray) -> None:
        write_message(replies, (job.number, Reply.PIECE, (label, slots.put(array)), False))

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
        # Decoders that are part of a cycle would keep their images, hundreds of megabytes, for many rows.
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
