"""Anything a row may hold for a sound -> `MediaSource`, or `AudioSamples` where it is decoded already."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from vqe_core.errors import InputError, InputTypeError, VqeError
from vqe_core.media.audio_arrays import ARRAY_KEYS, RATE_KEYS, samples_from_mapping
from vqe_core.media.audio_signal import slice_seconds
from vqe_core.media.frame_arrays import is_tensor
from vqe_core.media.source import as_media_source
from vqe_core.types import AudioSamples, MediaSource

_KEYS = (*ARRAY_KEYS, *RATE_KEYS, "path", "bytes", "start", "end")

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
    ("; pass pictures as a list of PIL images or one uint8 array", ""),
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
        encoded = {key: value.get(key) for key in ("bytes", "path", "start", "end")}
        return as_media_source(encoded, base_dir=base_dir)


def _seconds(value: Mapping[str, Any], key: str) -> float | None:
    number = value.get(key)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, (int, float, np.number)):
        raise InputTypeError(f"audios: {key} ({number!r}) must be a number of seconds")
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
