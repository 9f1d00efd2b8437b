"""A decoded FFmpeg frame -> upright 8-bit RGB."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.video.frame import VideoFrame

from vqe_core.types import RowWarning

# Transparent pixels show white: what FFmpeg's GIF decoder fills in, and what a page shows behind a GIF.
_BACKGROUND = 255

_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


class UprightImages:
    """Frames of one video to pixels as a viewer shows them.

    Rotation and mirroring from the container are applied; transparency is composited on white; more than 8 bits
    are reduced without tone mapping; interlaced lines and non-square pixels stay as they are.
    """

    def __init__(self) -> None:
        self._rotation: float | None = None
        self._matrix: bytes | None = None

    def rgb(self, frame: VideoFrame) -> np.ndarray:
        """Return pixels of a decoded frame, uint8 (H, W, 3) RGB, contiguous."""
        # By default every frame would start, and keep, a thread for each core.
        if _has_alpha(frame):
            pixels = _composite(frame.to_ndarray(format="rgba", threads=1))
        else:
            pixels = frame.to_ndarray(format="rgb24", threads=1)
        return _turned(pixels, self._display_matrix(frame))

    def _display_matrix(self, frame: VideoFrame) -> bytes | None:
        # A frame whose side data was looked at is part of a cycle that only the garbage collector ends, and holds
        # megabytes till then. The rotation can be had without, so one look is enough while it stays.
        if frame.rotation != self._rotation:
            matrix: Any = frame.side_data.get("DISPLAYMATRIX")
            self._rotation, self._matrix = frame.rotation, None if matrix is None else bytes(matrix)
        return self._matrix


def clockwise_rotation(frame: VideoFrame) -> int:
    """Degrees, clockwise, by which the stored image is turned for display: 0, 90, 180 or 270."""
    return -90 * round(frame.rotation / 90) % 360


def image_warnings(frame: VideoFrame) -> list[RowWarning]:
    """Return warnings of what `UprightImages` cannot keep."""
    warnings = []
    bits = max((component.bits for component in frame.format.components), default=8)
    transfer = _HDR_TRANSFERS.get(int(frame.color_trc))
    if transfer is not None:
        text = f"HDR ({transfer}, {bits} bits) reduced to 8 bits without tone mapping"
        warnings.append(RowWarning(text, code="hdr_no_tonemap"))
    elif bits > 8:
        warnings.append(RowWarning(f"{bits}-bit colour reduced to 8 bits", code="reduced_bit_depth"))
    if frame.rotation % 90:
        text = f"rotation of {frame.rotation} degrees rounded to quarter turns"
        warnings.append(RowWarning(text, code="rotation_rounded"))
    return warnings


def _turned(pixels: np.ndarray, matrix: bytes | None) -> np.ndarray:
    if matrix is None:
        return pixels
    # A stored point (x, y) is shown at (a x + c y, b x + d y); there may be a mirror in it, which an angle
    # cannot say.
    a, b, _, c, d = np.frombuffer(matrix, dtype=np.int32)[:5].tolist()
    if abs(b) > abs(a):
        pixels = pixels.transpose(1, 0, 2)
        columns, rows = c, b
    else:
        columns, rows = a, d
    return np.ascontiguousarray(pixels[:: -1 if rows < 0 else 1, :: -1 if columns < 0 else 1])


def _has_alpha(frame: VideoFrame) -> bool:
    return any(component.is_alpha for component in frame.format.components) or frame.format.name == "pal8"


def _composite(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:].astype(np.uint16)
    if (alpha == 255).all():
        return np.ascontiguousarray(rgba[..., :3])
    mixed = rgba[..., :3] * alpha + _BACKGROUND * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)
