"""The frames where the codec starts anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vqe_core.errors import InputError
from vqe_core.options import check_positive, plain_numbers
from vqe_core.samplers.base import check_not_empty
from vqe_core.types import FrameTable


@dataclass(frozen=True)
class AllKeyframesSampler:
    """Frames that the codec marks as keyframes. Cheap to decode; where they lie is the encoder's choice.

    For "keyframes" in the sense of a change of image use ``scene``.
    """

    name: ClassVar[str] = "all_keyframes"
    needs_differences: ClassVar[bool] = False

    def select(self, table: FrameTable) -> np.ndarray:
        """Return int64, increasing.

        Raises:
            InputError: no frame is marked, as in arrays of frames or a segment between two keyframes.
        """
        check_not_empty(table)
        positions = np.flatnonzero(table.is_keyframe).astype(np.int64)
        if len(positions) == 0:
            raise InputError(
                f"all_keyframes: none of the {len(table)} frames is a codec keyframe (frame arrays have none); "
                "use every_n_frames, uniform or scene"
            )
        return positions


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
        """Return int64, increasing, position 0 first.

        Raises:
            InputError: the table has no differences.
        """
        check_not_empty(table)
        if table.differences is None:
            raise InputError("scene: the frame table has no differences; use Video.with_differences() first")
        changed = np.flatnonzero(table.differences[1:] > self.threshold) + 1
        return np.concatenate([[0], changed]).astype(np.int64)
