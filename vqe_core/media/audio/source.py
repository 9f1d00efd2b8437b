"""Anything a row may hold for a sound -> `MediaSource`, or `AudioSamples` where it is decoded already."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from vqe_core.errors import InputError, InputTypeError, MediaError, VqeError
from vqe_core.media.audio.signal import slice_seconds
from vqe_core.media.source import as_media_source, is_tensor
from vqe_core.types import BAD_SEGMENT, AudioSamples, MediaSource

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
    """Return samples as float32 (C, T), full scale 1.

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
    """Return samples of any type as float32 of the same shape, so that full scale is 1.

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


ENCODED_KEYS = ("bytes", "path", "start", "end", "video_stream", "audio_stream")
_KEYS = (*ARRAY_KEYS, *RATE_KEYS, *ENCODED_KEYS)

_ACCEPTED = (
    "a path, bytes, a dict with 'path' or 'bytes', a dict with 'array' and 'sampling_rate', "
    "or a torchcodec AudioDecoder"
)


def as_audio_source(value: Any, *, base_dir: str | None = None) -> MediaSource | AudioSamples:
    """Turn one item of an ``audios`` column into a source. Opens no file.

    Args:
        value: a path (str, Path); encoded bytes or a binary file object; a dict with ``array`` or ``waveform`` and
            ``sampling_rate`` or ``sample_rate`` (wins), ``bytes`` or ``path``, and optional ``start``, ``end`` (s);
            an ``AudioDecoder``, as columns of `datasets.Audio` give, or torchcodec's `AudioSamples`; a
            `MediaSource` or `AudioSamples` of this package. Samples are (T,) or (C, T), channels first; floats
            have full scale 1, integers that of their type.
        base_dir: folder that relative paths start from. Default: the working directory.

    Returns:
        Samples where ``value`` holds them, else a source for `read_audio`.

    Raises:
        InputTypeError: code ``bad_type``, the value is none of these.
        InputError: a value inside breaks a rule.
        MediaError: code ``remote_path``, ``bad_path``, ``not_found``, ``empty_file``, ``no_audio`` or
            ``bad_sample_rate``.
    """
    if isinstance(value, (MediaSource, AudioSamples)):
        return value
    if isinstance(value, Mapping):
        return _from_mapping(value, base_dir)
    if isinstance(value, (np.ndarray, list, tuple)) or is_tensor(value):
        raise InputTypeError(
            f"audios: a {type(value).__name__} of samples does not tell its rate; "
            'pass {"array": array, "sampling_rate": 16000}'
        )
    if hasattr(value, "get_all_samples"):
        return _from_decoder(value, base_dir)
    if hasattr(value, "data") and hasattr(value, "sample_rate") and hasattr(value, "pts_seconds"):
        samples = samples_from_mapping({"array": value.data, "sampling_rate": value.sample_rate})
        return replace(samples, start=float(value.pts_seconds))
    if isinstance(value, (str, os.PathLike, bytes, bytearray, memoryview)) or callable(getattr(value, "read", None)):
        with sound_wording():
            return as_media_source(value, base_dir=base_dir)
    raise InputTypeError(f"audios: cannot read a {type(value).__name__} ({_short(value)}) as a sound; use {_ACCEPTED}")


@contextmanager
def sound_wording(name: str = "") -> Iterator[None]:
    """Let errors of the block speak of sounds: paths and files are checked by the same code as those of videos.

    Args:
        name: a text that must stay as it is, such as the path.
    """
    try:
        yield
    except VqeError as error:
        parts = str(error).split(name) if name else [str(error)]
        error.args = (name.join(_reworded(part) for part in parts),)
        raise


def _reworded(text: str) -> str:
    for video, sound in _WORDS:
        text = text.replace(video, sound)
    return text


_WORDS = (
    ("videos: ", "audios: "),
    ("video file", "sound file"),
    ("as a video", "as a sound"),
    ("not a video", "not a sound"),
    ("not the video itself", "not the sound itself"),
    ("; pass images as a list of PIL images or one uint8 array", ""),
)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _from_mapping(value: Mapping[str, Any], base_dir: str | None) -> MediaSource | AudioSamples:
    unknown = [key for key in value if key not in _KEYS]
    if unknown:
        raise InputError(f"audios: unknown keys {unknown} of a dict; use {', '.join(_KEYS)}")
    if any(value.get(key) is not None for key in ARRAY_KEYS):
        # The segment is checked as that of a file.
        segment = MediaSource(data=b"-", start=_seconds(value, "start"), end=_seconds(value, "end"))
        return slice_seconds(samples_from_mapping(value), segment.start, segment.end)
    if value.get("bytes") is None and value.get("path") is None:
        raise InputTypeError(
            "audios: a dict needs 'array' and 'sampling_rate', or 'bytes', or 'path', and all are missing or None"
        )
    with sound_wording():
        encoded = {key: value.get(key) for key in ENCODED_KEYS}
        return as_media_source(encoded, base_dir=base_dir)


def _seconds(value: Mapping[str, Any], key: str) -> float | None:
    number = value.get(key)
    if number is None or (isinstance(number, (float, np.floating)) and math.isnan(number)):
        return None  # tables put NaN where there is no number
    if isinstance(number, bool) or not isinstance(number, (int, float, np.number)):
        raise InputTypeError(f"audios: {key} ({number!r}) must be a number of seconds", code=BAD_SEGMENT)
    return float(number)


def _from_decoder(decoder: Any, base_dir: str | None) -> MediaSource:
    # `datasets` keeps the encoded form beside the decoder; reading it ourselves leaves channels and rate native.
    encoded = getattr(decoder, "_hf_encoded", None)
    if isinstance(encoded, Mapping):
        path = encoded.get("path")
        there = isinstance(path, (str, os.PathLike)) and os.path.isfile(os.path.join(base_dir or "", path))
        if encoded.get("bytes") is not None or there:
            with sound_wording():
                return as_media_source({"bytes": encoded.get("bytes"), "path": path}, base_dir=base_dir)
    return MediaSource(decoder=decoder)
