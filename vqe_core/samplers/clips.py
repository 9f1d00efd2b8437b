"""Clips: runs of sampled frames that a model embeds together."""

from __future__ import annotations

import numpy as np

from vqe_core.errors import InputError


def clip_positions(count: int, frames: int, *, any_length: bool = False) -> np.ndarray:
    """Cut sampled frames into clips of equally many.

    No more frames than a clip has are one clip, spread over it, so that some come twice. More are cut into clips of
    neighbours; the last clip ends with the last frame, and may share frames with the one before it.

    Args:
        count: sampled frames, at least 1.
        frames: of a clip, at least 1.
        any_length: whether a clip may have any number of frames: then all are one clip.

    Returns:
        int64 (C, frames), or (1, count) with ``any_length``: positions among the sampled frames, each row not
        decreasing; every frame is in a clip.

    Raises:
        InputError: no frame.

    Example:
        >>> clip_positions(2, 4).tolist(), clip_positions(7, 3).tolist()
        ([[0, 0, 0, 1]], [[0, 1, 2], [3, 4, 5], [4, 5, 6]])
    """
    if count < 1 or frames < 1:
        raise InputError(f"count ({count}) and frames ({frames}) must be at least 1")
    if any_length:
        return np.arange(count)[None]
    if count <= frames:
        spread: np.ndarray = np.linspace(0, count - 1, frames).astype(np.int64)
        return spread[None]
    starts = np.minimum(np.arange(0, count, frames), count - frames)
    clips: np.ndarray = starts[:, None] + np.arange(frames)
    return clips
