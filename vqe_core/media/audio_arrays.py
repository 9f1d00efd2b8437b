"""Sound that a user already decoded, in any of the usual forms -> `AudioSamples`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from vqe_core.errors import InputError, InputTypeError, MediaError
from vqe_core.media.frame_arrays import is_tensor
from vqe_core.types import AudioSamples

ARRAY_KEYS = ("array", "waveform")
RATE_KEYS = ("sampling_rate", "sample_rate")


def samples_from_mapping(value: Mapping[str, Any]) -> AudioSamples:
    """Read a dict with samples and their rate.

    Args:
        value: ``array`` or ``waveform``: samples, (T,) or (C, T), as array, tensor or list of numbers; floats have
            full scale 1, integers that of their type (int16: 32768; uint8: 128 about 128).
            ``sampling_rate`` or ``sample_rate``: Hz, a whole number.

    Returns:
        float32 (C, T), starting at 0 s.

    Raises:
        InputTypeError: code ``bad_type``, the rate is missing or a value has the wrong type.
        InputError: a value breaks a rule.
        MediaError: code ``no_audio``, there are no samples; ``bad_sample_rate``, the rate is not a whole number.
    """
    key = next(key for key in ARRAY_KEYS if value.get(key) is not None)
    rate = next((value[key] for key in RATE_KEYS if value.get(key) is not None), None)
    if rate is None:
        raise InputTypeError(
            f"audios: a dict with {key!r} needs 'sampling_rate' in Hz as well, for example "
            '{"array": array, "sampling_rate": 16000}'
        )
    return AudioSamples(waveform_from(value[key]), _whole_rate(rate))


def waveform_from(value: Any) -> np.ndarray:
    """Samples as float32 (C, T), full scale 1.

    Args:
        value: array, tensor or list, (T,) or (C, T); channels come first.

    Raises:
        InputTypeError: not numbers.
        InputError: more than two axes, or integers of a type that has no usual full scale.
        MediaError: code ``no_audio``, there are no samples.
    """
    array = value.detach().cpu().float().numpy() if _is_half(value) else _as_array(value)
    if array.ndim not in (1, 2):
        raise InputError(f"audios: samples must have shape (T,) or (C, T), got {array.shape}; give one sound a row")
    if array.size == 0:
        raise MediaError(f"audios: no samples in an array of shape {array.shape}", code="no_audio")
    return full_scale(np.atleast_2d(array))


def full_scale(samples: np.ndarray) -> np.ndarray:
    """Samples of any type as float32 of the same shape, so that full scale is 1.

    Args:
        samples: float16, 32 or 64, int16, int32 (full scale 2**15, 2**31) or uint8 (128 about 128).

    Raises:
        InputError: another type.
    """
    if samples.dtype.kind == "f":
        # What float32 cannot hold becomes infinite, and is refused as such later.
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(samples, dtype=np.float32)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if samples.dtype in (np.int16, np.int32):
        return samples.astype(np.float32) / np.float32(-float(np.iinfo(samples.dtype).min))
    raise InputError(
        f"audios: samples of type {samples.dtype} have no usual full scale; "
        "convert them to float32 in [-1, 1], or to int16 or int32 that use the whole range"
    )


def _is_half(value: Any) -> bool:
    # numpy has no bfloat16.
    return is_tensor(value) and "float16" in str(value.dtype)


def _as_array(value: Any) -> np.ndarray:
    try:
        array: np.ndarray = value.detach().cpu().numpy() if is_tensor(value) else np.asarray(value)
    except ValueError as error:
        raise InputError(f"audios: the channels of one sound must have one length ({error})") from error
    if array.dtype.kind not in "iuf":
        raise InputTypeError(f"audios: samples must be numbers, got an array of type {array.dtype}")
    return array


def _whole_rate(rate: Any) -> int:
    if is_tensor(rate) or (isinstance(rate, np.ndarray) and rate.ndim == 0):
        rate = rate.item()
    if isinstance(rate, bool) or not isinstance(rate, (int, float, np.number)):
        raise InputTypeError(f"audios: sampling_rate ({rate!r}) must be a number of Hz")
    number = float(rate)
    if not math.isfinite(number) or number != int(number) or number < 1:
        raise MediaError(
            f"audios: sampling_rate ({rate!r}) must be a whole, positive number of Hz", code="bad_sample_rate"
        )
    return int(number)
