"""Tell cheaply that two rows of one call hold the same video."""

from __future__ import annotations

import hashlib
import os

from vqe_core.types import MediaSource


def source_identity(source: MediaSource) -> str:
    """A key that is equal for two sources of one call only if they hold the same pictures.

    Not for storing: a path is told by its file's stamp, not by its content.

    Args:
        source: any source; a missing file is told by its name.

    Returns:
        A short text with the segment in it.
    """
    segment = f"{source.start}:{source.end}"
    if source.path is not None:
        return f"{_file_key(source.path)}|{segment}"
    if source.data is not None:
        return f"bytes:{_digest(source.data)}|{segment}"
    if source.frames is not None:
        return f"frames:{source.frames.shape}:{source.fps}:{_digest(source.frames)}|{segment}"
    return f"decoder:{id(source.decoder)}|{segment}"


def file_stamp(info: os.stat_result) -> str:
    """What the file system says of a file that no change leaves as it was: the time of change cannot be set back."""
    return f"{info.st_dev}:{info.st_ino}:{info.st_size}:{info.st_mtime_ns}:{info.st_ctime_ns}"


def _file_key(path: str) -> str:
    try:
        return f"file:{file_stamp(os.stat(path))}"
    except (OSError, ValueError):
        return f"path:{path}"


def _digest(content: object) -> str:
    return hashlib.blake2b(memoryview(content), digest_size=16).hexdigest()  # type: ignore[arg-type]
