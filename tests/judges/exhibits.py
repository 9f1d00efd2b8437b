"""Pictures and sounds to be judged, and what a request holds of them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from vqe_core.judges.exhibit import Exhibit

RATE = 16_000


def exhibit(level: float = 0.25, *, count: int = 2, height: int = 24, width: int = 32) -> Exhibit:
    """Grey pictures a second apart, each lighter than the one before, and half a second of constant sound."""
    frames = np.stack([np.full((height, width, 3), 40 * (i + 1), np.uint8) for i in range(count)])
    return Exhibit(frames, np.arange(count, dtype=float), np.full(RATE // 2, level, np.float32), RATE)


def shown(request: Any) -> tuple[list[str], list[np.ndarray], np.ndarray]:
    """Texts, pictures uint8 (H, W, 3) and waveform float32 (T,) of a request, in the order sent."""
    texts, pictures, sounds = [], [], []
    for part in request["messages"][0]["content"]:
        if part["type"] == "text":
            texts.append(part["text"])
        elif part["type"] == "image_url":
            kind, _, data = part["image_url"]["url"].partition(";base64,")
            assert kind == "data:image/jpeg"
            pictures.append(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))))
        else:
            assert part["input_audio"]["format"] == "wav"
            waveform, rate = soundfile.read(io.BytesIO(base64.b64decode(part["input_audio"]["data"])), dtype="float32")
            assert rate == RATE
            sounds.append(waveform)
    (sound,) = sounds
    return texts, pictures, sound
