"""Pictures of a clip at given times."""

from __future__ import annotations

import numpy as np

from vqe_core.explain import THUMBNAIL
from vqe_core.media import as_media_source, open_video
from vqe_core.report_frames import shrunk


def frames_at(path: str, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The frames on display at ``times``, each once, as thumbnails.

    Args:
        path: of the video.
        times: float (N,), seconds, increasing.

    Returns:
        uint8 (M, H, W, 3) RGB with M <= N, and float64 (M,), when each begins, in seconds.
    """
    video = open_video(as_media_source(path))
    positions = np.unique(np.clip(np.searchsorted(video.table.timestamps, times, side="right") - 1, 0, None))
    frames = [shrunk(frame.pixels, THUMBNAIL) for frame in video.frames(positions)]
    return np.stack(frames), video.table.timestamps[positions]
