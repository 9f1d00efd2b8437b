"""What a decode worker can be asked for. Runs in the worker."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqe_core.errors import InternalError, MediaError, VqeError
from vqe_core.media.audio_limits import AudioLimits
from vqe_core.media.audio_reader import read_audio
from vqe_core.media.isolation.memory_limit import MemoryLimit
from vqe_core.media.isolation.messages import Reply
from vqe_core.media.isolation.shared_memory import Cancelled
from vqe_core.media.pyav_reader import PyAVReader
from vqe_core.types import FrameTable, MediaSource

# Statuses that a failed allocation may hide behind.
_DOUBTFUL = {"decode_error", "no_frames", "no_video_stream", "no_audio", "out_of_memory"}

# Bytes of one pixel in the deepest format, 16-bit RGBA, and of sound that is allocated at once.
_PIXEL_BYTES = 8
_SOUND_BYTES = 64 * 2**20

# Samples sent at once.
_BLOCK = 2**20

Send = Callable[[Any, np.ndarray], None]


def probe(send: Send, source: MediaSource, reader: PyAVReader) -> FrameTable:
    """The frame table."""
    return reader.probe(source)


def frames(send: Send, source: MediaSource, reader: PyAVReader, table: FrameTable, positions: np.ndarray) -> None:
    """Send (position, picture) of each frame."""
    for frame in reader.frames(source, table, positions):
        send(frame.position, frame.pixels)


def sound(send: Send, source: MediaSource, limits: AudioLimits) -> tuple[str, ...]:
    """Send (shape, rate, start) of the sound with its first samples, then the others; returns its warnings."""
    samples = read_audio(source, limits=limits)
    waveform = samples.waveform
    flat = waveform.reshape(-1)
    for first in range(0, len(flat), _BLOCK):
        send((first, waveform.shape, samples.sampling_rate, samples.start), flat[first : first + _BLOCK])
    return samples.warnings


KINDS: dict[str, Callable[..., Any]] = {"probe": probe, "frames": frames, "sound": sound}


@dataclass
class Answerer:
    """Does jobs and says how they ended.

    Attributes:
        send: takes (remark, array) to the parent.
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
        margin = _SOUND_BYTES if kind == "sound" else _PIXEL_BYTES * arguments[0].limits.max_pixels
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
    # Damage is a remark where something could be decoded; the remarks are all that a sound answers.
    return bool(payload if isinstance(payload, tuple) else getattr(payload, "warnings", ()))
