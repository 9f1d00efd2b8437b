"""Parts of a message to a chat model: text, picture, sound, in the form of OpenAI's chat completions."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from vqe_core.chat.sounds import Sound, to_wav

Content: TypeAlias = list[dict[str, Any]]
# Made when it is sent, as pictures and sounds in base64 are large.
ContentMaker: TypeAlias = Callable[[], Content]

JPEG_QUALITY = 90


def text_part(text: str) -> dict[str, Any]:
    """A text."""
    return {"type": "text", "text": text}


def sound_part(sound: Sound, name: str = "sound") -> dict[str, Any]:
    """A sound as WAV, mono.

    Raises:
        InputError: see ``to_mono``.
    """
    data = base64.b64encode(to_wav(sound, name)).decode("ascii")
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def picture_part(pixels: np.ndarray) -> dict[str, Any]:
    """A picture, uint8 (H, W, 3) RGB, as JPEG in a ``data:`` address."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITY)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}


def question(content: Content) -> list[dict[str, Any]]:
    """The messages of a conversation that asks once."""
    return [{"role": "user", "content": content}]
