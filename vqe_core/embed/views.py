"""Flipped copies of frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FrameViews:
    """Copies of a frame that are embedded beside it."""

    horizontal_flip: bool = False
    vertical_flip: bool = False

    @property
    def count(self) -> int:
        """The frame itself and its copies."""
        return 1 + self.horizontal_flip + self.vertical_flip

    @property
    def names(self) -> str:
        """For the signature."""
        return "+".join(n for n, on in (("horizontal", self.horizontal_flip), ("vertical", self.vertical_flip)) if on)

    def of(self, pixels: np.ndarray) -> list[np.ndarray]:
        """uint8 (..., H, W, 3) -> itself, then its copies of the same shape."""
        flipped = [(self.horizontal_flip, pixels[..., ::-1, :]), (self.vertical_flip, pixels[..., ::-1, :, :])]
        return [pixels, *[np.ascontiguousarray(copy) for wanted, copy in flipped if wanted]]
