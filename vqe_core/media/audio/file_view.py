"""A part of a file, read as if it were a file, with some bytes of it replaced."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any, BinaryIO


class FileView(io.RawIOBase):
    """Bytes ``[start, end)`` of a file, which stays open when the view is closed.

    Args:
        file: binary, open.
        start, end: of the part.
        patches: (offset from ``start``, bytes that are read there instead).

    Example:
        >>> FileView(io.BytesIO(b"one two"), 4, 7, [(0, b"T")]).read()
        b'Two'
    """

    def __init__(self, file: BinaryIO, start: int, end: int, patches: Sequence[tuple[int, bytes]] = ()) -> None:
        super().__init__()
        self._file, self._start, self._size, self._patches = file, start, max(end - start, 0), patches
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in the part."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; positions before the part are its start."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read as many bytes as there are and fit; returns their number."""
        room = memoryview(buffer).cast("B")
        wanted = min(len(room), max(self._size - self._at, 0))
        self._file.seek(self._start + self._at)
        content = self._file.read(wanted)
        room[: len(content)] = content
        for offset, patch in self._patches:
            first, last = max(offset, self._at), min(offset + len(patch), self._at + len(content))
            if first < last:
                room[first - self._at : last - self._at] = patch[first - offset : last - offset]
        self._at += len(content)
        return len(content)
