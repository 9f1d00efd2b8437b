"""A cap on the frames held for one video, never silent."""

from __future__ import annotations

import numpy as np

from vqe_core.samplers.protocol import check_count


def cap_positions(positions: np.ndarray, max_frames: int) -> tuple[np.ndarray, str | None]:
    """Thin a selection evenly if it has more than ``max_frames`` distinct frames.

    The distinct frames kept are those at ``linspace`` over the distinct frames selected, first and last
    included; a frame that was sampled twice and is kept stays sampled twice.

    Args:
        positions: int64, not decreasing, as a sampler returns them.
        max_frames: distinct frames that may be held at once, at least 1.

    Returns:
        The positions to use, and a remark for the row, None where nothing was left out.
    """
    check_count("max_frames", max_frames)
    distinct = np.unique(positions)
    if len(distinct) <= max_frames:
        return positions, None
    kept = distinct[np.linspace(0, len(distinct) - 1, max_frames).astype(np.int64)]
    note = f"sampled {len(distinct)} frames, kept {max_frames} evenly (max_frames={max_frames})"
    return positions[np.isin(positions, kept)], note
