"""Sound samples: mono, another rate, a part, and whether there is anything to hear. Opens no file.

Conventions: waveforms are float32 (C, T), full scale is 1; times in seconds, ranges half-open ``[start, end)``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import soxr

from vqe_core.errors import InputError, MediaError
from vqe_core.media.limits import DEFAULT_AUDIO_LIMITS, AudioLimits
from vqe_core.types import AudioSamples

# Quieter than this (RMS, full scale = 1) is silence: -60 dBFS, under the noise of a quiet room in a recording.
SILENCE_RMS = 1e-3

# Shorter sounds do not fill two frames of the usual 25 ms spectral analysis.
MIN_SECONDS = 0.05

# Finite, but no sound: even samples in the range of 16-bit integers stay far below.
_MAX_MAGNITUDE = 1e6

_BLOCK = 1 << 20

# Samples by which a float of seconds may be off a whole number of samples.
_ROUNDING = 1e-4


def to_mono(samples: AudioSamples) -> AudioSamples:
    """Return the mean of all channels.

    FFmpeg and torchcodec add them to equal power instead, which is 3 dB more for two channels; the mean makes a
    wav and the same track in an mp4 sound alike.

    Args:
        samples: float32 (C, T).

    Returns:
        float32 (1, T), or ``samples`` itself if it has one channel.
    """
    if samples.waveform.shape[0] == 1:
        return samples
    return replace(samples, waveform=samples.waveform.mean(axis=0, keepdims=True, dtype=np.float32))


def resample(samples: AudioSamples, sampling_rate: int, *, limits: AudioLimits = DEFAULT_AUDIO_LIMITS) -> AudioSamples:
    """Return the same sound at another rate (soxr, quality HQ, as librosa and transformers do).

    Args:
        samples: float32 (C, T).
        sampling_rate: Hz wanted.
        limits: bounds on the rate and on the size of the result, checked before it is made.

    Returns:
        float32 (C, round(T * sampling_rate / samples.sampling_rate)); ``samples`` itself at an equal rate.

    Raises:
        MediaError: code ``bad_sample_rate`` or ``too_long``.
    """
    have = samples.sampling_rate
    if isinstance(sampling_rate, bool) or not isinstance(sampling_rate, (int, np.integer)):
        raise InputError(f"sampling_rate ({sampling_rate!r}) must be a whole number of Hz")
    if have == sampling_rate:
        return samples
    channels, length = samples.waveform.shape
    limits.check_rate(have, "waveform")
    limits.check_rate(int(sampling_rate), "resampled waveform")
    wanted = (2 * length * int(sampling_rate) + have) // (2 * have)
    limits.check_length(wanted, channels, int(sampling_rate), "resampled waveform")
    made = np.zeros((channels, wanted), dtype=np.float32)
    for channel in range(channels if length else 0):
        row = soxr.resample(np.ascontiguousarray(samples.waveform[channel]), have, int(sampling_rate), quality="HQ")
        made[channel, : len(row)] = row[:wanted]
    return replace(samples, waveform=made, sampling_rate=int(sampling_rate))


def slice_seconds(samples: AudioSamples, start: float | None = None, end: float | None = None) -> AudioSamples:
    """Return the part of a sound that is heard within ``[start, end)``.

    Args:
        samples: float32 (C, T), whose first sample is heard at ``samples.start``.
        start: seconds, on the clock of ``samples.start``. Default: from the first sample.
        end: seconds, likewise. Default: to the last sample.

    Returns:
        A view of the samples, with ``start`` moved to its first sample; of length 0 if nothing is heard then.
    """
    rate, length = samples.sampling_rate, samples.waveform.shape[1]
    first = 0 if start is None else min(max(sample_at(start, samples.start, rate), 0), length)
    last = length if end is None else min(max(sample_at(end, samples.start, rate), first), length)
    if (first, last) == (0, length):
        return samples
    return replace(samples, waveform=samples.waveform[:, first:last], start=time_of(first, samples.start, rate))


def sample_at(time: float, start: float, sampling_rate: int) -> int:
    """Return the number of the sample nearest to ``time`` (s) in a sound whose sample 0 is heard at ``start`` (s).

    A part of a sound, whose ``start`` is the time of one of its samples, has the same samples at the same times.
    """
    grid = _whole(start * sampling_rate)
    if grid is None:
        return _nearest((time - start) * sampling_rate)
    return _nearest(time * sampling_rate) - grid


def time_of(number: int, start: float, sampling_rate: int) -> float:
    """Return when (s) sample ``number`` is heard; see ``sample_at``."""
    grid = _whole(start * sampling_rate)
    if grid is None or number == 0:
        return start + number / sampling_rate
    return (grid + number) / sampling_rate


def is_silent(waveform: np.ndarray) -> bool:
    """Tell whether every channel is quieter than -60 dBFS (RMS, a full-scale square wave being 0 dBFS).

    A constant offset is not heard and does not count.

    Args:
        waveform: float32 (C, T); no samples are silent.
    """
    return all(_alternating_rms(channel) < SILENCE_RMS for channel in waveform)


def check_finite(waveform: np.ndarray, name: str) -> None:
    """Raise `MediaError` ``non_finite_audio`` if a sample is NaN, infinite or beyond a million times full scale.

    Args:
        waveform: float (C, T).
        name: the sound, for the message.
    """
    reason = _impossible(waveform)
    if reason:
        raise MediaError(
            f"{name!r}: {reason}; the file is damaged, or the array was scaled wrongly (full scale is 1)",
            code="non_finite_audio",
        )


def audio_status(samples: AudioSamples, min_duration: float = MIN_SECONDS) -> tuple[str, str] | None:
    """Why a sound cannot be judged, if so. Judged is the mean of its channels, as encoders hear it.

    Args:
        samples: float32 (C, T).
        min_duration: seconds; shorter sounds are ``too_short``. Default: 0.05 s, two frames of a usual
            spectral analysis; a click says nothing about a image.

    Returns:
        None, or a code and a message: ``too_short``, ``non_finite_audio`` or ``silent``.
    """
    if samples.duration < min_duration:
        length = f"{samples.duration:.4f} s long ({samples.waveform.shape[1]} samples)"
        return "too_short", f"the sound is {length}, less than {min_duration:g} s"
    reason = _impossible(samples.waveform)
    if reason:
        return "non_finite_audio", reason
    if not is_silent(to_mono(samples).waveform):
        return None
    if is_silent(samples.waveform):
        return "silent", "the sound is silent: its level is below -60 dBFS throughout"
    return "silent", "the channels cancel out: their mean is silent (below -60 dBFS); give one channel alone"


def _nearest(position: float) -> int:
    """Return the nearest sample. Halves go up, so that ``[a, b)`` and ``[b, c)`` share no sample and lose none."""
    return math.floor(position + 0.5)


def _whole(position: float) -> int | None:
    """Return the whole number that ``position`` is, but for rounding; None if it is between two."""
    nearest = round(position)
    return nearest if abs(position - nearest) < _ROUNDING else None


def _blocks(channel: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(channel), _BLOCK):
        yield channel[first : first + _BLOCK]


def _alternating_rms(channel: np.ndarray) -> float:
    """RMS about the mean."""
    total = squares = 0.0
    for block in _blocks(channel):
        exact = block.astype(np.float64)
        total += float(exact.sum())
        squares += float(np.square(exact, out=exact).sum())  # no product: BLAS may hang after a fork
    length = max(len(channel), 1)
    return math.sqrt(max(squares / length - (total / length) ** 2, 0.0))


def _impossible(waveform: np.ndarray) -> str | None:
    for number, channel in enumerate(waveform):
        for block in _blocks(channel):
            # NaN fails every comparison.
            if not (np.abs(block) <= _MAX_MAGNITUDE).all():
                bad = block[~(np.abs(block) <= _MAX_MAGNITUDE)]
                return f"channel {number} holds a sample of {bad[0]:g}, which is no sound"
    return None
