"""Open a file or bytes with FFmpeg, safely, and turn its errors into `MediaError`."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import soundfile
from av.container import InputContainer
from av.video.stream import VideoStream

from vqe_core.errors import MediaError, MediaNotFoundError, VqeError
from vqe_core.media.budget import check_canvas, check_size
from vqe_core.media.clock import FileClock
from vqe_core.media.encryption import check_not_encrypted
from vqe_core.media.file_checks import check_file, check_head, describe_unreadable, truncation_warning
from vqe_core.media.iso_boxes import check_tables
from vqe_core.media.limits import MediaLimits
from vqe_core.media.streams import choose_streams
from vqe_core.media.structure import opened
from vqe_core.types import MediaSource

_HEAD_BYTES = 1024

# What FFmpeg, libsndfile, Pillow and the system raise on files: it is the file's fault. Any other exception is ours.
FILE_ERRORS = (av.FFmpegError, soundfile.SoundFileError, OSError)

# PyAV has errors of its own for what it finds in damaged files: an unknown codec, a stream that is not there.
_PYAV_ERRORS = (ValueError, LookupError, ArithmeticError, RuntimeError)

# Tags of a file may be in any encoding. PyAV 19 keeps such bytes as they are and no longer has the argument.
_TAGS: Any = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


@contextmanager
def media_errors(name: str) -> Iterator[None]:
    """Turn the errors of files inside the block into a `MediaError` that names the file; any other passes."""
    try:
        yield
    except VqeError:
        raise
    except MemoryError as error:
        raise MediaError(f"{name!r} needs more memory than there is", code="out_of_memory") from error
    except (*FILE_ERRORS, *_PYAV_ERRORS) as error:
        if not is_of_file(error):
            raise
        raise MediaError(f"{name!r} cannot be decoded: {type(error).__name__}: {_words(error)}") from error


def _words(error: BaseException) -> str:
    """Give an error's text without what FFmpeg logged last: it is there only where a library has turned logging on."""
    return str(error).partition("; last error log: ")[0]


def is_of_file(error: BaseException) -> bool:
    """Tell whether an exception is about the file that was read, not about the code that reads it."""
    if isinstance(error, FILE_ERRORS):
        return True
    trace = error.__traceback__
    while trace is not None:
        # Compiled modules name their source by a path from the top of the package.
        if trace.tb_frame.f_code.co_filename.startswith(("av/", "av\\")):
            return isinstance(error, _PYAV_ERRORS)
        trace = trace.tb_next
    return False


@contextmanager
def open_stream(source: MediaSource, limits: MediaLimits) -> Iterator[tuple[FileClock, VideoStream]]:
    """Open a path or encoded bytes, and choose the video stream.

    Args:
        source: with ``path`` or ``data``.
        limits: formats, protocols and pixels allowed.

    Yields:
        The clock of the file, which gives its packets, and the video stream, set to decode with one thread; see
        `choose_streams`.

    Raises:
        MediaError: any code.
    """
    with media_errors(source.name), open_container(source, limits) as container:
        stream, audio = choose_streams(container, source)
        check_not_encrypted(source, "video", stream)
        if stream is None:
            raise _no_video(container, source)
        context = stream.codec_context
        check_size(context.width, context.height, limits, source.name)
        # One thread: damaged files decode differently with more, and errors vanish. The outer max_pixels covers
        # the look that FFmpeg takes on opening, this one the decoding proper.
        context.thread_count = 1
        context.options = {"max_pixels": str(limits.max_pixels)}
        yield FileClock.of(container, [stream] if audio is None else [stream, audio]), stream


def in_seconds(ticks: int | None, base: Any) -> float | None:
    """Return seconds of ``ticks`` of ``base`` (s), None where either is not stated: PyAV 19 gives 0 for none."""
    return ticks * base.numerator / base.denominator if ticks is not None and base else None


def stated_ratio(ratio: Any) -> Fraction | None:
    """Return a ratio of a stream, for example its frame rate, or None where the file states none."""
    return Fraction(ratio.numerator, ratio.denominator) if ratio else None


def open_container(source: MediaSource, limits: MediaLimits) -> InputContainer:
    """Open the container of a source with FFmpeg, which may read that source alone, within the limits."""
    protocols = limits.protocols if source.data is None else "none"
    options = {
        "max_pixels": str(limits.max_pixels),
        "format_whitelist": limits.formats,
        "protocol_whitelist": protocols,
        "threads": "1",
    }
    if source.path is not None:
        check_file(source.path)
    else:
        check_head(_head(source), source.name)
    check_canvas(source, limits)
    check_tables(source, limits)
    try:
        return av.open(_file(source), mode="r", options=options, **_TAGS)
    except FileNotFoundError as error:
        raise MediaNotFoundError(f"the video file {source.name!r} was removed while it was opened") from error
    except (*FILE_ERRORS, *_PYAV_ERRORS) as error:
        if not is_of_file(error):
            raise
        check_not_encrypted(source, "video")
        check_not_encrypted(source, "audio")
        code, reason = describe_unreadable(_head(source))
        reason = truncation_warning(source) or reason
        words = f"{source.name!r} cannot be opened as a video: {reason} ({_words(error)})"
        raise MediaError(words, code=code) from error


def _file(source: MediaSource) -> str | io.BufferedIOBase:
    if source.data is not None:
        return io.BytesIO(source.data)
    path = os.path.abspath(source.path or "")
    try:
        path.encode()
    except UnicodeEncodeError:
        # Names that are not UTF-8 cannot be handed to FFmpeg.
        return open(path, "rb")
    # The prefix keeps FFmpeg from reading the name as another protocol.
    return "file:" + path


def _head(source: MediaSource) -> bytes:
    with opened(source) as file:
        return file.read(_HEAD_BYTES)


def _no_video(container: InputContainer, source: MediaSource) -> MediaError:
    cut_off = truncation_warning(source)
    if cut_off:
        return MediaError(f"{source.name!r} has no video that can be decoded; it is {cut_off}")
    kinds = sorted({stream.type for stream in container.streams})
    detail = f"its streams are: {', '.join(kinds)}" if kinds else "it has no streams"
    if any(stream.codec_context is None for stream in container.streams.video):
        detail = "its video codec is unknown"
    return MediaError(f"{source.name!r} has no video that can be decoded; {detail}", code="no_video_stream")


def readable_packets(clock: FileClock, stream: Any, on_damage: Callable[[], None]) -> Iterator[Any]:
    """Return the packets of a stream that have content, then None, the signal to empty the decoder.

    Args:
        clock: of an open file.
        stream: one of its streams.
        on_damage: called where the file cannot be read on; frames still inside the decoder can be had.
    """
    try:
        for packet in clock.packets():
            if packet.stream_index == stream.index:
                yield packet
    except av.FFmpegError:
        on_damage()
    yield None
