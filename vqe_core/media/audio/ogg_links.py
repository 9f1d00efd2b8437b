"""The links of an Ogg file. A chained file has several, one after the other, as where recordings are joined.

Each is a whole stream, with a header and a clock of its own; libsndfile hears the first alone, and FFmpeg refuses a
second of another kind.

Source:
    RFC 3533, section 4 (chaining) and 6 (pages).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

_CAPTURE = b"OggS\0"  # with the version, which is 0
_HEADER = 27
_FIRST = 0x02  # flag of the first page of a stream
_BLOCK = 1 << 20

MAX_LINKS = 10_000  # an hour of links of a third of a second


def link_bounds(file: BinaryIO) -> list[int]:
    """Return where each link begins, and the end of the file: offsets in bytes.

    Args:
        file: binary, open; read to its end.
    """
    bounds: list[int] = []
    group_ends = 0  # where the first pages of a link, one for each of its streams, end
    for offset in _first_pages(file):
        if not bounds or offset != group_ends:
            bounds.append(offset)
        group_ends = _page_end(file, offset)
        if len(bounds) > MAX_LINKS:
            break
    return [*bounds, file.seek(0, os.SEEK_END)]


def is_cut_off(file: BinaryIO) -> bool:
    """Tell whether a file is Ogg, and its last page not whole."""
    file.seek(0)
    if file.read(len(_CAPTURE)) != _CAPTURE:
        return False
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - (1 << 17), 0))  # a page is smaller
    begin = file.tell()
    last = file.read().rfind(_CAPTURE)
    return last >= 0 and _page_end(file, begin + last) > size


def _first_pages(file: BinaryIO) -> Iterator[int]:
    """Return the offset of each page that begins a stream."""
    offset, kept = 0, b""
    while True:
        file.seek(offset + len(kept))
        read = file.read(_BLOCK)
        block = kept + read
        at = block.find(_CAPTURE)
        while 0 <= at < len(block) - len(_CAPTURE):
            if block[at + len(_CAPTURE)] & _FIRST:
                yield offset + at
            at = block.find(_CAPTURE, at + 1)
        if not read:
            return
        kept = block[-len(_CAPTURE) :]
        offset += len(block) - len(kept)


def _page_end(file: BinaryIO, offset: int) -> int:
    file.seek(offset)
    header = file.read(_HEADER)
    if len(header) < _HEADER:
        return offset + _HEADER
    sizes = file.read(header[-1])
    return offset + _HEADER + header[-1] + sum(sizes)
