"""Frames where the picture changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vqe_core.choices import plain_numbers
from vqe_core.errors import InputError
from vqe_core.samplers.protocol import check_not_empty, check_positive
from vqe_core.types import FrameTable


@dataclass(frozen=True)
class SceneSampler:
    """The first frame, and each frame that differs from the one before it by more than ``threshold``.

    The difference is the mean absolute difference of the grey values (0-255) of all pixels. Every frame has to
    be decoded to know it.
    """

    name: ClassVar[str] = "scene"
    needs_differences: ClassVar[bool] = True
    threshold: float = 30.0  # grey levels, 0-255

    def __post_init__(self) -> None:
        check_positive("threshold", self.threshold, "grey levels")
        plain_numbers(self)

    def select(self, table: FrameTable) -> np.ndarray:
        """int64, increasing, position 0 first.

        Raises:
            InputError: the table has no differences.
        """
        check_not_empty(table)
        if table.differences is None:
            raise InputError("scene: the frame table has no differences; use Video.with_differences() first")
        changed = np.flatnonzero(table.differences[1:] > self.threshold) + 1
        return np.concatenate([[0], changed]).astype(np.int64)
