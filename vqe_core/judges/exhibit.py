"""What a judge is shown."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vqe_core.errors import InputError

# Models shrink pictures themselves; larger ones only cost more.
LONGEST_SIDE = 512


@dataclass(frozen=True, eq=False)
class Exhibit:
    """Pictures and sound of the same seconds. The clock starts with the sound.

    Attributes:
        frames: uint8 (N, H, W, 3) RGB, sampled from the video, the longer side at most ``LONGEST_SIDE``.
        timestamps: float64 (N,) seconds, increasing.
        waveform: float32 (T,), mono, in [-1, 1].
        sampling_rate: Hz.
    """

    frames: np.ndarray = field(repr=False)
    timestamps: np.ndarray
    waveform: np.ndarray = field(repr=False)
    sampling_rate: int

    def __post_init__(self) -> None:
        frames = self.frames
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not len(frames):
            raise InputError(f"frames must be uint8 (N, H, W, 3) RGB, N at least 1, got {frames.dtype} {frames.shape}")
        if self.timestamps.shape != (len(frames),):
            raise InputError(f"timestamps must be one a frame, got shape {self.timestamps.shape} for {len(frames)}")
        if self.waveform.dtype != np.float32 or self.waveform.ndim != 1:
            raise InputError(f"waveform must be float32 (T,), got {self.waveform.dtype} {self.waveform.shape}")

    @property
    def duration(self) -> float:
        """Seconds of sound."""
        return len(self.waveform) / self.sampling_rate
