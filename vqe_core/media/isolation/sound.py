"""Read sounds in a decode worker."""

from __future__ import annotations

import contextlib

import numpy as np

from vqe_core.media.audio_limits import AudioLimits
from vqe_core.media.isolation.worker import DecodeWorker
from vqe_core.types import AudioSamples, MediaSource


def read_isolated_sound(source: MediaSource, limits: AudioLimits, worker: DecodeWorker) -> AudioSamples:
    """What `read_audio` reads, decoded by ``worker``.

    Args:
        source: with ``path`` or ``data``.
        limits: what a sound may ask for.
        worker: the process that decodes.

    Raises:
        MediaError: those of `read_audio`, and code ``timeout``, ``worker_crash`` or ``out_of_memory``.
        WorkerStartError: there is no worker process.
    """
    waveform = np.empty((0, 0), dtype=np.float32)
    rate, start = 0, 0.0
    warnings: tuple[str, ...] = ()
    with contextlib.closing(worker.pieces("sound", source, limits)) as job:
        for remark, content in job:
            if remark is None:
                warnings = content
                continue
            first, shape, rate, start = remark
            if first == 0:
                waveform = np.empty(shape, dtype=np.float32)
            waveform.reshape(-1)[first : first + len(content)] = content
    return AudioSamples(waveform, rate, start=start, warnings=warnings)
