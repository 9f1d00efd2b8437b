"""Images of one video, whose size may change from one to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vqe_core.types import Frames


def gathered(images: Sequence[np.ndarray]) -> Frames:
    """Return images, uint8 (H, W, 3) each, as one array (N, H, W, 3), or as a tuple where their sizes differ."""
    if len({image.shape for image in images}) > 1:
        return tuple(images)
    return np.stack(images)


def of_one_size(frames: Frames) -> np.ndarray:
    """Return frames as one array, uint8 (N, H, W, 3).

    Images of another size than the first are fitted into its size, with their own proportions and black beside them.

    Args:
        frames: uint8 (N, H, W, 3), which is returned as it is, or N images (H, W, 3).

    Example:
        >>> wide, high = np.full((2, 4, 3), 200, np.uint8), np.full((6, 3, 3), 200, np.uint8)
        >>> of_one_size((wide, high)).shape, of_one_size((wide, high))[1, 0, :, 0].tolist()
        ((2, 2, 4, 3), [0, 200, 0, 0])
    """
    if isinstance(frames, np.ndarray):
        return frames
    return np.stack([_fitted(image, *frames[0].shape[:2]) for image in frames])


def _fitted(image: np.ndarray, height: int, width: int) -> np.ndarray:
    from PIL import Image

    if image.shape[:2] == (height, width):
        return image
    scale = min(height / image.shape[0], width / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    inner = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
    fitted = np.zeros((height, width, 3), np.uint8)
    fitted[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return fitted
