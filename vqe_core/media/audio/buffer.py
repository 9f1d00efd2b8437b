"""Gather decoded samples piece by piece, within limits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vqe_core.errors import MediaError
from vqe_core.media.limits import AudioLimits

# Samples a channel kept in one piece: large enough for the system to take the memory back as soon as it is freed.
_PART = 1 << 18


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
    _parts: list[np.ndarray] = field(default_factory=list, repr=False)

    @property
    def channels(self) -> int:
        """Number of channels, 0 while there is no block."""
        return len(self._parts[0]) if self._parts else 0

    def add(self, block: np.ndarray) -> None:
        """Keep a block, float32 (C, T).

        Raises:
            MediaError: code ``too_long``, or ``bad_channels`` if their number changes or is out of bounds.
        """
        if block.shape[1] == 0:
            return
        self.limits.check_channels(len(block), self.name)
        if self._parts and len(block) != self.channels:
            raise MediaError(
                f"{self.name!r} changes from {self.channels} to {len(block)} channels at "
                f"{self.length / self.sampling_rate:.3f} s; cut it there or encode it anew",
                code="bad_channels",
            )
        self.limits.check_length(self.length + block.shape[1], len(block), self.sampling_rate, self.name)
        while block.shape[1]:
            at = self.length % _PART
            if at == 0:
                self._parts.append(np.empty((len(block), _PART), dtype=np.float32))
            fitting = block[:, : _PART - at]
            self._parts[-1][:, at : at + fitting.shape[1]] = fitting
            self.length += fitting.shape[1]
            block = block[:, fitting.shape[1] :]

    def add_silence(self, samples: int) -> None:
        """Keep ``samples`` zeros in every channel, checked before they are made."""
        self.limits.check_length(self.length + samples, self.channels, self.sampling_rate, self.name)
        self.add(np.zeros((self.channels, samples), dtype=np.float32))

    def join(self) -> np.ndarray:
        """Return all samples, float32 (C, T). Gives the parts up one by one, so memory is not needed twice."""
        joined = np.empty((self.channels, self.length), dtype=np.float32)
        self._parts.reverse()
        for at in range(0, self.length, _PART):
            room = joined[:, at : at + _PART]
            room[:] = self._parts.pop()[:, : room.shape[1]]
        return joined
