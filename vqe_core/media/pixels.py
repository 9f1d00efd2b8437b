"""A decoded FFmpeg frame -> upright 8-bit RGB."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame

# Transparent pixels show white: what FFmpeg's GIF decoder fills in, and what a page shows behind a GIF.
_BACKGROUND = 255

_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


def upright_rgb(frame: VideoFrame) -> np.ndarray:
    """Pixels of a frame as a viewer shows them.

    Rotation from the container is applied; transparency is composited on white; more than 8 bits are reduced
    without tone mapping; interlaced lines and non-square pixels stay as they are.

    Args:
        frame: a decoded frame.

    Returns:
        uint8 (H, W, 3) RGB, contiguous.
    """
    if _has_alpha(frame):
        pixels = _composite(frame.to_ndarray(format="rgba"))
    else:
        pixels = frame.to_ndarray(format="rgb24")
    quarter_turns = round(frame.rotation / 90) % 4
    # FFmpeg's angle and numpy's quarter turns both run counter-clockwise.
    return np.ascontiguousarray(np.rot90(pixels, quarter_turns)) if quarter_turns else pixels


def clockwise_rotation(frame: VideoFrame) -> int:
    """Degrees, clockwise, by which the stored picture is turned for display: 0, 90, 180 or 270."""
    return -90 * round(frame.rotation / 90) % 360


def picture_warnings(frame: VideoFrame) -> list[str]:
    """Remarks on what `upright_rgb` cannot keep."""
    warnings = []
    bits = max((component.bits for component in frame.format.components), default=8)
    transfer = _HDR_TRANSFERS.get(int(frame.color_trc))
    if transfer is not None:
        warnings.append(f"HDR ({transfer}, {bits} bits) reduced to 8 bits without tone mapping")
    elif bits > 8:
        warnings.append(f"{bits}-bit colour reduced to 8 bits")
    if frame.rotation % 90:
        warnings.append(f"rotation of {frame.rotation} degrees rounded to quarter turns")
    return warnings


def _has_alpha(frame: VideoFrame) -> bool:
    return any(component.is_alpha for component in frame.format.components) or frame.format.name == "pal8"


def _composite(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:].astype(np.uint16)
    if alpha.min() == 255:
        return np.ascontiguousarray(rgba[..., :3])
    mixed = rgba[..., :3] * alpha + _BACKGROUND * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)
