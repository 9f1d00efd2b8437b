"""Sampling rates as headers of plain sound files state them: decoders refuse an impossible one without saying so.

Source: the WAVE, AIFF, Core Audio and AU formats.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from vqe_core.media.audio.stated_sizes import chunks
from vqe_core.media.structure import opened, size_of
from vqe_core.types import MediaSource

_HEAD_BYTES = 40


def stated_rate(source: MediaSource) -> float | None:
    """Return the rate (Hz) that the header of a WAV, AIFF, CAF or AU file states, None for other files.

    Args:
        source: with ``path`` or ``data``.
    """
    with opened(source) as file:
        head = file.read(_HEAD_BYTES)
        try:
            if head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:12] == b"WAVE":
                return _in_wave(file, ">" if head.startswith(b"RIFX") else "<")
            if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
                return _in_aiff(file)
            if head.startswith(b"caff"):
                return float(struct.unpack_from(">d", head, 20)[0]) if head[8:12] == b"desc" else None
            if head.startswith(b".snd"):
                return float(struct.unpack_from(">I", head, 16)[0])
        except struct.error:  # shorter than a header
            pass
    return None


def _chunk(file: BinaryIO, wanted: bytes, order: str) -> bytes | None:
    """Return the first bytes of a chunk's content, None where there is none of that name."""
    for name, offset, _ in chunks(file, 12, size_of(file), f"{order}I"):
        if name == wanted:
            file.seek(offset)
            return file.read(18)
    return None


def _in_wave(file: BinaryIO, order: str) -> float | None:
    form = _chunk(file, b"fmt ", order)
    return None if form is None else float(struct.unpack_from(f"{order}I", form, 4)[0])


def _in_aiff(file: BinaryIO) -> float | None:
    common = _chunk(file, b"COMM", ">")
    if common is None:
        return None
    # A float of 80 bits: sign and exponent, then 64 bits without a hidden one.
    exponent, mantissa = struct.unpack_from(">HQ", common, 8)
    try:
        return float(mantissa) * 2.0 ** ((exponent & 0x7FFF) - 16383 - 63)
    except OverflowError:
        return float("inf")
