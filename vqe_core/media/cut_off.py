"""Tell from the outer structure of a file that its end is missing, where FFmpeg does not say so."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

from vqe_core.types import MediaSource

_BOX_HEADER = 8
_GIF_TRAILER = b"\x3b"


def cut_off_remark(source: MediaSource) -> str | None:
    """What is missing at the end of an MP4, MOV or GIF file, or None if nothing seems to be.

    Args:
        source: with ``path`` or ``data``.

    Returns:
        For example ``"cut off: 5210 bytes of the part 'mdat' are missing"``.
    """
    try:
        with io.BytesIO(source.data) if source.data is not None else open(source.path or "", "rb") as file:
            head = file.read(12)
            size = file.seek(0, os.SEEK_END)
            if head[4:8] == b"ftyp":
                return _missing_boxes(file, size)
            if head.startswith(b"GIF8"):
                file.seek(max(0, size - 64))
                ended = file.read().rstrip(b"\0").endswith(_GIF_TRAILER)
                return None if ended else "cut off: the end mark of the GIF is missing"
    except OSError:
        pass
    return None


def _missing_boxes(file: BinaryIO, size: int) -> str | None:
    """Walk the parts at the top level of an ISO file (ISO/IEC 14496-12), each a size, a name and content."""
    offset, names = 0, set()
    while offset + _BOX_HEADER <= size:
        file.seek(offset)
        header = file.read(2 * _BOX_HEADER)
        length, name = int.from_bytes(header[:4], "big"), header[4:8].decode("latin-1")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:
            # The last part may run to the end of the file.
            length = size - offset
        if length < _BOX_HEADER:
            return None
        names.add(name)
        offset += length
        if offset > size:
            return f"cut off: {offset - size} bytes of the part {name!r} are missing"
    return (
        None if "moov" in names else "cut off: the index ('moov') is missing, so the upload was probably not complete"
    )
