"""Serving objects of DataFlow as describers, where their model can hear. Known by their attributes, not imported.

Those of ``vqe_core.chat.serving``, and ``LocalModelVLMServing_vllm`` of DataFlow-MM, whose ``generate_from_input``
takes ``audio_inputs``. The others are refused with the way out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vqe_core.chat import serving as servings
from vqe_core.chat.role import DESCRIBER
from vqe_core.chat.sounds import Sound, to_mono
from vqe_core.describers.description import check_description
from vqe_core.describers.endpoint import DEFAULT_PROMPT, EndpointDescriber, sound_question
from vqe_core.errors import VqeError


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
    sampling_rate: int | None = servings.SAMPLING_RATE

    def __post_init__(self) -> None:
        _ = self._ask

    def signature(self) -> dict[str, str]:
        """What can change a description: kind of serving, server, model and words. The key cannot, and is not here."""
        return servings.serving_signature(self.serving, DESCRIBER, self.prompt)

    def describe(self, waveforms: Sequence[Sound]) -> list[str | VqeError]:
        """A text, or the error, of each sound, in order; code ``describer_failed`` where the serving gave none.

        Args:
            waveforms: ``AudioSamples`` or (float waveform (T,) or (C, T), sampling rate) each.
        """
        return servings.read_answers(self.serving, DESCRIBER, waveforms, to_mono, self._ask, check_description)

    @property
    def _ask(self) -> Callable[[list[tuple[Any, int]]], list[Any]]:
        if servings.converses(self.serving):
            return self._ask_by_conversation
        if _takes_audio(self.serving) and hasattr(self.serving, "processor"):
            return self._ask_with_audio
        raise servings.refuse(
            self.serving,
            DESCRIBER,
            "sends text only, or one fixed question (generate_from_input), so the model would never be asked about "
            "the sound",
            "vqe_core.describers.endpoint.EndpointDescriber",
        )

    def _ask_by_conversation(self, sounds: list[tuple[Any, int]]) -> list[Any]:
        return servings.converse(self.serving, [partial(sound_question, sound, self.prompt) for sound in sounds])

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
    sampling_rate: int | None = servings.SAMPLING_RATE

    @property
    def endpoint(self) -> EndpointDescriber:
        """The server as an endpoint, with the serving's number of workers. It needs no key."""
        return EndpointDescriber(**servings.local_endpoint(self.serving))

    def signature(self) -> dict[str, str]:
        """The endpoint's."""
        return self.endpoint.signature()

    def describe(self, waveforms: Sequence[Sound]) -> list[str | VqeError]:
        """As ``EndpointDescriber``, once the server is up."""
        servings.start(self.serving)
        return self.endpoint.describe(waveforms)


def describer_of_serving(serving: Any) -> ServingDescriber | LocalServerDescriber:
    """A describer from a serving object of DataFlow.

    Raises:
        InputTypeError: it cannot send a sound to its model; the message names the way out.
        InputError: its address or model name cannot be used.
    """
    if servings.is_local_server(serving):
        describer = LocalServerDescriber(serving=serving)
        _ = describer.endpoint  # its address is checked here
        return describer
    return ServingDescriber(serving=serving)


def _takes_audio(serving: Any) -> bool:
    try:
        return "audio_inputs" in inspect.signature(serving.generate_from_input).parameters
    except (TypeError, ValueError):
        return False
