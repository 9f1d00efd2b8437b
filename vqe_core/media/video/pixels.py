"""A decoded FFmpeg frame -> upright 8-bit RGB."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from av.video.frame import VideoFrame

from vqe_core.media.video.orientation import UPRIGHT, Orientations, Turn, display_matrix, shows_nothing, turn_of
from vqe_core.types import RowWarning

# Transparent pixels show white: what FFmpeg's GIF decoder fills in, and what a page shows behind a GIF.
_BACKGROUND = 255

_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


class UprightImages:
    """Frames of one video to pixels as a viewer shows them.

    Rotation and mirroring are applied, see ``orientation``; transparency is composited on white; more than 8 bits are
    reduced without tone mapping; interlaced lines and non-square pixels stay as they are.

    Args:
        turns: changes of orientation that the bitstream asks for; see ``FrameTable.turns``.
    """

    def __init__(self, turns: Sequence[tuple[float, tuple[int, int, int, int]]] = ()) -> None:
        self._said = Orientations(turns)
        self._rotation: float | None = None
        self._turn = UPRIGHT

    def rgb(self, frame: VideoFrame, time: float | None = None, alpha: np.ndarray | None = None) -> np.ndarray:
        """Return pixels of a decoded frame, uint8 (H, W, 3) RGB, contiguous.

        Args:
            frame: decoded.
            time: seconds, when it is shown, as ``turns`` counts.
            alpha: opacity that the decoder left out, uint8 (H, W).
        """
        # By default every frame would start, and keep, a thread for each core.
        if _has_alpha(frame):
            pixels = _composite(frame.to_ndarray(format="rgba", threads=1))
        else:
            pixels = frame.to_ndarray(format="rgb24", threads=1)
        if alpha is not None:
            pixels = on_background(pixels, alpha)
        turn = self._said.at(time) or self._turn_of(frame)
        return pixels if turn == UPRIGHT else turn.of(pixels)

    def _turn_of(self, frame: VideoFrame) -> Turn:
        # A frame whose side data was looked at is part of a cycle that only the garbage collector ends, and holds
        # megabytes till then. The rotation can be had without, so one look is enough while it stays.
        if frame.rotation != self._rotation:
            matrix = display_matrix(frame)
            self._rotation, self._turn = frame.rotation, UPRIGHT if matrix is None else turn_of(*matrix)
        return self._turn


def clockwise_rotation(frame: VideoFrame) -> int:
    """Degrees, clockwise, by which the stored image is turned for display: 0, 90, 180 or 270."""
    matrix = display_matrix(frame) if frame.rotation else None
    return 0 if matrix is None else turn_of(*matrix).degrees


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
    if _is_slanted(frame):
        text = f"rotation of {frame.rotation} degrees rounded to quarter turns"
        warnings.append(RowWarning(text, code="rotation_rounded"))
    return warnings


def _is_slanted(frame: VideoFrame) -> bool:
    # FFmpeg cuts the angle to whole degrees, so that a degree more or less may be rounding.
    if min(frame.rotation % 90, -frame.rotation % 90) <= 1:
        return False
    matrix = display_matrix(frame)
    return matrix is not None and not shows_nothing(*matrix)


def _has_alpha(frame: VideoFrame) -> bool:
    return any(component.is_alpha for component in frame.format.components) or frame.format.name == "pal8"


def _composite(rgba: np.ndarray) -> np.ndarray:
    return on_background(rgba[..., :3], rgba[..., 3])


_STRIP = 2**18  # pixels at a time: products of 16 bits take more memory than the image itself


def on_background(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return an image on white, rounded to the nearest level.

    Args:
        colours: uint8 (H, W, 3), not multiplied by the opacity.
        alpha: uint8 (H, W), 255 opaque.

    Returns:
        uint8 (H, W, 3), contiguous.
    """
    if alpha.min() == 255:
        return np.ascontiguousarray(colours)
    height, width = alpha.shape
    image = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        part = slice(top, top + rows)
        opacity = alpha[part, :, None].astype(np.uint16)
        mixed = colours[part] * opacity
        mixed += _BACKGROUND * (255 - opacity) + 127
        mixed //= 255
        image[part] = mixed
    return image
