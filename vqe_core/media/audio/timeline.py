"""Decoded blocks of a sound, one after the other in time, and of them what lies within a span."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from vqe_core.media.audio.buffer import SampleBlocks
from vqe_core.media.audio.signal import resample, sample_at, time_of, to_mono
from vqe_core.media.limits import AudioLimits
from vqe_core.types import AudioSamples, RowWarning

# Smaller differences between a block's time and the samples counted are jitter, or rounding of the container.
_GAP_SECONDS = 0.1

# A sound that ends earlier than its header says by less than this share is as good as whole.
_WHOLE = 0.95


@dataclass
class Timeline:
    """Blocks of a sound in the order heard. Samples are counted from the first one, as times are often rounded.

    A gap becomes silence, so that later sound stays with its images. Where channels or rate change midway, every part
    is made mono and brought to the rate of the first.

    Attributes:
        limits: bounds on rate, channels and length, of what is kept.
        name: the sound, for messages.
        start, end: seconds, what is kept; None for all.
        begin: seconds, when sample 0 of the present part is heard.
        rate, channels: of the present part, 0 before there is one.
        counted: samples a channel of the present part so far, kept or not.
        last_size: samples of the last block.
        counts: how often something was met that a row should know, by code of the warning.
    """

    limits: AudioLimits
    name: str
    start: float | None = None
    end: float | None = None
    begin: float | None = None
    rate: int = 0
    channels: int = 0
    counted: int = 0
    last_size: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    _blocks: SampleBlocks | None = None
    _first: int = 0  # number of the first sample kept of the present part
    _earlier: list[AudioSamples] = field(default_factory=list, repr=False)
    _silence: float = 0.0  # seconds, of all gaps
    _first_gap: float = 0.0

    @property
    def position(self) -> float:
        """Seconds, where the next block belongs."""
        return (self.begin or 0.0) + (self.counted / self.rate if self.rate else 0.0)

    @property
    def is_full(self) -> bool:
        """True if nothing that is wanted can follow."""
        return self.end is not None and self.begin is not None and self.position >= self.end

    @property
    def is_wanted(self) -> bool:
        """True if the next block is, at least in part, within the span."""
        return not self.is_full and (self.start is None or self.position >= self.start)

    @property
    def kept(self) -> float:
        """Seconds kept so far."""
        here = self._blocks.length / self._blocks.sampling_rate if self._blocks is not None else 0.0
        return here + sum(part.duration for part in self._earlier)

    def begin_at(self, time: float, rate: int) -> None:
        """Say when (s) the next sample is heard, of a part at ``rate`` (Hz)."""
        self.begin, self.rate, self.counted = time, rate, 0

    def pass_over(self, samples: int, rate: int) -> None:
        """Count samples, at ``rate`` (Hz), that come before the span and are not decoded."""
        if self.begin is None or (samples and rate != self.rate):
            self.begin_at(self.position, rate)
        self.counted += samples

    def place(self, time: float | None, block: np.ndarray, rate: int, *, paused: bool = False) -> None:
        """Add a block.

        Args:
            time: seconds, when it is heard; None: after the block before.
            block: float32 (C, T).
            rate: Hz.
            paused: a gap before it was made by the encoder, which leaves silence out.

        Raises:
            MediaError: code ``bad_sample_rate``, ``bad_channels`` or ``too_long``.
        """
        if self.begin is None:
            self.begin_at(time or 0.0, rate)
        elif time is not None:
            self._bridge(time - self.position, paused)
        if (rate, len(block)) != (self.rate, self.channels):
            self._change(rate, len(block))
        low, high = self._wanted(block.shape[1])
        self.last_size = block.shape[1]
        if high > low:
            self._keep(low).add(block[:, low:high])
        self.counted += block.shape[1]

    def finish(self, stated_end: float | None = None, *, exact: bool = False) -> AudioSamples:
        """Return the samples kept, float32 (C, T), maybe none, with warnings.

        Args:
            stated_end: seconds, where the sound ends as its header has it, or None.
            exact: that is so to a sample, and what sticks out of the last block is padding of the encoder.
        """
        if self._earlier:
            return self._joined()
        begin, rate, blocks = self.begin or 0.0, self.rate, self._blocks
        low, high = self._span()
        first = self._first if blocks is not None else max(low, 0)
        kept = blocks.join() if blocks is not None else np.empty((max(self.channels, 1), 0), dtype=np.float32)
        length = kept.shape[1]
        if stated_end is not None:
            stated = round((stated_end - begin) * rate)
            if exact and 0 < self.counted - stated <= 2 * self.last_size:
                length = min(length, max(stated - first, 0))
            elif length < _WHOLE * (min(stated, high) - first):
                self.counts["ends_early"] = 1
        kept = np.ascontiguousarray(kept[:, :length])
        return AudioSamples(kept, rate, time_of(first, begin, rate), self._warnings(stated_end))

    def _joined(self) -> AudioSamples:
        parts, rate = [*self._earlier, *self._leave_part()], self._earlier[0].sampling_rate
        waveform = np.concatenate([part.waveform for part in parts], axis=1)
        return AudioSamples(waveform, rate, parts[0].start, self._warnings(None))

    def _span(self) -> tuple[int, float]:
        """Return numbers of the first sample of the present part that is wanted, and of the first that is no more."""
        begin = self.begin or 0.0
        low = 0 if self.start is None else sample_at(self.start, begin, self.rate)
        return low, float("inf") if self.end is None else sample_at(self.end, begin, self.rate)

    def _wanted(self, size: int) -> tuple[int, int]:
        """Return which of the next ``size`` samples are wanted, half-open."""
        low, high = self._span()
        first = min(max(low - self.counted, 0), size)
        return first, int(max(min(high - self.counted, size), first))

    def _keep(self, low: int) -> SampleBlocks:
        if self._blocks is None:
            before = sum(part.duration for part in self._earlier)
            self._blocks = SampleBlocks(self.limits, self.channels, self.rate, self.name, before)
            self._first = self.counted + low
        return self._blocks

    def _bridge(self, missing: float, paused: bool) -> None:
        if missing < -_GAP_SECONDS:
            self.counts["sound_jumps_back"] += 1
        if missing <= _GAP_SECONDS:
            return
        samples = round(missing * self.rate)
        low, high = self._wanted(samples)
        if high > low and self.channels:
            if not paused:
                self._first_gap = self._first_gap if self.counts["sound_gaps"] else self.position
                self._silence += (high - low) / self.rate
                self.counts["sound_gaps"] += 1
            self._keep(low).add_silence(high - low)
        self.counted += samples

    def _change(self, rate: int, channels: int) -> None:
        """Begin a part of other channels or another rate."""
        self.limits.check_rate(rate, self.name)
        self.limits.check_channels(channels, self.name)
        if self._blocks is not None:
            self.counts["rate_changes"] += rate != self.rate
            self.counts["channels_change"] += channels != self.channels
            self._earlier += self._leave_part()
        if rate != self.rate:
            self.begin_at(self.position, rate)
        self.channels = channels

    def _leave_part(self) -> list[AudioSamples]:
        """Return what is kept of the present part, mono and at the rate of the first part, if there is anything."""
        blocks, self._blocks = self._blocks, None
        if blocks is None:
            return []
        start = time_of(self._first, self.begin or 0.0, blocks.sampling_rate)
        mono = to_mono(AudioSamples(blocks.join(), blocks.sampling_rate, start))
        rate = self._earlier[0].sampling_rate if self._earlier else blocks.sampling_rate
        return [resample(mono, rate, limits=self.limits)]

    def _warnings(self, stated_end: float | None) -> tuple[RowWarning, ...]:
        counts, gaps = self.counts, self.counts["sound_gaps"]
        missing = f"gaps in the sound: {gaps}, {self._silence:.2f} s in all, the first at {self._first_gap:.2f} s"
        bad = f"packets of sound that cannot be decoded: {counts['damaged_packets']}"
        channels = "the number of channels changes midway; all is heard as mono"
        rates = "the sampling rate changes midway; all is heard as mono at the first one"
        early = f"ends early: at {self.position:.2f} of {stated_end or 0.0:.2f} s"
        warnings = (
            RowWarning(f"{missing}; they are heard as silence", code="sound_gaps", count=gaps),
            RowWarning("the clock of the sound jumps back", code="sound_jumps_back", count=counts["sound_jumps_back"]),
            RowWarning(channels, code="channels_change", count=counts["channels_change"]),
            RowWarning(rates, code="rate_changes", count=counts["rate_changes"]),
            RowWarning(bad, code="damaged_packets", count=counts["damaged_packets"]),
            RowWarning(early, code="ends_early", count=counts["ends_early"]),
        )
        return tuple(warning for warning in warnings if warning.count)
