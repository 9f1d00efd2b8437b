"""Sampling rates as headers of plain sound files state them: decoders refuse an impossible one without saying so.

Source: the WAVE, AIFF, Core Audio and AU formats.
"""

from __future__ import annotations

import struct

from vqe_core.media.structure import opened
from vqe_core.types import MediaSource

_HEAD_BYTES = 65536


def stated_rate(source: MediaSource) -> float | None:
    """Return the rate (Hz) that the header of a WAV, AIFF, CAF or AU file states, None for other files.

    Args:
        source: with ``path`` or ``data``.
    """
    with opened(source) as file:
        head = file.read(_HEAD_BYTES)
    try:
        if head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:12] == b"WAVE":
            return _in_wave(head, ">" if head.startswith(b"RIFX") else "<")
        if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
            return _in_aiff(head)
        if head.startswith(b"caff"):
            return float(struct.unpack_from(">d", head, 20)[0]) if head[8:12] == b"desc" else None
        if head.startswith(b".snd"):
            return float(struct.unpack_from(">I", head, 16)[0])
    except struct.error:  # shorter than a header
        pass
    return None


def _chunk(head: bytes, name: bytes, order: str) -> int | None:
    """Return where the content of a chunk begins."""
    place = 12
    while place + 8 <= len(head):
        if head[place : place + 4] == name:
            return place + 8
        (size,) = struct.unpack_from(f"{order}I", head, place + 4)
        place += 8 + size + size % 2
    return None


def _in_wave(head: bytes, order: str) -> float | None:
    place = _chunk(head, b"fmt ", order)
    return None if place is None else float(struct.unpack_from(f"{order}I", head, place + 4)[0])


def _in_aiff(head: bytes) -> float | None:
    place = _chunk(head, b"COMM", ">")
    if place is None:
        return None
    # A float of 80 bits: sign and exponent, then 64 bits without a hidden one.
    exponent, mantissa = struct.unpack_from(">HQ", head, place + 8)
    try:
        return float(mantissa) * 2.0 ** ((exponent & 0x7FFF) - 16383 - 63)
    except OverflowError:
        return float("inf")
