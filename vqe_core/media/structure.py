"""Parts of container files, found without a codec: boxes of ISO files (MP4, MOV, HEIF), elements of Matroska (WebM).

Source: ISO/IEC 14496-12; RFC 8794 (EBML) and RFC 9559 (Matroska).
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from vqe_core.types import MediaSource

_BOX_HEADER = 8


class Part(NamedTuple):
    """A box or an element.

    Attributes:
        name: four characters of a box; the id of an element as hexadecimal digits.
        start, end: bytes of the file that its content takes. ``end`` may lie beyond the end of a file that was cut.
    """

    name: str
    start: int
    end: int


Parts = Callable[[BinaryIO, int, int], Iterator[Part]]


def opened(source: MediaSource) -> BinaryIO:
    """Open a path or encoded bytes for reading."""
    return io.BytesIO(source.data) if source.data is not None else open(source.path or "", "rb")


def size_of(file: BinaryIO) -> int:
    """Return the size of an open file in bytes."""
    return file.seek(0, os.SEEK_END)


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[Part]:
    """Return the boxes from ``start`` to ``end``; ends where a size can be none.

    Args:
        file: open.
        start, end: bytes.
    """
    while start + _BOX_HEADER <= end:
        file.seek(start)
        header = file.read(2 * _BOX_HEADER)
        length, name, head = int.from_bytes(header[:4], "big"), header[4:8].decode("latin-1"), _BOX_HEADER
        if length == 1:
            length, head = int.from_bytes(header[8:16], "big"), 2 * _BOX_HEADER
        if length == 0:
            length = end - start  # the last one may run to the end of the file
        if length < head:
            return
        yield Part(name, start + head, start + length)
        start += length


def find_boxes(file: BinaryIO, path: Sequence[str], start: int, end: int) -> Iterator[Part]:
    """Return the boxes that are reached by ``path``, names of boxes one within the other."""
    return _reached(boxes, file, path, start, end)


def _reached(parts: Parts, file: BinaryIO, path: Sequence[str], start: int, end: int) -> Iterator[Part]:
    name, *rest = path
    for part in parts(file, start, end):
        if part.name == name and not rest:
            yield part
        elif part.name == name:
            yield from _reached(parts, file, rest, part.start, min(part.end, end))


def elements(file: BinaryIO, start: int, end: int) -> Iterator[Part]:
    """Return the elements from ``start`` to ``end``; ends where an id or a size can be none.

    An element of unknown size, as live recordings have, runs to ``end``.
    """
    while start < end:
        file.seek(start)
        header = file.read(12)
        width = _width(header, 0)
        size_width = _width(header, width)
        if not 1 <= width <= 4 or not size_width or width + size_width > len(header):
            return
        ones = (1 << 7 * size_width) - 1
        size = int.from_bytes(header[width : width + size_width], "big") & ones
        content = start + width + size_width
        stop = end if size == ones else content + size
        yield Part(header[:width].hex(), content, stop)
        start = stop


def find_elements(file: BinaryIO, path: Sequence[str], start: int, end: int) -> Iterator[Part]:
    """Return the elements that are reached by ``path``, ids of elements one within the other."""
    return _reached(elements, file, path, start, end)


def _width(header: bytes, place: int) -> int:
    """Return how many bytes a number of variable size at ``place`` takes, 0 for none."""
    return 9 - header[place].bit_length() if place < len(header) and header[place] else 0


def content_of(file: BinaryIO, part: Part, most: int = 4096) -> bytes:
    """Return the first bytes of a part's content, at most ``most``."""
    file.seek(part.start)
    return file.read(max(0, min(part.end - part.start, most)))
