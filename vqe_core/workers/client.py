"""The parent's handle on a decode worker: one row at a time, a fresh process after every fault."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vqe_core.deadline import Deadline, RowClock
from vqe_core.errors import InternalError, MediaError, VqeError, WorkerStartError
from vqe_core.media.audio.reader import read_audio
from vqe_core.media.limits import DEFAULT_AUDIO_LIMITS, DEFAULT_LIMITS, AudioLimits, MediaLimits
from vqe_core.media.remote import at_hand
from vqe_core.media.video.nvdec_reader import NvdecReader
from vqe_core.media.video.pyav_reader import PyAVReader
from vqe_core.media.video.reader import (
    RescanningReader,
    TableMismatchError,
    VideoReader,
    checked_positions,
)
from vqe_core.media.video.video import Video, open_video
from vqe_core.registry import not_an_option, spec_of
from vqe_core.types import AudioSamples, Frame, FrameTable, MediaSource
from vqe_core.workers.limits import DEFAULT_WORKER_LIMITS, WorkerLimits
from vqe_core.workers.messages import Reply, Request
from vqe_core.workers.process import ChildDiedError, ChildProcess, cannot_start

_START_SECONDS = 60.0

# How long a cancelled job may take to end before the process is replaced.
_CANCEL_SECONDS = 1.0


# By process and interpreter: True where a worker has been ready, False where it is known that there can be none.
_CAN_START: dict[tuple[int, str | None], bool] = {}
_ASKING = threading.Lock()


class TakenOverError(Exception):
    """The worker has been given another job, or is another process since; the rest of this job is to be asked anew."""


class _KilledError(MediaError):
    """The process was ended from outside."""


class DecodeWorker:
    """A process that decodes, so that a file that crashes, hangs or hogs FFmpeg costs one row and not the run.

    A job whose process is killed from outside is begun once more in a new one: a person, a scheduler or the kernel of a
    machine without memory ended it, and not the file.

    The process is started when first needed, again after it died, and anew in a forked process. Pickled, it is its
    limits. One thread at a time may use it; several workers may be used from several threads. It isolates faults and is
    no sandbox: the process has all rights and the environment of this one.

    Attributes:
        limits: what a row may cost.
        needed: False: where there can be no worker process, ``is_there`` says so and does not raise.
        deadline: of the request that it works for, or None.

    Args:
        limits: see above.

    Example:
        >>> with DecodeWorker(WorkerLimits(row_seconds=30)) as worker:
        ...     worker.starts
        0
    """

    def __init__(self, limits: WorkerLimits = DEFAULT_WORKER_LIMITS) -> None:
        self.limits, self.needed = limits, True
        self.deadline: Deadline | None = None
        self.starts = 0  # processes so far
        self._child: ChildProcess | None = None
        self._ready = False
        self._numbers = itertools.count()
        self._job: int | None = None  # the one that is under way
        self._leftover: int | None = None  # one that was cancelled, whose end has not been read
        self._held: weakref.ref[MediaSource] | None = None  # the source that the process has
        self._row: weakref.ref[MediaSource] | None = None
        self._clock = RowClock()
        self._given_clock: RowClock | None = None  # inside ``row``

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.limits,)

    def __enter__(self) -> DecodeWorker:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the worker, or None while there is none."""
        return self._child.pid if self._child is not None and self._child.is_usable else None

    def start(self) -> None:
        """Start the process without waiting for it, unless it is running.

        Raises:
            WorkerStartError: there can be none.
        """
        if self.pid is not None:
            return
        self.close()
        self._child = ChildProcess(self.limits.memory_bytes)
        self.starts += 1

    def close(self) -> None:
        """End the process. Used again, the worker starts another."""
        child, self._child = self._child, None
        self._ready, self._job, self._leftover, self._held, self._row = False, None, None, None, None
        if child is not None:
            child.close()

    def is_there(self) -> bool:
        """Tell whether there is a process to decode with, which is started; False only where none is ``needed``.

        Raises:
            WorkerStartError: one has run here before, and now there can be none.
        """
        if self.needed or self.pid is not None:
            return True
        key = os.getpid(), sys.executable
        with _ASKING:
            if key not in _CAN_START:
                try:
                    self._usable_child()
                    _CAN_START[key] = True
                except WorkerStartError as error:
                    _CAN_START[key] = False
                    warnings.warn(f"files are decoded in this process: {error}", RuntimeWarning, stacklevel=2)
            return _CAN_START[key]

    @contextlib.contextmanager
    def row(self, clock: RowClock | None = None) -> Iterator[None]:
        """Count all that is asked in the block as one row, whatever files it is about.

        Args:
            clock: of the row. Default: a new one. Outside of such a block each source is a row of its own.
        """
        before, self._given_clock = self._given_clock, clock or RowClock()
        try:
            yield
        finally:
            self._given_clock = before

    def value(self, kind: str, source: MediaSource, *arguments: Any) -> Any:
        """Have a job done that answers with one value. The clock of the row runs on afterwards.

        Args:
            kind: a name of the module ``jobs``.
            source: with ``path`` or ``data``.
            arguments: of the job.

        Raises:
            MediaError: code ``timeout``, ``worker_crash`` or ``out_of_memory``, or what the job raised.
            WorkerStartError: there is no process to do it.
        """
        for tries in range(2):
            try:
                with self._faults(source):
                    number = self._begin(kind, source, arguments)
                    return self._next(number)[1]
            except _KilledError as error:
                self._once_more(error, source, last=tries == 1)
        raise AssertionError("the second time the error leaves")

    def pieces(self, kind: str, source: MediaSource, *arguments: Any) -> Generator[tuple[Any, Any], None, None]:
        """Have a job done that answers with arrays, a few of which are made ahead.

        Args: see `value`.
        Yields:
            (warning, array) of each array, then (None, value).

        Raises:
            TakenOverError: another job was begun since the last array.
            MediaError, WorkerStartError: see `value`.
        """
        given = 0
        for tries in range(2):
            # No context manager made of a generator may be open at the yield: on Python 3.10 the exception that closes
            # this generator would then hold its own frame, and with it the worker, until garbage is collected.
            try:
                with contextlib.closing(self._pieces(kind, source, arguments)) as pieces:
                    for count, piece in enumerate(pieces):
                        if count == given:  # those before came from the process that was killed
                            given += 1
                            yield piece
                    return
            except _KilledError as error:
                self._once_more(error, source, last=tries == 1)

    def _once_more(self, error: _KilledError, source: MediaSource, *, last: bool) -> None:
        """Pass over the end of a process that was killed; ``last``: raise it as an error of the row."""
        if last:
            raise MediaError(str(error), code=error.code) from error
        self._row = weakref.ref(source)  # the second time is on the clock of the first

    def _pieces(self, kind: str, source: MediaSource, arguments: tuple[Any, ...]) -> Generator[Any, None, None]:
        with self._faults(source):
            number = self._begin(kind, source, arguments)
        try:
            while True:
                with self._faults(source):
                    reply, payload = self._next(number)
                if reply is Reply.END:
                    self._row = None
                    yield None, payload
                    return
                yield payload
        finally:
            # Not wanted any more, if the job is still open.
            if self._job == number:
                self._row = None
                self._cancel()

    @contextlib.contextmanager
    def _faults(self, source: MediaSource) -> Iterator[None]:
        """Turn faults of the process into errors of the row, and never leave a conversation half-way."""
        try:
            yield
        except (VqeError, TakenOverError):
            raise
        except TimeoutError as error:
            self.close()
            raise self._too_late(source) from error
        except ChildDiedError as error:
            self.close()
            if error.code == InternalError.code:
                raise InternalError.told(str(error), error.trace) from error
            kind = _KilledError if error.from_outside else MediaError
            raise kind(f"{source.name!r} cannot be decoded: {error}", code=error.code) from error
        except BaseException:
            self.close()
            raise

    def _too_late(self, source: MediaSource) -> MediaError:
        if self.deadline is not None and self.deadline.left <= 0:
            return self.deadline.error(f"reading {source.name!r}")
        return MediaError(
            f"{source.name!r}: its row kept the decode worker for more than {self.limits.row_seconds:g} s; "
            "raise row_timeout if it is worth that much",
            code="timeout",
        )

    def _begin(self, kind: str, source: MediaSource, arguments: tuple[Any, ...]) -> int:
        self._take_clock(source)
        if self._seconds_left() <= 0:
            raise self._too_late(source)
        child = self._usable_child()
        child.forget_errors()
        known = self._held is not None and self._held() is source
        self._held = weakref.ref(source)
        number = next(self._numbers)
        self._job = number
        job = (number, kind, _working_directory(), None if known else source, arguments)
        with self._timed() as deadline:
            child.send((Request.JOB, job), deadline)
        return number

    def _take_clock(self, source: MediaSource) -> None:
        shared = None if self.deadline is None else self.deadline.clock
        if shared is not None or self._given_clock is not None:
            self._clock = shared or self._given_clock or self._clock
        elif self._row is None or self._row() is not source:
            self._row, self._clock = weakref.ref(source), RowClock()

    def _usable_child(self) -> ChildProcess:
        """Return the process, started and without a job."""
        self._cancel()
        if self._leftover is not None:
            self._await_end(self._leftover)
        for tries in range(2):
            self.start()
            child = self._child
            if child is None:
                raise cannot_start("it was closed meanwhile")
            if self._ready or self._becomes_ready(child, last=tries == 1):
                return child
        raise AssertionError("the second time the error leaves")

    def _becomes_ready(self, child: ChildProcess, *, last: bool) -> bool:
        """Wait until the process is; False where it was killed from outside, and another may try."""
        try:
            child.receive(time.monotonic() + _START_SECONDS)
        except (ChildDiedError, TimeoutError) as error:
            self.close()
            if not last and isinstance(error, ChildDiedError) and error.from_outside:
                return False
            raise cannot_start(str(error) or f"it is not ready after {_START_SECONDS:g} s") from error
        self._ready = True
        _CAN_START[os.getpid(), sys.executable] = True
        return True

    def _cancel(self) -> None:
        """Tell the process that the job under way is not wanted."""
        number, self._job = self._job, None
        child = self._child
        if number is None or child is None or not child.is_usable:
            return
        self._leftover = number
        try:
            child.send((Request.CANCEL, number), time.monotonic() + _CANCEL_SECONDS)
        except (ChildDiedError, TimeoutError):
            self.close()

    def _await_end(self, job: int) -> None:
        """Read up to the end of a cancelled job; a process that does not come to it is ended."""
        deadline = time.monotonic() + _CANCEL_SECONDS
        reply, number, worn = Reply.PIECE, -1, False
        try:
            while self._child is not None and (number != job or reply is Reply.PIECE):
                number, reply, _, worn = self._child.receive(deadline)
        except (ChildDiedError, TimeoutError):
            worn = True
        self._leftover = None
        if worn:
            self.close()

    def _next(self, number: int) -> tuple[Reply, Any]:
        """Return the next answer to a job; errors are raised."""
        child = self._child
        if self._job != number or child is None or not child.is_own:
            raise TakenOverError
        with self._timed() as deadline:
            _, reply, payload, worn = child.receive(deadline)
            if reply is Reply.PIECE:
                label, placement = payload
                payload = label, child.copy(placement)
                child.send((Request.CREDIT, number), deadline)
                return reply, payload
        self._job = None
        if worn:
            row = self._row
            self.close()
            self._row = row
        if reply is Reply.ERROR:
            if not isinstance(payload, TableMismatchError):
                self._row = None
            raise payload
        return reply, payload

    def _seconds_left(self) -> float:
        of_row = max(0.0, self.limits.row_seconds - self._clock.spent)
        return of_row if self.deadline is None else min(of_row, self.deadline.left)

    @contextlib.contextmanager
    def _timed(self) -> Iterator[float]:
        """Count the seconds of the block as waiting for the row; gives the time at which there are no more."""
        begun, clock = time.monotonic(), self._clock
        try:
            yield begun + self._seconds_left()
        finally:
            clock.spent += time.monotonic() - begun


