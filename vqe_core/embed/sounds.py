"""Sounds of many rows embedded together, in which no row's numbers depend on the others."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from vqe_core.errors import VqeError, attempt
from vqe_core.timings import timed

Key = TypeVar("Key", bound=Hashable)

SECONDS_TOGETHER = 160.0  # of sound: sixteen windows of usual length keep every thread busy, and take 31 MB at 48 kHz


class SoundBatcher(Generic[Key]):
    """Gathers windows of sound of several rows and embeds them in one call, in which they run side by side.

    A row with one short window would keep one thread busy. What waits is bounded in seconds of sound, which only the
    last row exceeds. Where a call fails each row is embedded by itself, so that it costs only those that fail then.

    Args:
        embed: mono float32 (T,) waveforms to (S, D), each by itself whatever the others.
        sampling_rate: Hz, of the waveforms.
    """

    def __init__(self, embed: Callable[[list[np.ndarray]], Tensor], sampling_rate: int) -> None:
        self._embed, self._full = embed, SECONDS_TOGETHER * sampling_rate
        self._waiting: dict[Key, Sequence[np.ndarray]] = {}
        self._samples = 0  # that wait

    def add(self, key: Key, waveforms: Sequence[np.ndarray]) -> Iterator[tuple[Key, Tensor | VqeError]]:
        """Take the windows of one row, at least one; once there are enough, return what ``flush`` does."""
        self._waiting[key] = waveforms
        self._samples += sum(map(len, waveforms))
        return self.flush() if self._samples >= self._full else iter(())

    def flush(self) -> Iterator[tuple[Key, Tensor | VqeError]]:
        """Embed what waits: each row with its embeddings (S, D), or why there are none, in the order it was added."""
        waiting, self._waiting, self._samples = self._waiting, {}, 0
        if not waiting:
            return iter(())
        windows = [waveform for some in waiting.values() for waveform in some]
        rows = attempt(self._timed, windows)
        if isinstance(rows, VqeError):
            apart = len(waiting) > 1
            return iter([(key, attempt(self._timed, list(some)) if apart else rows) for key, some in waiting.items()])
        parts = torch.split(rows, [len(some) for some in waiting.values()])
        return zip(waiting, parts, strict=True)

    def _timed(self, waveforms: list[np.ndarray]) -> Tensor:
        with timed("sounds"):
            return self._embed(waveforms)
