"""Sounds as describers get them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from vqe_core.errors import InputError, InputTypeError
from vqe_core.types import AudioSamples

# Decoded sound, or a float waveform, (T,) or (C, T), with its sampling rate in Hz.
Sound: TypeAlias = AudioSamples | tuple[np.ndarray, int]

# A description is a phrase; a page of text is an answer to something else.
MAX_LETTERS = 2000


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


def check_description(text: object) -> str:
    """A description on one line.

    Raises:
        InputError: not a string, empty, or longer than ``MAX_LETTERS``; code ``bad_description``.
    """
    if not isinstance(text, str):
        raise InputTypeError(f"description must be a string, got {type(text).__name__}", code="bad_description")
    line = " ".join(text.split())
    if not any(letter.isalnum() for letter in line):
        raise InputError(f"description is empty ({line[:20]!r})", code="bad_description")
    if len(line) > MAX_LETTERS:
        raise InputError(
            f"description has {len(line)} letters, more than {MAX_LETTERS}; ask for a phrase", code="bad_description"
        )
    return line