def one_row(worker: DecodeWorker | None, clock: RowClock | None = None) -> contextlib.AbstractContextManager[None]:
    """Count all that is asked of a worker in the block as one row; see `DecodeWorker.row`. None: nothing counts."""
    return contextlib.nullcontext() if worker is None else worker.row(clock)


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


@dataclass(frozen=True)
class IsolatedReader:
    """A reader at work in another process. Tables and pixels are the same, so name, options and version are too.

    Attributes:
        worker: the process. Videos may share one, also in turns, but are quicker one after another.
        reader: what decodes there.
    """

    worker: DecodeWorker = not_an_option(factory=DecodeWorker)
    reader: VideoReader = not_an_option(factory=PyAVReader)

    @property
    def name(self) -> str:
        """Name of the reader, with the options that are not at their default."""
        return spec_of(self.reader)

    @property
    def mismatch(self) -> str:
        """See `RescanningReader`."""
        return str(getattr(self.reader, "mismatch", PyAVReader.mismatch))

    @property
    def version(self) -> str:
        """Versions of what decodes."""
        return self.reader.version

    def probe(self, source: MediaSource) -> FrameTable:
        """See `PyAVReader.probe`.

        Raises:
            MediaError: also with code ``timeout``, ``worker_crash`` or ``out_of_memory``.
            WorkerStartError: there is no worker process.
        """
        table: FrameTable = self.worker.value("probe", source, self.reader)
        return table

    def frames(self, source: MediaSource, table: FrameTable, positions: np.ndarray) -> Iterator[Frame]:
        """See `PyAVReader.frames`. A few frames are decoded ahead; each is the caller's own.

        Raises:
            TableMismatchError: a frame of the table cannot be decoded, or is damaged.
            MediaError: also with code ``timeout``, ``worker_crash`` or ``out_of_memory``.
            WorkerStartError: there is no worker process.
        """
        wanted = checked_positions(positions, table)
        while len(wanted):
            job = self.worker.pieces("frames", source, self.reader, table, wanted)
            with contextlib.suppress(TakenOverError), contextlib.closing(job):
                for position, pixels in job:
                    if position is None:
                        return
                    wanted = wanted[1:]
                    yield Frame(position, pixels)

    def decoding_all(self) -> IsolatedReader:
        """See `PyAVReader.decoding_all`; a reader that cannot do so stays as it is."""
        if not isinstance(self.reader, RescanningReader):
            return self
        return replace(self, reader=self.reader.decoding_all())


