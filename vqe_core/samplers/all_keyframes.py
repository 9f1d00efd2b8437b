"""The frames where the codec starts anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vqe_core.errors import InputError
from vqe_core.samplers.protocol import check_not_empty
from vqe_core.types import FrameTable


@dataclass(frozen=True)
class AllKeyframesSampler:
    """Frames that the codec marks as keyframes. Cheap to decode; where they lie is the encoder's choice.

    For "keyframes" in the sense of a change of picture use ``scene``.
    """

    name: ClassVar[str] = "all_keyframes"
    needs_differences: ClassVar[bool] = False

    def select(self, table: FrameTable) -> np.ndarray:
        """int64, increasing.

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
