"""Serving objects of DataFlow as describers, where their model can hear. Known by their attributes, not imported.

=============================================  ===========================================================
``APILLMServing_request``                      its ``generate_from_conversations`` takes any message, sound too
``LocalHostLLMAPIServing_vllm``                a vLLM server that it starts; asked as an endpoint
``LocalModelVLMServing_vllm`` of DataFlow-MM   its ``generate_from_input`` takes ``audio_inputs``
=============================================  ===========================================================

The others send text or pictures only, or one fixed question: they are refused with the way out.
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from vqe_core.describers.dialogue import to_wav
from vqe_core.describers.endpoint import DEFAULT_PROMPT, EndpointDescriber
from vqe_core.describers.sounds import Sound, check_description, to_mono
from vqe_core.errors import InputTypeError, ModelError, VqeError

SAMPLING_RATE = 16_000  # Hz, what the models hear
CHAT = "/chat/completions"


@dataclass(frozen=True, kw_only=True, eq=False)
class ServingDescriber:
    """Describes sounds by a serving object of DataFlow, all sounds of a call in one go.

    Retries, time-outs, parallel requests and the key are the serving's own.

    Args:
        serving: one of the servings above.
        prompt: what the model is told beside the sound.
        sampling_rate: Hz that sounds should be resampled to beforehand.

    Raises:
        InputTypeError: the serving cannot send a sound to its model.
    """

    serving: Any = field(repr=False)
    prompt: str = DEFAULT_PROMPT
    sampling_rate: int | None = SAMPLING_RATE

    def __post_init__(self) -> None:
        _ = self._ask

    def signature(self) -> dict[str, str]:
        """What can change a description: kind of serving, server, model and words. The key cannot, and is not here."""
        serving = self.serving
        model = next((getattr(serving, name) for name in _MODEL_NAMES if getattr(serving, name, None)), "")
        server = {"describer_url": _bare(serving.api_url)} if hasattr(serving, "api_url") else {}
        return {
            "describer": type(serving).__name__,
            "describer_model": str(model),
            "describer_prompt": self.prompt,
            **server,
        }

    def describe(self, waveforms: Sequence[Sound]) -> list[str | VqeError]:
        """A text, or the error, of each sound, in order; code ``describer_failed`` where the serving gave none.

        Args:
            waveforms: ``AudioSamples`` or (float waveform (T,) or (C, T), sampling rate) each.
        """
        texts: list[str | VqeError | None] = [None] * len(waveforms)
        mono: dict[int, tuple[Any, int]] = {}
        for i, sound in enumerate(waveforms):
            try:
                mono[i] = to_mono(sound, f"sound {i}")
            except VqeError as error:
                texts[i] = error
        answers = self._ask(list(mono.values())) if mono else []
        if len(answers) != len(mono):
            raise ModelError(f"{type(self.serving).__name__} gave {len(answers)} answers for {len(mono)} sounds")
        for i, answer in zip(mono, answers, strict=True):
            texts[i] = self._checked(answer)
        return [text for text in texts if text is not None]

    def _checked(self, answer: Any) -> str | VqeError:
        if answer is None:  # its reason is in DataFlow's log only
            return ModelError(
                f"{type(self.serving).__name__} gave no answer for this sound; its log says why. Does the model at "
                "its address take input_audio?",
                code="describer_failed",
            )
        try:
            return check_description(answer)
        except VqeError as error:
            return error

    @property
    def _ask(self) -> Callable[[list[tuple[Any, int]]], list[Any]]:
        serving = self.serving
        if hasattr(serving, "api_url") and hasattr(serving, "generate_from_conversations"):
            return self._ask_by_conversation
        if _takes_audio(serving) and hasattr(serving, "processor"):
            return self._ask_with_audio
        raise InputTypeError(_refusal(serving))

    def _ask_by_conversation(self, sounds: list[tuple[Any, int]]) -> list[Any]:
        conversations = []
        for sound in sounds:
            audio = {"data": base64.b64encode(to_wav(sound, "sound")).decode("ascii"), "format": "wav"}
            content = [{"type": "input_audio", "input_audio": audio}, {"type": "text", "text": self.prompt}]
            conversations.append([{"role": "user", "content": content}])
        answers: list[Any] = self.serving.generate_from_conversations(conversations)
        return answers

    def _ask_with_audio(self, sounds: list[tuple[Any, int]]) -> list[Any]:
        # The name in place of the sound is for templates that show it; the samples go beside the text.
        content = [{"type": "audio", "audio_url": "sound.wav"}, {"type": "text", "text": self.prompt}]
        question = self.serving.processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        answers: list[Any] = self.serving.generate_from_input(
            [question] * len(sounds), audio_inputs=[[sound] for sound in sounds]
        )
        return answers


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalServerDescriber:
    """Describes sounds by a local vLLM server that a serving object of DataFlow starts when it is first needed.

    Args:
        serving: ``LocalHostLLMAPIServing_vllm``, with ``host``, ``port`` and ``hf_model_name_or_path``.
    """

    serving: Any = field(repr=False)
    sampling_rate: int | None = SAMPLING_RATE

    @property
    def endpoint(self) -> EndpointDescriber:
        """The server as an endpoint, with the serving's number of workers. It needs no key."""
        serving = self.serving
        return EndpointDescriber(
            api_url=f"http://{serving.host}:{serving.port}/v1",
            model_name=str(serving.hf_model_name_or_path),
            max_workers=serving.max_workers,
            key_name=None,
        )

    def signature(self) -> dict[str, str]:
        """The endpoint's."""
        return self.endpoint.signature()

    def describe(self, waveforms: Sequence[Sound]) -> list[str | VqeError]:
        """As ``EndpointDescriber``, once the server is up."""
        if not self.serving.backend_initialized:
            self.serving.start_serving()
        return self.endpoint.describe(waveforms)


def describer_of_serving(serving: Any) -> ServingDescriber | LocalServerDescriber:
    """A describer from a serving object of DataFlow.

    Raises:
        InputTypeError: it cannot send a sound to its model; the message names the way out.
        InputError: its address or model name cannot be used.
    """
    local_server = ("host", "port", "hf_model_name_or_path", "max_workers", "start_serving", "backend_initialized")
    if all(hasattr(serving, name) for name in local_server):
        describer = LocalServerDescriber(serving=serving)
        _ = describer.endpoint  # its address is checked here
        return describer
    return ServingDescriber(serving=serving)


_MODEL_NAMES = ("model_name", "hf_model_name_or_path", "real_model_path")


def _takes_audio(serving: Any) -> bool:
    try:
        return "audio_inputs" in inspect.signature(serving.generate_from_input).parameters
    except (TypeError, ValueError):
        return False


def _bare(url: Any) -> str:
    """An address without user, password and query, which may hold a key."""
    parts = urlsplit(str(url))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _refusal(serving: Any) -> str:
    """Why a serving cannot describe sounds, and the line that can."""
    url, model = getattr(serving, "api_url", None), getattr(serving, "model_name", None)
    workers = getattr(serving, "max_workers", None)
    address = repr(_bare(url).removesuffix(CHAT)) if url else "..."
    options = [f"api_url={address}", f"model_name={model!r}" if model else "model_name=..."]
    options += [f"max_workers={workers}"] if isinstance(workers, int) else []
    return (
        f"describer ({type(serving).__name__}) sends text only, or one fixed question (generate_from_input), so the "
        f"model would never be asked about the sound; use EndpointDescriber({', '.join(options)}) of "
        "vqe_core.describers.endpoint with the address of a server whose model takes input_audio"
    )
