"""Parts of a message to a chat model: text, image and audio, in the form of OpenAI's chat completions."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from vqe_core.errors import InputError, InputTypeError
from vqe_core.types import AudioSamples

# Decoded audio, or a float waveform, (T,) or (C, T), with its sampling rate in Hz.
Audio: TypeAlias = AudioSamples | tuple[np.ndarray, int]
Content: TypeAlias = list[dict[str, Any]]
# Made when it is sent, as images and audio in base64 are large.
ContentMaker: TypeAlias = Callable[[], Content]

JPEG_QUALITY = 90


def text_part(text: str) -> dict[str, Any]:
    """Return the part that holds a text."""
    return {"type": "text", "text": text}


def image_part(pixels: np.ndarray) -> dict[str, Any]:
    """Return the part that holds an image, uint8 (H, W, 3) RGB, as JPEG in a ``data:`` address."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITY)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}


def audio_part(audio: Audio, name: str = "sound") -> dict[str, Any]:
    """Return the part that holds audio as WAV, mono.

    Raises:
        InputError: see ``to_mono``.
    """
    data = base64.b64encode(to_wav(audio, name)).decode("ascii")
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def user_message(content: Content) -> list[dict[str, Any]]:
    """Return the messages of a conversation that asks once.

    Example:
        >>> user_message([text_part("Is it a dog?")])
        [{'role': 'user', 'content': [{'type': 'text', 'text': 'Is it a dog?'}]}]
    """
    return [{"role": "user", "content": content}]


def to_mono(audio: Audio, name: str = "sound") -> tuple[np.ndarray, int]:
    """Return the mean of the channels, float32 (T,), and the sampling rate in Hz.

    Args:
        audio: see ``Audio``.
        name: how messages call it.

    Raises:
        InputTypeError: not audio.
        InputError: no sample, or samples that are not finite.

    Example:
        >>> to_mono((np.array([[0.0, 0.5], [1.0, 0.5]]), 16_000))
        (array([0.5, 0.5], dtype=float32), 16000)
    """
    waveform, rate = _waveform_and_rate(audio, name)
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


def to_wav(audio: Audio, name: str = "sound") -> bytes:
    """Return a 16-bit mono WAV file; samples beyond [-1, 1] are clipped.

    Raises:
        InputError: see ``to_mono``.
    """
    import soundfile

    waveform, rate = to_mono(audio, name)
    file = io.BytesIO()
    soundfile.write(file, waveform.clip(-1, 1), rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _waveform_and_rate(audio: Audio, name: str) -> tuple[np.ndarray, int]:
    if isinstance(audio, AudioSamples):
        return audio.waveform, audio.sampling_rate
    if isinstance(audio, tuple | list) and len(audio) == 2:
        waveform, rate = audio
        if isinstance(waveform, np.ndarray) and waveform.dtype.kind == "f" and waveform.ndim in (1, 2):
            if isinstance(rate, int | np.integer) and not isinstance(rate, bool) and rate > 0:
                return waveform, int(rate)
            raise InputError(f"{name} has sampling rate {rate!r}; it must be a whole number of Hz above 0")
    raise InputTypeError(
        f"{name} must be AudioSamples or (float waveform (T,) or (C, T), sampling_rate), got {type(audio).__name__}"
    )
