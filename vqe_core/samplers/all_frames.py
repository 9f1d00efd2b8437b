"""Every frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vqe_core.samplers.protocol import check_not_empty
from vqe_core.types import FrameTable


@dataclass(frozen=True)
class AllFramesSampler:
    """Every frame of the video or segment."""

    name: ClassVar[str] = "all"
    needs_differences: ClassVar[bool] = False

    def select(self, table: FrameTable) -> np.ndarray:
        """int64 (N,), increasing."""
        check_not_empty(table)
        return np.arange(len(table), dtype=np.int64)
