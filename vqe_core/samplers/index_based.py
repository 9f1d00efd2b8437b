"""A fixed number of frames, evenly spread, as in the EMScore paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vqe_core.options import check_count, plain_numbers
from vqe_core.samplers.base import check_not_empty
from vqe_core.types import FrameTable


@dataclass(frozen=True)
class UniformSampler:
    """``frame_num`` frames at the positions of ``linspace(0, N - 1, frame_num)``, rounded down.

    First and last frame are always among them. A video with fewer frames than ``frame_num`` repeats some, and
    ``frame_num=1`` takes the first frame: both are what the published code does.

    Source: Shi et al., "EMScore", CVPR 2022, published code, ``get_emscore``.
    """

    name: ClassVar[str] = "uniform"
    needs_differences: ClassVar[bool] = False
    frame_num: int = 10

    def __post_init__(self) -> None:
        check_count("frame_num", self.frame_num)
        plain_numbers(self)

    def select(self, table: FrameTable) -> np.ndarray:
        """Return int64 (frame_num,), not decreasing."""
        check_not_empty(table)
        return np.linspace(0, len(table) - 1, self.frame_num).astype(np.int64)


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
        """Return int64 (ceil(N / n),), increasing."""
        check_not_empty(table)
        return np.arange(0, len(table), self.every_n_frames, dtype=np.int64)


@dataclass(frozen=True)
class AllFramesSampler:
    """Every frame of the video or segment."""

    name: ClassVar[str] = "all"
    needs_differences: ClassVar[bool] = False

    def select(self, table: FrameTable) -> np.ndarray:
        """Return int64 (N,), increasing."""
        check_not_empty(table)
        return np.arange(len(table), dtype=np.int64)


@dataclass(frozen=True)
class MiddleSampler:
    """The frame at position N // 2: what one frame of a whole video is usually taken to be."""

    name: ClassVar[str] = "middle"
    needs_differences: ClassVar[bool] = False

    def select(self, table: FrameTable) -> np.ndarray:
        """Return int64 (1,)."""
        check_not_empty(table)
        return np.array([len(table) // 2], dtype=np.int64)
