"""Judges: images and audio to a number by a user's function, a model behind an endpoint, or a serving of DataFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol, runtime_checkable

from tqdm import tqdm

from vqe_core.errors import InputTypeError, ModelError, VqeError, row_error
from vqe_core.llm import dataflow_serving as servings
from vqe_core.llm.client import CAPTION_JUDGE, JUDGE, ChatEndpoint, Role
from vqe_core.llm.content import ContentMaker
from vqe_core.llm.judge_prompt import (
    DEFAULT_PROMPT,
    VERSION,
    Judged,
    JudgedClip,
    Judgement,
    as_judgement,
    read_judgement,
)
from vqe_core.registry import qualified_name


@runtime_checkable
class Judge(Protocol):
    """The part of a judge that a scorer needs.

    Attributes:
        sampling_rate: Hz that audio should be resampled to beforehand, None where any rate will do.
    """

    @property
    def sampling_rate(self) -> int | None: ...
    def signature(self) -> dict[str, str]: ...
    def judge(self, clips: Sequence[JudgedClip]) -> list[Judgement | VqeError]: ...


def as_judge(value: Any) -> Judge:
    """Return the judge that a user chose.

    Args:
        value: a judge, returned as it is, a function ``f(frames, timestamps, waveform, sampling_rate)`` that gives a
            number from 0 to 1 or (number, reason), or a serving object of DataFlow that takes conversations with
            images and audio.

    Raises:
        InputTypeError: none of these; servings that send text or images only among them.

    Example:
        >>> as_judge(lambda frames, timestamps, waveform, sampling_rate: 0.5).signature()["judge"]
        'function'
    """
    judges_captions = getattr(value, "role", None) is CAPTION_JUDGE
    if isinstance(value, Judge) and not judges_captions:
        return value
    if servings.is_serving(value):
        return judge_of_serving(value)
    if callable(value) and not judges_captions:
        function: Callable[..., Any] = value
        return FunctionJudge(function)
    raise InputTypeError(
        f"judge ({value!r}) must be a function f(frames, timestamps, waveform, sampling_rate) that gives a number from "
        f"0 to 1 or (number, reason), or an object with judge(clips), sampling_rate and signature(), got "
        f"{type(value).__name__}"
    )


@dataclass(frozen=True)
class FunctionJudge:
    """Judge that is a Python function.

    Args:
        function: ``f(frames, timestamps, waveform, sampling_rate)`` gives a number from 0 to 1, or (number, reason);
            what it gets are the fields of a ``JudgedClip``.
        function_name: stands for the function in the signature of a score; default its module and name.
            Change it when the function's behaviour changes.
        sampling_rate: Hz that the function wants, None where it takes any.
        progress: progress bar: always, never, or (None) on a terminal only.

    Raises:
        InputTypeError: ``function`` cannot be called.
    """

    name: ClassVar[str] = "function"
    role: ClassVar[Role] = JUDGE
    called_with: ClassVar[str] = "f(frames, timestamps, waveform, sampling_rate)"

    function: Callable[..., Any]
    function_name: str = ""
    sampling_rate: int | None = None
    progress: bool | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputTypeError(f"function ({self.function!r}) must be callable as {self.called_with}")

    def signature(self) -> dict[str, str]:
        """Return what can change a judgement: which function it is."""
        return {"judge": "function", "judge_name": self.function_name or qualified_name(self.function)}

    def judge(self, clips: Sequence[Judged]) -> list[Judgement | VqeError]:
        """Return a judgement, or the error, of each clip, in order. An error of the function concerns its clip."""
        disable = None if self.progress is None else not self.progress
        bar = tqdm(clips, desc=self.role.doing, disable=disable, leave=False)
        return [self._judge_one(clip, i) for i, clip in enumerate(bar)]

    def _judge_one(self, clip: Judged, number: int) -> Judgement | VqeError:
        try:
            return as_judgement(self.function(*clip.arguments()))
        except VqeError as error:
            return row_error(error)
        except Exception as error:  # a user's function may raise anything; other clips go on
            return ModelError(
                f"judge {self.signature()['judge_name']} failed on {self.role.item} {number}: "
                f"{type(error).__name__}: {error}",
                code=self.role.code("failed"),
            )


@dataclass(frozen=True, kw_only=True)
class EndpointJudge(ChatEndpoint):
    """Judge that is a chat model behind an OpenAI-compatible endpoint that takes ``image_url`` and ``input_audio``.

    It is asked with temperature 0, which makes few servers deterministic.

    Args: see ``ChatEndpoint``; ``api_url`` and ``model_name`` have no default. A ``prompt`` of your own must ask for
        JSON with a ``score`` from 0 to 10 and a ``reason``.

    Raises:
        InputError: an option breaks its rule.
        MissingPackageError: openai is not installed.

    Example:
        >>> judge = EndpointJudge(api_url="http://localhost:8000/v1", model_name="Qwen/Qwen2.5-Omni-7B")
        >>> judge.signature()["judge_model"]
        'Qwen/Qwen2.5-Omni-7B'
    """

    name: ClassVar[str] = "endpoint"
    role: ClassVar[Role] = JUDGE
    version: ClassVar[str] = VERSION

    prompt: str = DEFAULT_PROMPT
    max_tokens: int = 300

    def signature(self) -> dict[str, str]:
        """Return what can change a judgement: server, model, words, and how things are shown. The key is not here."""
        return {**super().signature(), "judge_temperature": "0", "judge_version": self.version}

    def judge(self, clips: Sequence[Judged]) -> list[Judgement | VqeError]:
        """Return a judgement, or the error, of each clip, in order.

        Returns:
            Judgements; where there is none a ``VqeError`` whose ``code`` says why: ``judge_timeout``,
            ``judge_unreachable``, ``judge_refused`` (status 4xx), ``judge_failed`` (status 5xx or 429 to the end),
            ``bad_judgement`` (an answer without a number from 0 to 10, or with several).

        Raises:
            InputError: the key holds characters that no header may have.
            MissingPackageError: openai is not installed.
        """
        return self.ask([partial(clip.content, self.prompt) for clip in clips], read_judgement)


@dataclass(frozen=True, kw_only=True, eq=False)
class ServingJudge(servings.KeptByServing):
    """Judge that is a serving object of DataFlow, asked about all clips of a call in one go.

    Retries, time-outs, parallel requests, the key and the temperature are the serving's own.

    Args:
        serving: one with ``generate_from_conversations``, whose model sees and hears.
        prompt: what the model is told beside images and audio.
        sampling_rate: Hz that audio should be resampled to beforehand.
        keep_answers, cache_dir: see ``ChatEndpoint``.

    Raises:
        InputTypeError: the serving cannot send images and audio to its model.
    """

    name: ClassVar[str] = "serving"
    role: ClassVar[Role] = JUDGE
    version: ClassVar[str] = VERSION
    way_out: ClassVar[tuple[str, str]] = ("takes no conversation with pictures and sound", "vqe_core.llm.EndpointJudge")

    serving: Any = field(repr=False)
    prompt: str = DEFAULT_PROMPT
    sampling_rate: int | None = servings.SAMPLING_RATE

    def __post_init__(self) -> None:
        if not servings.converses(self.serving):
            raise servings.refusal(self.serving, self.role, *self.way_out)

    def signature(self) -> dict[str, str]:
        """Return what can change a judgement: kind of serving, server, model and words. No key."""
        return {**servings.serving_signature(self.serving, self.role, self.prompt), "judge_version": self.version}

    def judge(self, clips: Sequence[Judged]) -> list[Judgement | VqeError]:
        """Return a judgement, or the error, of each clip, in order; code ``judge_failed`` where there is none."""
        ask = partial(servings.converse, self.serving)
        kept = self.kept(servings.asked_of(self.serving, self.role, self.prompt))
        return servings.read_answers(
            self.serving, self.role, clips, self._prepare, ask, read_judgement, lambda make: make(), kept
        )

    def _prepare(self, clip: Judged, name: str) -> ContentMaker:
        return partial(clip.content, self.prompt)


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalServerJudge(servings.LocalServer):
    """Judge that is a local vLLM server of DataFlow, see ``LocalServer``."""

    endpoint_class: ClassVar[type[ChatEndpoint]] = EndpointJudge

    def judge(self, clips: Sequence[Judged]) -> list[Judgement | VqeError]:
        """Judge as ``EndpointJudge`` does, once the server is up."""
        answers: list[Judgement | VqeError] = self.started().judge(clips)
        return answers


def judge_of_serving(serving: Any) -> ServingJudge | LocalServerJudge:
    """Return the judge that a serving object of DataFlow makes.

    Raises:
        InputTypeError: it cannot send images and audio to its model; the message names the way out.
        InputError: its address or model name cannot be used.
        MissingPackageError: it is a local server, and openai is not installed.
    """
    if servings.is_local_server(serving):
        return LocalServerJudge(serving=serving)
    return ServingJudge(serving=serving)
