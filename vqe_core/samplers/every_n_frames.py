"""Every n-th frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vqe_core.choices import plain_numbers
from vqe_core.samplers.protocol import check_count, check_not_empty
from vqe_core.types import FrameTable


@dataclass(frozen=True)
class EveryNFramesSampler:
    """Frames 0, n, 2n, ... of the video or segment, whatever their times."""

    name: ClassVar[str] = "every_n_frames"
    needs_differences: ClassVar[bool] = False
    every_n_frames: int = 30

    def __post_init__(self) -> None:
        check_count("every_n_frames", self.every_n_frames)
        plain_numbers(self)

    def select(self, table: FrameTable) -> np.ndarray:
        """int64 (ceil(N / n),), increasing."""
        check_not_empty(table)
        return np.arange(0, len(table), self.every_n_frames, dtype=np.int64)
