"""Look into an uploaded clip, in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np

from vqe_core.app.settings import MAX_DECODING
from vqe_core.explain import THUMBNAIL
from vqe_core.media import Video, as_media_source, open_video, shrunk
from vqe_core.media.isolation.limits import WorkerLimits
from vqe_core.media.isolation.worker import DecodeWorker

_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def open_upload(path: str) -> Iterator[Video]:
    """The clip, decoded by a worker process that lives as long as the page.

    Raises:
        MediaError: it cannot be read.
    """
    with _ONE_AT_A_TIME:
        yield open_video(as_media_source(path), worker=_worker())


def frames_at(path: str, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The frames on display at ``times``, each once, as thumbnails.

    Args:
        path: of the video.
        times: float (N,), seconds, increasing.

    Returns:
        uint8 (M, H, W, 3) RGB with M <= N, and float64 (M,), when each begins, in seconds.

    Raises:
        MediaError: it cannot be read.
    """
    with open_upload(path) as video:
        return video.read(lambda video: _thumbnails(video, times))


def _thumbnails(video: Video, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = video.table.timestamps
    positions = np.unique(np.clip(np.searchsorted(known, times, side="right") - 1, 0, None))
    frames = [shrunk(frame.pixels, THUMBNAIL) for frame in video.frames(positions)]
    return np.stack(frames), known[positions]


@lru_cache(maxsize=1)
def _worker() -> DecodeWorker:
    return DecodeWorker(WorkerLimits(row_seconds=MAX_DECODING))
