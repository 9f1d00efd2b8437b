"""Gather decoded samples piece by piece, within limits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vqe_core.errors import MediaError
from vqe_core.media.audio_limits import AudioLimits


@dataclass
class SampleBlocks:
    """Blocks of one sound in the order heard. Every block is held to the limits before it is kept.

    Attributes:
        limits: bounds on channels and length.
        sampling_rate: Hz.
        name: the sound, for messages.
        length: samples a channel so far.
    """

    limits: AudioLimits
    sampling_rate: int
    name: str
    length: int = 0
    _blocks: list[np.ndarray] = field(default_factory=list, repr=False)

    @property
    def channels(self) -> int:
        """Number of channels, 0 while there is no block."""
        return len(self._blocks[0]) if self._blocks else 0

    def add(self, block: np.ndarray) -> None:
        """Keep a block, float32 (C, T).

        Raises:
            MediaError: code ``too_long``, or ``bad_channels`` if their number changes or is out of bounds.
        """
        if block.shape[1] == 0:
            return
        self.limits.check_channels(len(block), self.name)
        if self._blocks and len(block) != self.channels:
            raise MediaError(
                f"{self.name!r} changes from {self.channels} to {len(block)} channels at "
                f"{self.length / self.sampling_rate:.3f} s; cut it there or encode it anew",
                code="bad_channels",
            )
        self.limits.check_length(self.length + block.shape[1], len(block), self.sampling_rate, self.name)
        self._blocks.append(block)
        self.length += block.shape[1]

    def add_silence(self, samples: int) -> None:
        """Keep ``samples`` zeros in every channel, checked before they are made."""
        self.limits.check_length(self.length + samples, self.channels, self.sampling_rate, self.name)
        self.add(np.zeros((self.channels, samples), dtype=np.float32))

    def join(self) -> np.ndarray:
        """All samples, float32 (C, T), contiguous. Gives the blocks up one by one, so memory is not needed twice."""
        joined = np.empty((self.channels, self.length), dtype=np.float32)
        at = 0
        self._blocks.reverse()
        while self._blocks:
            block = self._blocks.pop()
            joined[:, at : at + block.shape[1]] = block
            at += block.shape[1]
        return joined
