"""Sounds as chat models get them."""

from __future__ import annotations

import io
from typing import TypeAlias

import numpy as np

from vqe_core.errors import InputError, InputTypeError
from vqe_core.types import AudioSamples

# Decoded sound, or a float waveform, (T,) or (C, T), with its sampling rate in Hz.
Sound: TypeAlias = AudioSamples | tuple[np.ndarray, int]


def to_mono(sound: Sound, name: str = "sound") -> tuple[np.ndarray, int]:
    """The mean of a sound's channels, float32 (T,), and its sampling rate in Hz.

    Args:
        sound: see ``Sound``.
        name: how messages call it.

    Raises:
        InputTypeError: not a sound.
        InputError: no sample, or samples that are not finite.
    """
    waveform, rate = _parts(sound, name)
    if waveform.ndim == 2 and waveform.shape[0] > waveform.shape[1]:
        raise InputError(
            f"{name} has shape {waveform.shape}, which reads as {waveform.shape[0]} channels; give "
            "(channels, samples), for example waveform.T",
            code="not_mono",
        )
    if waveform.size == 0:
        raise InputError(f"{name} has no samples", code="no_sound")
    mono = waveform if waveform.ndim == 1 else waveform.mean(axis=0)
    if not np.isfinite(mono).all():
        raise InputError(f"{name} holds NaN or infinity; decode or resample it again", code="bad_samples")
    return np.ascontiguousarray(mono, dtype=np.float32), rate


def _parts(sound: Sound, name: str) -> tuple[np.ndarray, int]:
    if isinstance(sound, AudioSamples):
        return sound.waveform, sound.sampling_rate
    if isinstance(sound, tuple | list) and len(sound) == 2:
        waveform, rate = sound
        if isinstance(waveform, np.ndarray) and waveform.dtype.kind == "f" and waveform.ndim in (1, 2):
            if isinstance(rate, int | np.integer) and not isinstance(rate, bool) and rate > 0:
                return waveform, int(rate)
            raise InputError(f"{name} has sampling rate {rate!r}; it must be a whole number of Hz above 0")
    raise InputTypeError(
        f"{name} must be AudioSamples or (float waveform (T,) or (C, T), sampling_rate), got {type(sound).__name__}"
    )


def to_wav(sound: Sound, name: str = "sound") -> bytes:
    """A 16-bit mono WAV file; samples beyond [-1, 1] are clipped.

    Raises:
        InputError: see ``to_mono``.
    """
    import soundfile

    waveform, rate = to_mono(sound, name)
    file = io.BytesIO()
    soundfile.write(file, waveform.clip(-1, 1), rate, format="WAV", subtype="PCM_16")
    return file.getvalue()
