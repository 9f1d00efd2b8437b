"""Describers: audio to text by a user's function, a model behind an endpoint, or a serving object of DataFlow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from tqdm import tqdm

from vqe_core.errors import InputError, InputTypeError, ModelError, VqeError, row_error
from vqe_core.llm import dataflow_serving as servings
from vqe_core.llm.client import DESCRIBER, ChatEndpoint, Role
from vqe_core.llm.content import Audio, Content, audio_part, text_part, to_mono
from vqe_core.registry import qualified_name

DEFAULT_PROMPT = (
    "Name the sources of this sound that could be seen in a video, in one short plain phrase such as "
    "'a dog barks while a man talks'. Answer with the phrase only."
)
# A description is a phrase; a page of text is an answer to something else.
MAX_LETTERS = 2000


@runtime_checkable
class Describer(Protocol):
    """The part of a describer that a scorer needs.

    Attributes:
        sampling_rate: Hz that audio should be resampled to beforehand, None where any rate will do.
    """

    @property
    def sampling_rate(self) -> int | None: ...
    def signature(self) -> dict[str, str]: ...
    def describe(self, waveforms: Sequence[Audio]) -> list[str | VqeError]: ...


def as_describer(value: Any) -> Describer:
    """Return the describer that a user chose.

    Args:
        value: a describer, returned as it is, a function ``f(waveform, sampling_rate) -> str``, or a serving object
            of DataFlow that can send audio to its model.

    Raises:
        InputTypeError: none of these; servings that send text only among them.

    Example:
        >>> as_describer(lambda waveform, sampling_rate: "silence").describe([(np.zeros(4), 16_000)])
        ['silence']
    """
    if isinstance(value, Describer):
        return value
    if servings.is_serving(value):
        return describer_of_serving(value)
    if callable(value):
        function: Callable[..., str] = value
        return FunctionDescriber(function)
    raise InputTypeError(
        f"describer ({value!r}) must be a function f(waveform, sampling_rate) -> str, or an object with "
        f"describe(waveforms), sampling_rate and signature(), got {type(value).__name__}"
    )


def check_description(text: object) -> str:
    """Return a description on one line.

    Raises:
        InputError: not a string, empty, or longer than ``MAX_LETTERS``; code ``bad_description``.

    Example:
        >>> check_description(" a dog\\n barks ")
        'a dog barks'
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


@dataclass(frozen=True)
class FunctionDescriber:
    """Describer that is a Python function.

    Args:
        function: ``f(waveform, sampling_rate) -> str``; waveform float32 (T,), mono, in [-1, 1].
        function_name: stands for the function in the signature of a score; default its module and name.
            Change it when the function's behaviour changes.
        sampling_rate: Hz that the function wants, None where it takes any.
        progress: progress bar: always, never, or (None) on a terminal only.

    Raises:
        InputTypeError: ``function`` cannot be called.
    """

    name: ClassVar[str] = "function"

    function: Callable[[np.ndarray, int], str]
    function_name: str = ""
    sampling_rate: int | None = None
    progress: bool | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputTypeError(f"function ({self.function!r}) must be callable as f(waveform, sampling_rate) -> str")

    def signature(self) -> dict[str, str]:
        """Return what can change a description: which function it is."""
        return {"describer": "function", "describer_name": self.function_name or qualified_name(self.function)}

    def describe(self, waveforms: Sequence[Audio]) -> list[str | VqeError]:
        """Return a text, or the error, of each sound, in order. An error of the function concerns its sound alone."""
        disable = None if self.progress is None else not self.progress
        bar = tqdm(waveforms, desc="describing", disable=disable, leave=False)
        return [self._describe_one(audio, f"sound {i}") for i, audio in enumerate(bar)]

    def _describe_one(self, audio: Audio, name: str) -> str | VqeError:
        try:
            waveform, rate = to_mono(audio, name)
            if self.sampling_rate not in (None, rate):
                raise InputError(
                    f"{name} has {rate} Hz, the describer wants {self.sampling_rate} Hz; resample it first",
                    code="wrong_sampling_rate",
                )
            return check_description(self.function(waveform, rate))
        except VqeError as error:
            return row_error(error)
        except Exception as error:  # a user's function may raise anything; other sounds go on
            return ModelError(
                f"describer {self.signature()['describer_name']} failed on {name}: {type(error).__name__}: {error}",
                code="describer_failed",
            )


