"""Put decoded blocks of a track at their times, and keep those of a segment."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vqe_core.media.audio_blocks import SampleBlocks
from vqe_core.types import AudioSamples

# Smaller differences between a block's time and the samples counted are jitter, or rounding of the container.
_GAP_SECONDS = 0.1

_JUMP_BACK = "the clock of the sound jumps back"


@dataclass
class Timeline:
    """Blocks of a track one after the other. Samples are counted from the first one, as times are often rounded.

    Attributes:
        blocks: what is kept.
        start, end: seconds, the segment; None for all.
        begin: seconds, time of the first block.
        counted: samples a channel since then, kept or not.
        last_size: samples of the last block.
        remarks: holes met.
    """

    blocks: SampleBlocks
    start: float | None = None
    end: float | None = None
    begin: float | None = None
    counted: int = 0
    last_size: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def position(self) -> float:
        """Seconds, where the next block belongs."""
        return (self.begin or 0.0) + self.counted / self.blocks.sampling_rate

    @property
    def is_full(self) -> bool:
        """True if nothing of the segment can follow."""
        return self.end is not None and self.position >= self.end

    def place(self, time: float | None, block: np.ndarray) -> None:
        """Add a block, float32 (C, T), heard at ``time`` (s), or after the one before if None.

        A hole in the track becomes silence, so that later sound stays with its pictures.
        """
        if self.begin is None:
            self.begin = time or 0.0
        elif time is not None:
            self._bridge(time - self.position)
        self.counted += block.shape[1]
        self.last_size = block.shape[1]
        if self.blocks.length or self.start is None or self.position > self.start:
            self.blocks.add(block)

    def finish(self, stated_end: float | None, padding_ends_there: bool) -> AudioSamples:
        """The samples kept.

        Args:
            stated_end: seconds, where the track ends as its header has it, or None.
            padding_ends_there: True if that is exact to a sample, so that what sticks out of the last block is
                padding of the encoder.
        """
        rate, length = self.blocks.sampling_rate, self.blocks.length
        first = self.counted - length
        if stated_end is not None:
            stated = round((stated_end - (self.begin or 0.0)) * rate)
            wanted = stated if self.end is None else min(stated, round((self.end - (self.begin or 0.0)) * rate))
            if padding_ends_there and 0 < self.counted - stated <= 2 * self.last_size:
                length = max(stated - first, 0)
            elif length < 0.95 * (wanted - first):
                self.remarks.append(f"ends early: at {self.position:.2f} of {stated_end:.2f} s")
        kept = np.ascontiguousarray(self.blocks.join()[:, :length])
        return AudioSamples(kept, rate, (self.begin or 0.0) + first / rate, tuple(self.remarks))

    def _bridge(self, missing: float) -> None:
        if missing > _GAP_SECONDS:
            samples = round(missing * self.blocks.sampling_rate)
            if self.blocks.length:
                self.remarks.append(
                    f"{missing:.2f} s of sound are missing at {self.position:.2f} s; silence is put there"
                )
                self.blocks.add_silence(samples)
            self.counted += samples
        elif missing < -_GAP_SECONDS and _JUMP_BACK not in self.remarks:
            self.remarks.append(_JUMP_BACK)
