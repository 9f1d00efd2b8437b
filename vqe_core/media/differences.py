"""How much each frame differs from the one before it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vqe_core.types import Frame

# ITU-R BT.601 luma, the grey of OpenCV and PIL, in 1/65536.
_GREY = np.array([19595, 38470, 7471], dtype=np.uint32)


def grey(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) RGB -> uint8 (H, W) grey, rounded."""
    # numpy 1 would keep a product of uint8 and a scalar in 16 bits, which it does not fit into.
    weighted = sum(np.multiply(pixels[..., i], _GREY[i], dtype=np.uint32) for i in range(3))
    return ((weighted + 32768) >> 16).astype(np.uint8)


def frame_differences(frames: Iterable[Frame]) -> np.ndarray:
    """Mean absolute grey difference of each frame to the one before it.

    Args:
        frames: in order; two are held at a time.

    Returns:
        float64 (N,), 0 to 255. The first is 0; a change of picture size counts as 255.
    """
    differences: list[float] = []
    previous: np.ndarray | None = None
    for frame in frames:
        current = grey(frame.pixels)
        if previous is None:
            differences.append(0.0)
        elif previous.shape != current.shape:
            differences.append(255.0)
        else:
            larger, smaller = np.maximum(previous, current), np.minimum(previous, current)
            differences.append(float((larger - smaller).mean()))
        previous = current
    return np.array(differences, dtype=np.float64)