def open_video_in(
    worker: DecodeWorker | None,
    source: MediaSource,
    limits: MediaLimits = DEFAULT_LIMITS,
    *,
    reader: VideoReader | None = None,
) -> Video:
    """Open a video whose paths and bytes a worker decodes; None: this process does. See `open_video`.

    A reader that keeps a decoder open, as that of the GPU, keeps it in this process; what it leaves to another
    reader is decoded by the worker.

    Raises:
        MediaError: also with code ``timeout``, ``worker_crash`` or ``out_of_memory``.
        WorkerStartError: there is no worker process.
    """
    source = at_hand(source)
    if worker is None or not _has_file(source) or not worker.is_there():
        return open_video(source, limits, reader=reader)
    inner = PyAVReader(limits=limits) if reader is None else reader
    if isinstance(inner, NvdecReader):  # its decoder is open in this process, what the GPU leaves is read in the other
        return open_video(source, limits, reader=replace(inner, files=IsolatedReader(worker, inner.files)))
    return open_video(source, limits, reader=IsolatedReader(worker, inner))


def _has_file(source: MediaSource) -> bool:
    return source.path is not None or source.data is not None


def read_audio_in(
    worker: DecodeWorker | None,
    source: MediaSource | AudioSamples,
    *,
    limits: AudioLimits = DEFAULT_AUDIO_LIMITS,
    within: tuple[float | None, float | None] = (None, None),
) -> AudioSamples:
    """Read audio whose paths and bytes a worker decodes; None: this process does. See `read_audio`.

    Raises:
        MediaError: those of `read_audio`, and code ``timeout``, ``worker_crash`` or ``out_of_memory``.
        WorkerStartError: there is no worker process.
    """
    source = at_hand(source) if isinstance(source, MediaSource) else source
    if worker is None or not isinstance(source, MediaSource) or not _has_file(source) or not worker.is_there():
        return read_audio(source, limits=limits, within=within)
    waveform = np.empty((0, 0), dtype=np.float32)
    rate, start = 0, 0.0
    warnings: tuple[str, ...] = ()
    extent: tuple[float, float] | None = None
    with contextlib.closing(worker.pieces("sound", source, limits, within)) as job:
        for label, content in job:
            if label is None:
                warnings, extent = content
                continue
            first, shape, rate, start = label
            if first == 0:
                waveform = np.empty(shape, dtype=np.float32)
            waveform.reshape(-1)[first : first + len(content)] = content
    return AudioSamples(waveform, rate, start=start, warnings=warnings, extent=extent)
