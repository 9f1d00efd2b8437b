"""Limits of one file, by how long it is: few bytes may claim a usual size, and must be many to claim a huge one."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from vqe_core.errors import MediaError
from vqe_core.media.file_checks import check_file
from vqe_core.media.limits import MediaLimits
from vqe_core.types import MediaSource

# Any file may have frames of 4K; of larger ones it must show that it has something to put there. A still video of
# 8192 x 4320 that is black all over has 336 pixels a byte in H.264.
_USUAL_PIXELS = 4096 * 2304
_PIXELS_A_BYTE = 1024

# A GIF of 43 bytes can claim any screen, which its decoder holds three times over. GIF and APNG hold less than 4K.
_USUAL_ANIMATION = 1920 * 1200
_ANIMATION_PIXELS_A_BYTE = 16
_ANIMATION_TOTAL, _ANIMATION_TOTAL_A_BYTE = 2**34, 2**15

_HEAD_BYTES = 32


def fitted_limits(source: MediaSource, limits: MediaLimits) -> MediaLimits:
    """Return what one file may claim: ``limits``, or less where it is short.

    Args:
        source: with ``path`` or ``data``.
        limits: of any file.
    """
    head, size = _head_and_size(source)
    usual, each = _USUAL_PIXELS, _PIXELS_A_BYTE
    total = limits.max_total_pixels
    if _canvas(head) is not None:
        usual, each = _USUAL_ANIMATION, _ANIMATION_PIXELS_A_BYTE
        total = min(total, _ANIMATION_TOTAL + _ANIMATION_TOTAL_A_BYTE * size)
    return replace(limits, max_pixels=min(limits.max_pixels, max(usual, each * size)), max_total_pixels=total)


def check_canvas(source: MediaSource, limits: MediaLimits) -> None:
    """Raise `MediaError` ``too_large`` if a GIF or PNG file claims more pixels than ``limits`` allow."""
    canvas = _canvas(_head_and_size(source)[0])
    if canvas is not None:
        check_size(*canvas, limits, source.name)


def check_size(width: int, height: int, limits: MediaLimits, name: str) -> None:
    """Raise `MediaError` ``too_large`` if a frame has more pixels than ``limits`` allow."""
    if width * height > limits.max_pixels:
        raise MediaError(
            f"{name!r} has frames of {width} x {height} = {width * height} pixels, more than the limit of "
            f"{limits.max_pixels} for this file (MediaLimits.max_pixels, less for short files); scale it down or "
            "raise the limit",
            code="too_large",
        )


@dataclass
class PixelCount:
    """Pixels that were decoded of one file in one pass, held to the limit of their sum."""

    limits: MediaLimits
    name: str
    total: int = 0

    def add(self, width: int, height: int) -> None:
        """Count a frame.

        Raises:
            MediaError: code ``too_large``, for the frame or for the sum.
        """
        check_size(width, height, self.limits, self.name)
        self.total += width * height
        if self.total > self.limits.max_total_pixels:
            raise MediaError(
                f"{self.name!r} has more than {self.limits.max_total_pixels} pixels in all its frames "
                "(MediaLimits.max_total_pixels, less for short animations); cut it into pieces or scale it down",
                code="too_large",
            )


def _head_and_size(source: MediaSource) -> tuple[bytes, int]:
    if source.data is not None:
        return source.data[:_HEAD_BYTES], len(source.data)
    path = source.path or ""
    check_file(path)
    try:
        with open(path, "rb") as file:
            return file.read(_HEAD_BYTES), os.fstat(file.fileno()).st_size
    except OSError:
        return b"", 0  # whoever opens it next says why


def _canvas(head: bytes) -> tuple[int, int] | None:
    """Width and height that a GIF or PNG file claims, None for any other format."""
    if head.startswith(b"GIF8") and len(head) >= 10:
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    if head.startswith(b"\x89PNG") and len(head) >= 24:
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return None
