"""Clips and sounds to ask about, what a request holds of them, and servings like those of DataFlow."""

from __future__ import annotations

import base64
import io
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from vqe_core.llm import JudgedClip

RATE = 16_000
KEY = "sk-very-secret-4711"


def sound(level: float = 0.25) -> tuple[np.ndarray, int]:
    """A twentieth of a second of constant sound, told by its level."""
    return np.full(800, level, np.float32), RATE


def clip(level: float = 0.25, *, count: int = 2, height: int = 24, width: int = 32) -> JudgedClip:
    """Grey images a second apart, each lighter than the one before, and half a second of constant sound."""
    frames = np.stack([np.full((height, width, 3), 40 * (i + 1), np.uint8) for i in range(count)])
    return JudgedClip(frames, np.arange(count, dtype=float), np.full(RATE // 2, level, np.float32), RATE)


def shown(request: Any) -> tuple[list[str], list[np.ndarray], np.ndarray]:
    """Texts, images uint8 (H, W, 3) and waveform float32 (T,) of a request, in the order sent."""
    texts, images, sounds = [], [], []
    for part in request["messages"][0]["content"]:
        if part["type"] == "text":
            texts.append(part["text"])
        elif part["type"] == "image_url":
            kind, _, data = part["image_url"]["url"].partition(";base64,")
            assert kind == "data:image/jpeg"
            images.append(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))))
        else:
            waveform, rate = heard_in(part)
            assert rate == RATE
            sounds.append(waveform)
    (waveform,) = sounds
    return texts, images, waveform


def heard(request: Any) -> tuple[np.ndarray, int]:
    """The waveform that a request carries, and its rate."""
    (part,) = [part for part in request["messages"][0]["content"] if part["type"] == "input_audio"]
    return heard_in(part)


def heard_in(part: Any) -> tuple[np.ndarray, int]:
    assert part["input_audio"]["format"] == "wav"
    waveform, rate = soundfile.read(io.BytesIO(base64.b64decode(part["input_audio"]["data"])), dtype="float32")
    return waveform, rate


def level(request: Any) -> int:
    """Tenths of the loudest sample of a request."""
    return round(10 * float(np.abs(heard(request)[0]).max()))


def codes(results: Sequence[Any]) -> list[str]:
    """Status words of results."""
    return [getattr(result, "code", "ok") for result in results]


class Conversing:
    """As ``APILLMServing_request``: any conversation goes to the address; None where there is no answer."""

    def __init__(self, url: str) -> None:
        self.api_url, self.model_name, self.max_workers = f"{url}/chat/completions", "senses", 2

    def generate_from_input(self, user_inputs: Any, system_prompt: str = "", json_schema: Any = None) -> Any:
        raise AssertionError("images and sounds must not be sent as text")

    def generate_from_conversations(self, conversations: list[Any]) -> list[Any]:
        return [self.ask(conversation) for conversation in conversations]

    def ask(self, messages: Any) -> Any:
        body = json.dumps({"model": self.model_name, "messages": messages}).encode()
        request = urllib.request.Request(self.api_url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as error:
            error.close()
            return None


class LocalServer:
    """As ``LocalHostLLMAPIServing_vllm``: a server on this machine that it starts itself."""

    def __init__(self, port: Any) -> None:
        self.host, self.port, self.max_workers = "127.0.0.1", port, 3
        self.hf_model_name_or_path = "Qwen/Qwen2.5-Omni-7B"
        self.backend_initialized = False
        self.starts = 0

    def start_serving(self) -> None:
        self.backend_initialized = True
        self.starts += 1

    def generate_from_input(self, user_inputs: Any, system_prompt: str = "") -> Any:
        raise AssertionError("images and sounds must not be sent as text")


class TextOnly:
    """As ``APIVLMServing_openai`` and ``LocalModelLLMServing_vllm``."""

    def generate_from_input(self, user_inputs: Any, system_prompt: str = "") -> Any:
        return user_inputs

    def __call__(self) -> None:
        return None
