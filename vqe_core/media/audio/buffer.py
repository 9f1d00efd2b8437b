"""Gather decoded samples piece by piece, within limits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vqe_core.media.limits import AudioLimits

# Samples a channel kept in one piece: large enough for the system to take the memory back as soon as it is freed.
_PART = 1 << 18


@dataclass
class SampleBlocks:
    """Blocks of one sound in the order heard. Every block is held to the limits before it is kept.

    Attributes:
        limits: bounds on channels and length.
        channels: number of them.
        sampling_rate: Hz.
        name: the sound, for messages.
        before: seconds of the sound that are kept elsewhere, and count too.
        length: samples a channel so far.
    """

    limits: AudioLimits
    channels: int
    sampling_rate: int
    name: str
    before: float = 0.0
    length: int = 0
    _parts: list[np.ndarray] = field(default_factory=list, repr=False)

    def add(self, block: np.ndarray) -> None:
        """Keep a block, float32 (C, T).

        Raises:
            MediaError: code ``too_long``.
        """
        self._check(block.shape[1])
        while block.shape[1]:
            room = self._room(block.shape[1])
            room[:] = block[:, : room.shape[1]]
            block = block[:, room.shape[1] :]

    def add_silence(self, samples: int) -> None:
        """Keep ``samples`` zeros in every channel, checked before they are made."""
        self._check(samples)
        while samples:
            room = self._room(samples)
            room[:] = 0.0
            samples -= room.shape[1]

    def join(self) -> np.ndarray:
        """Return all samples, float32 (C, T). Gives the parts up one by one, so memory is not needed twice."""
        joined = np.empty((self.channels, self.length), dtype=np.float32)
        self._parts.reverse()
        for at in range(0, self.length, _PART):
            room = joined[:, at : at + _PART]
            room[:] = self._parts.pop()[:, : room.shape[1]]
        return joined

    def _check(self, more: int) -> None:
        length = self.length + more
        self.limits.check_length(length, self.channels, self.sampling_rate, self.name, before=self.before)

    def _room(self, samples: int) -> np.ndarray:
        """Return where the next samples go, at most so many."""
        at = self.length % _PART
        if at == 0:
            self._parts.append(np.empty((self.channels, _PART), dtype=np.float32))
        room = self._parts[-1][:, at : at + samples]
        self.length += room.shape[1]
        return room
