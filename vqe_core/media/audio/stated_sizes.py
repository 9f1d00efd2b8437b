"""The size of an uncompressed sound as its header has it, and as it is.

A recorder writes sizes when it ends; where it did not, they are 0 or a placeholder, and the sound goes on to the end of
the file. A file that is cut off states more than it holds.

Sources:
    Microsoft and IBM, Multimedia Programming Interface (RIFF); EBU Tech 3306 (RF64); Sony, Wave64; Apple, AIFF-C and
    Core Audio Format 1.0; Sun, audio(4).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_MAX_CHUNKS = 1000
_W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_W64_TAIL = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_MOST_32 = 2**32 - 2


@dataclass(frozen=True)
class StatedSize:
    """Bytes of samples, as the header has them and as they are.

    Attributes:
        stated: by the header; None: it does not know.
        there: up to the end of the file.
        patches: (offset, bytes) that make the header say what is there; none where it is right.
    """

    stated: int | None
    there: int
    patches: tuple[tuple[int, bytes], ...] = ()

    @property
    def missing(self) -> int:
        """Bytes that are stated and not there."""
        return 0 if self.stated is None else max(self.stated - self.there, 0)


def stated_size(file: BinaryIO) -> StatedSize | None:
    """Return what a WAV, RF64, W64, AIFF, AU or CAF file says of its samples; None for others.

    Args:
        file: binary, open.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(40)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return _riff(file, size, head)
    if head.startswith(_W64):
        return _w64(file, size, head)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(file, size, head)
    if head[:4] == b".snd" and len(head) >= 24:
        return _au(size, head)
    return _caf(file, size) if head[:4] == b"caff" else None


def _riff(file: BinaryIO, size: int, head: bytes) -> StatedSize | None:
    order = ">" if head[:4] == b"RIFX" else "<"
    long_sizes, block = 0, 1  # where 64-bit sizes stand, bytes of one sample of all channels
    for name, offset, stated in chunks(file, 12, size, order + "I"):
        if name == b"fmt ":
            block = max(_number(file, offset + 12, order + "H"), 1)
        elif name == b"ds64":
            long_sizes = offset
        elif name == b"data":
            there = max(size - offset, 0)
            if not long_sizes:
                outer = 8 + _number(file, 4, order + "I")
                known = _known(file, offset, stated, there, outer, order + "I")
                riff, data = (struct.pack(order + "I", min(number, _MOST_32)) for number in (size - 8, there))
                return _sized(known, there, ((4, riff), (offset - 4, data)))
            if stated >= 0xFFFFFFFF:
                stated = _number(file, long_sizes + 8, "<Q")
            known = _known(file, offset, stated, there, 8 + _number(file, long_sizes, "<Q"), "<I")
            sizes = struct.pack("<QQQ", size - 8, there, there // block)
            return _sized(known, there, ((offset - 4, b"\xff" * 4), (long_sizes, sizes)))
    return None


def _w64(file: BinaryIO, size: int, head: bytes) -> StatedSize | None:
    offset = 40
    for _ in range(_MAX_CHUNKS):
        file.seek(offset)
        header = file.read(24)
        if len(header) < 24:
            return None
        stated = struct.unpack("<Q", header[16:])[0]
        if header[:16] == b"data" + _W64_TAIL:
            there = size - offset - 24
            stated = max(stated - 24, 0)
            unknown = stated >= 2**62 or (stated == 0 and there > 0)
            patches = ((16, struct.pack("<Q", size)), (offset + 16, struct.pack("<Q", there + 24)))
            return _sized(None if unknown else stated, there, patches)
        offset += max(24, -(-stated // 8) * 8)
    return None


def _aiff(file: BinaryIO, size: int, head: bytes) -> StatedSize | None:
    for name, offset, stated in chunks(file, 12, size, ">I"):
        if name == b"SSND":
            begin = offset + 8 + _number(file, offset, ">I")
            there = max(size - begin, 0)
            outer = 8 + _number(file, 4, ">I")
            samples = stated if _is_placeholder(stated) else max(stated - (begin - offset), 0)
            known = _known(file, begin, samples, there, outer, ">I")
            form, ssnd = (struct.pack(">I", min(number, _MOST_32)) for number in (size - 8, size - offset))
            return _sized(known, there, ((4, form), (offset - 4, ssnd)))
    return None


def _au(size: int, head: bytes) -> StatedSize:
    begin, stated = struct.unpack(">II", head[4:12])
    there = max(size - begin, 0)
    unknown = (_is_placeholder(stated) and stated > there) or (stated == 0 and there > 0)
    return _sized(None if unknown else stated, there, ((8, struct.pack(">I", min(there, _MOST_32))),))


def _caf(file: BinaryIO, size: int) -> StatedSize | None:
    for name, offset, stated in chunks(file, 8, size, ">Q"):
        if name == b"data":
            begin = offset + 4  # a count of edits comes first
            there = max(size - begin, 0)
            if stated < 2**62:
                stated = max(stated - 4, 0)
            known = _known(file, begin, stated, there, 0, ">Q")
            return _sized(known, there, ((offset - 8, struct.pack(">Q", there + 4)),))
    return None


def _sized(stated: int | None, there: int, patches: tuple[tuple[int, bytes], ...]) -> StatedSize:
    right = stated is not None and stated <= there
    return StatedSize(stated, there, () if right else patches)


def _known(file: BinaryIO, begin: int, stated: int, there: int, outer: int, form: str) -> int | None:
    """Return ``stated``, or None if the file was not closed.

    Args:
        file: open.
        begin: offset of the samples.
        stated: their bytes, as the header has it.
        there: bytes up to the end of the file.
        outer: where the part ends that holds them, as the header has it.
        form: of sizes in the file, for `struct`.
    """
    if stated > there:
        return None if _is_placeholder(stated) else stated
    rest = there - stated
    closed = stated > 0 and abs(begin + stated - outer) <= 1
    if rest < 8 or closed or _is_chunk(file, begin + stated + stated % 2, form):
        return stated
    return None


def _is_placeholder(number: int) -> bool:
    """Tell whether a size is what recorders write that do not know it: near 2**31, 2**32, 2**63 or 2**64."""
    return 0x7FFF0000 <= number <= 0x8000FFFF or 0xFFFF0000 <= number <= 0xFFFFFFFF or number >= 2**62


def _is_chunk(file: BinaryIO, offset: int, form: str) -> bool:
    file.seek(0, os.SEEK_END)
    end = file.tell()
    file.seek(offset)
    name = file.read(4)
    printable = len(name) == 4 and all(32 <= byte < 127 for byte in name)
    return printable and offset + 4 + struct.calcsize(form) + _number(file, offset + 4, form) <= end + 1


def chunks(file: BinaryIO, offset: int, size: int, form: str) -> Iterator[tuple[bytes, int, int]]:
    """Return name, offset of the content and stated size of each chunk.

    Args:
        file: binary, open.
        offset: where the first one begins.
        size: of the file, bytes.
        form: of sizes, for `struct`.
    """
    width = struct.calcsize(form)
    for _ in range(_MAX_CHUNKS):
        if offset + 4 + width > size:
            return
        file.seek(offset)
        name = file.read(4)
        stated = _number(file, offset + 4, form)
        yield name, offset + 4 + width, stated
        # Core Audio pads nothing.
        offset += 4 + width + stated + (stated % 2 if width == 4 else 0)


def _number(file: BinaryIO, offset: int, form: str) -> int:
    file.seek(offset)
    content = file.read(struct.calcsize(form))
    return int(struct.unpack(form, content)[0]) if len(content) == struct.calcsize(form) else 0
