"""Tell what a source holds, whatever it is called: the key under which results may be stored."""

from __future__ import annotations

import hashlib

from vqe_core.errors import MediaError
from vqe_core.media.checks import check_file
from vqe_core.types import MediaSource

_BLOCK = 1 << 20


def content_digest(source: MediaSource) -> str | None:
    """SHA-256 (hex) of what a source holds: a file's or encoded bytes, or the pixels of frames with their shape.

    Args:
        source: any source; its segment and clock take no part.

    Returns:
        The digest; None for an open decoder, which has no bytes to read.

    Raises:
        MediaError: the file cannot be read; code as ``check_file``.

    Example:
        >>> content_digest(MediaSource(data=b"a")) == content_digest(MediaSource(data=b"a", start=1.0))
        True
    """
    digest = hashlib.sha256()
    if source.path is not None:
        check_file(source.path)
        try:
            with open(source.path, "rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        except OSError as error:
            raise MediaError(f"{source.path!r} cannot be read: {error.strerror or error}") from error
    elif source.data is not None:
        digest.update(source.data)
    elif source.frames is not None:
        digest.update(f"{source.frames.shape}:".encode())
        digest.update(memoryview(source.frames))  # type: ignore[arg-type]  # an array is a buffer
    else:
        return None
    return digest.hexdigest()
