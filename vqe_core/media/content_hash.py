"""Tell what a source holds, whatever it is called: the key under which results may be stored."""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any, Protocol, cast

from vqe_core.errors import MediaError
from vqe_core.media.file_checks import check_file
from vqe_core.media.remote import address_stamp, at_hand
from vqe_core.types import Frames, MediaSource, shape_of


def source_identity(source: MediaSource) -> str:
    """Return a key that is equal for two sources of one call only if they hold the same images.

    Not for storing: a path is told by its file's stamp, not by its content.

    Args:
        source: any source; a missing file is told by its name.

    Returns:
        A short text with the segment and the named streams in it.
    """
    segment = f"{source.start}:{source.end}"
    if (source.video_stream, source.audio_stream) != (None, None):
        segment += f"|{source.video_stream!r}:{source.audio_stream!r}"
    if source.path is not None:
        return f"{_file_key(source.path)}|{segment}"
    if source.url is not None:
        return f"url:{source.url}|{segment}"
    if source.data is not None:
        return f"bytes:{_digest(source.data)}|{segment}"
    if source.frames is not None:
        return f"frames:{shape_of(source.frames)}:{source.fps}:{_frames_digest(source.frames)}|{segment}"
    return f"decoder:{id(source.decoder)}|{segment}"


def file_stamp(info: os.stat_result) -> str:
    """Return what no change of a file leaves as it was: the time of change cannot be set back."""
    return f"{info.st_dev}:{info.st_ino}:{info.st_size}:{info.st_mtime_ns}:{info.st_ctime_ns}"


def _file_key(path: str) -> str:
    try:
        return f"file:{file_stamp(os.stat(path))}"
    except (OSError, ValueError):
        return f"path:{path}"


def _digest(content: object) -> str:
    return hashlib.blake2b(memoryview(content), digest_size=16).hexdigest()  # type: ignore[arg-type]


def _frames_digest(frames: Frames) -> str:
    return ":".join(map(_digest, frames)) if isinstance(frames, tuple) else _digest(frames)


_BLOCK = 1 << 20
# Two changes within one tick of a file system's clock leave one stamp; the coarsest ticks are two seconds.
_SETTLED_AFTER = 2_000_000_000  # ns
# Elsewhere the third time of a file is that of its making, and a stamp can be given back to a changed file.
_HAS_CHANGE_TIME = os.name == "posix"


class KnownDigests(Protocol):
    """Digests of files by what the file system said of them when they were read."""

    def get(self, stamp: str) -> str | None: ...
    def put(self, stamp: str, digest: str) -> None: ...


def content_digest(source: MediaSource, known: KnownDigests | None = None, *, read: bool = True) -> str | None:
    """SHA-256 (hex) of what a source holds: a file's or encoded bytes, or the pixels of frames with their shape.

    Args:
        source: any source; its segment and clock take no part.
        known: of files that were read before. A file that changed less than two seconds before it is read is not
            noted there: it may change again and look the same.
        read: False: give None where a file would have to be read, or another machine to be asked. A file at an address
            is known by its ETag, or version or time with size.

    Returns:
        The digest; None for an open decoder, which has no bytes to read.

    Raises:
        MediaError: the file cannot be read; code as ``check_file``.

    Example:
        >>> content_digest(MediaSource(data=b"a")) == content_digest(MediaSource(data=b"a", start=1.0))
        True
    """
    if source.path is not None:
        check_file(source.path)
        try:
            found = None if known is None else known.get(file_stamp(os.stat(source.path)))
            return _read_digest(source.path, known) if found is None and read else found
        except OSError as error:
            raise MediaError(f"{source.path!r} cannot be read: {error.strerror or error}") from error
    if source.url is not None:
        return _address_digest(source, known) if read else None
    digest = hashlib.sha256()
    if source.data is not None:
        digest.update(source.data)
    elif source.frames is not None:
        digest.update(f"{shape_of(source.frames)}:".encode())
        for part in source.frames if isinstance(source.frames, tuple) else [source.frames]:
            digest.update(memoryview(cast("Any", part)))  # an array is a buffer, which not all stubs of numpy know
    else:
        return None
    return digest.hexdigest()


def _address_digest(source: MediaSource, known: KnownDigests | None) -> str:
    stamp = None if known is None else address_stamp(str(source.url))
    found = None if known is None or stamp is None else known.get(stamp)
    if found is not None:
        return found
    digest = hashlib.sha256(at_hand(source).data or b"").hexdigest()
    if known is not None and stamp is not None and stamp == address_stamp(str(source.url)):
        known.put(stamp, digest)
    return digest


def _read_digest(path: str, known: KnownDigests | None) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        before, now = os.fstat(file.fileno()), time.time_ns()
        while block := file.read(_BLOCK):
            digest.update(block)
        stamp = file_stamp(os.fstat(file.fileno()))
    settled = _HAS_CHANGE_TIME and max(before.st_mtime_ns, before.st_ctime_ns) < now - _SETTLED_AFTER
    if known is not None and settled and stamp == file_stamp(before):
        known.put(stamp, digest.hexdigest())
    return digest.hexdigest()