@dataclass(frozen=True, kw_only=True)
class EndpointDescriber(ChatEndpoint):
    """Describer that is a chat model behind an OpenAI-compatible endpoint that takes ``input_audio``.

    Args: see ``ChatEndpoint``; ``api_url`` and ``model_name`` have no default.

    Raises:
        InputError: an option breaks its rule.
        MissingPackageError: openai is not installed.

    Example:
        >>> describer = EndpointDescriber(api_url="http://localhost:8000/v1", model_name="Qwen/Qwen2-Audio-7B-Instruct")
        >>> describer.signature()["describer_model"]
        'Qwen/Qwen2-Audio-7B-Instruct'
    """

    name: ClassVar[str] = "endpoint"
    role: ClassVar[Role] = DESCRIBER

    prompt: str = DEFAULT_PROMPT
    max_tokens: int = 100

    def describe(self, waveforms: Sequence[Audio]) -> list[str | VqeError]:
        """Return a text, or the error, of each sound, in order.

        Args:
            waveforms: ``AudioSamples`` or (float waveform (T,) or (C, T), sampling rate) each.

        Returns:
            One-line texts; for a sound that could not be described a ``VqeError`` whose ``code`` says why:
            ``describer_timeout``, ``describer_unreachable``, ``describer_refused`` (status 4xx),
            ``describer_failed`` (status 5xx or 429 to the end), ``bad_description`` (an answer that is no text).

        Raises:
            InputError: the key holds characters that no header may have.
            MissingPackageError: openai is not installed.
        """
        makers = [partial(describer_content, audio, self.prompt, f"sound {i}") for i, audio in enumerate(waveforms)]
        return self.ask(makers, check_description)


def describer_content(audio: Audio, prompt: str, name: str = "sound") -> Content:
    """Return the parts of a message about one sound.

    Raises:
        InputError: it is not audio; see ``to_mono``.
    """
    return [audio_part(audio, name), text_part(prompt)]


@dataclass(frozen=True, kw_only=True, eq=False)
class ServingDescriber(servings.KeptByServing):
    """Describer that is a serving object of DataFlow, asked about all sounds of a call in one go.

    One that takes any conversation, or ``LocalModelVLMServing_vllm`` of DataFlow-MM, whose ``generate_from_input``
    takes ``audio_inputs``. Retries, time-outs, parallel requests and the key are the serving's own.

    Args:
        serving: see ``vqe_core.llm.dataflow_serving``.
        prompt: what the model is told beside the sound.
        sampling_rate: Hz that audio should be resampled to beforehand.
        keep_answers, cache_dir: see ``ChatEndpoint``.

    Raises:
        InputTypeError: the serving cannot send audio to its model.
    """

    name: ClassVar[str] = "serving"

    serving: Any = field(repr=False)
    prompt: str = DEFAULT_PROMPT
    sampling_rate: int | None = servings.SAMPLING_RATE

    def __post_init__(self) -> None:
        _ = self._ask

    def signature(self) -> dict[str, str]:
        """Return what can change a description: kind of serving, server, model and words. No key."""
        return servings.serving_signature(self.serving, DESCRIBER, self.prompt)

    def describe(self, waveforms: Sequence[Audio]) -> list[str | VqeError]:
        """Return a text, or the error, of each sound, in order; code ``describer_failed`` where the serving gave none.

        Args:
            waveforms: ``AudioSamples`` or (float waveform (T,) or (C, T), sampling rate) each.
        """
        kept = self.kept(servings.asked_of(self.serving, DESCRIBER, self.prompt))
        return servings.read_answers(
            self.serving, DESCRIBER, waveforms, to_mono, self._ask, check_description, self._content, kept
        )

    def _content(self, audio: tuple[Any, int]) -> Content:
        return describer_content(audio, self.prompt)

    @property
    def _ask(self) -> Callable[[list[tuple[Any, int]]], list[Any]]:
        if servings.converses(self.serving):
            return self._ask_by_conversation
        if _takes_audio(self.serving) and hasattr(self.serving, "processor"):
            return self._ask_with_audio
        raise servings.refusal(
            self.serving,
            DESCRIBER,
            "sends text only, or one fixed question (generate_from_input), so the model would never be asked about "
            "the sound",
            "vqe_core.llm.EndpointDescriber",
        )

    def _ask_by_conversation(self, audios: list[tuple[Any, int]]) -> list[Any]:
        return servings.converse(self.serving, [partial(describer_content, audio, self.prompt) for audio in audios])

    def _ask_with_audio(self, audios: list[tuple[Any, int]]) -> list[Any]:
        # The name in place of the sound is for templates that show it; the samples go beside the text.
        content = [{"type": "audio", "audio_url": "sound.wav"}, {"type": "text", "text": self.prompt}]
        question = self.serving.processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        answers: list[Any] = self.serving.generate_from_input(
            [question] * len(audios), audio_inputs=[[audio] for audio in audios]
        )
        return answers


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalServerDescriber(servings.LocalServer):
    """Describer that is a local vLLM server of DataFlow, see ``LocalServer``."""

    endpoint_class: ClassVar[type[ChatEndpoint]] = EndpointDescriber

    def describe(self, waveforms: Sequence[Audio]) -> list[str | VqeError]:
        """Describe as ``EndpointDescriber`` does, once the server is up."""
        answers: list[str | VqeError] = self.started().describe(waveforms)
        return answers


def describer_of_serving(serving: Any) -> ServingDescriber | LocalServerDescriber:
    """Return the describer that a serving object of DataFlow makes.

    Raises:
        InputTypeError: it cannot send audio to its model; the message names the way out.
        InputError: its address or model name cannot be used.
        MissingPackageError: it is a local server, and openai is not installed.
    """
    if servings.is_local_server(serving):
        return LocalServerDescriber(serving=serving)
    return ServingDescriber(serving=serving)


def _takes_audio(serving: Any) -> bool:
    try:
        return "audio_inputs" in inspect.signature(serving.generate_from_input).parameters
    except (TypeError, ValueError):
        return False
