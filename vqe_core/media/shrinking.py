"""Smaller pictures, to be looked at rather than measured."""

from __future__ import annotations

import numpy as np


def shrunk(pixels: np.ndarray, longest_side: int | None) -> np.ndarray:
    """``pixels``, uint8 (H, W, 3), with a longer side of at most ``longest_side``; None leaves them as they are."""
    from PIL import Image

    height, width = pixels.shape[:2]
    if longest_side is None or max(height, width) <= longest_side:
        return pixels
    scale = longest_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
