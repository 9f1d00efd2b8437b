"""One frame from the middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vqe_core.samplers.protocol import check_not_empty
from vqe_core.types import FrameTable


@dataclass(frozen=True)
class MiddleSampler:
    """The frame at position N // 2: what one frame of a whole video is usually taken to be."""

    name: ClassVar[str] = "middle"
    needs_differences: ClassVar[bool] = False

    def select(self, table: FrameTable) -> np.ndarray:
        """int64 (1,)."""
        check_not_empty(table)
        return np.array([len(table) // 2], dtype=np.int64)
