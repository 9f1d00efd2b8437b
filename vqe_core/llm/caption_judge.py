"""Judges of captions: images and a caption to a number, asked as judges of sounds are, see ``judge.py``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

from vqe_core.errors import InputError, InputTypeError, VqeError
from vqe_core.llm import dataflow_serving as servings
from vqe_core.llm.client import CAPTION_JUDGE, JUDGE, ChatEndpoint, Role
from vqe_core.llm.judge import EndpointJudge, FunctionJudge, LocalServerJudge, ServingJudge
from vqe_core.llm.judge_prompt import CAPTION_PROMPTS, CAPTION_VERSION, JudgedCaption, Judgement, caption_prompt

DEFAULT_CAPTION_PROMPT = "zero-shot"


@runtime_checkable
class CaptionJudge(Protocol):
    """The part of a judge of captions that a scorer needs."""

    def signature(self) -> dict[str, str]: ...
    def judge(self, captions: Sequence[JudgedCaption]) -> list[Judgement | VqeError]: ...


@dataclass(frozen=True)
class FunctionCaptionJudge(FunctionJudge):
    """Judge of captions that is a Python function.

    Args:
        function: ``f(frames, timestamps, caption, references)`` gives a number from 0 to 1, or (number, reason); what
            it gets are the fields of a ``JudgedCaption``.
        function_name, progress: see ``FunctionJudge``.

    Raises:
        InputTypeError: ``function`` cannot be called.

    Example:
        >>> import numpy as np
        >>> judge = FunctionCaptionJudge(lambda frames, timestamps, caption, references: float("red" in caption))
        >>> judge.judge([JudgedCaption(np.zeros((1, 4, 4, 3), np.uint8), None, "a red square")])
        [Judgement(score=1.0, reason='')]
    """

    role: ClassVar[Role] = CAPTION_JUDGE
    called_with: ClassVar[str] = "f(frames, timestamps, caption, references)"

    sampling_rate: None = field(default=None, init=False, repr=False)  # there is no sound


@dataclass(frozen=True, kw_only=True)
class EndpointCaptionJudge(EndpointJudge):
    """Judge of captions that is a chat model behind an OpenAI-compatible endpoint that takes ``image_url``.

    It is asked with temperature 0, which makes few servers deterministic.

    Args: see ``ChatEndpoint``; ``api_url`` and ``model_name`` have no default. A ``prompt`` of your own must ask for
        JSON with a ``score`` from 0 to 10 and a ``reason``.

    Raises:
        InputError: an option breaks its rule.
        MissingPackageError: openai is not installed.

    Example:
        >>> judge = EndpointCaptionJudge(api_url="http://localhost:8000/v1", model_name="Qwen/Qwen2.5-VL-7B-Instruct")
        >>> judge.signature()["judge_model"]
        'Qwen/Qwen2.5-VL-7B-Instruct'
    """

    role: ClassVar[Role] = CAPTION_JUDGE
    version: ClassVar[str] = f"caption {CAPTION_VERSION}"

    prompt: str = CAPTION_PROMPTS[DEFAULT_CAPTION_PROMPT]
    sampling_rate: None = field(default=None, init=False, repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class ServingCaptionJudge(ServingJudge):
    """Judge of captions that is a serving object of DataFlow, see ``ServingJudge``; its model must see."""

    role: ClassVar[Role] = CAPTION_JUDGE
    version: ClassVar[str] = f"caption {CAPTION_VERSION}"
    way_out: ClassVar[tuple[str, str]] = (
        "takes no conversation with pictures",
        "vqe_core.llm.caption_judge.EndpointCaptionJudge",
    )

    prompt: str = CAPTION_PROMPTS[DEFAULT_CAPTION_PROMPT]
    sampling_rate: None = field(default=None, init=False, repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalServerCaptionJudge(LocalServerJudge):
    """Judge of captions that is a local vLLM server of DataFlow, see ``LocalServer``."""

    endpoint_class: ClassVar[type[ChatEndpoint]] = EndpointCaptionJudge

    prompt: str = CAPTION_PROMPTS[DEFAULT_CAPTION_PROMPT]
    sampling_rate: None = field(default=None, init=False, repr=False)

    @property
    def endpoint(self) -> Any:
        """The server as an endpoint that is told the prompt."""
        return replace(super().endpoint, prompt=self.prompt)


def as_caption_judge(value: Any, *, prompt: str = DEFAULT_CAPTION_PROMPT) -> CaptionJudge:
    """Return the judge of captions that a user chose.

    Args:
        value: a judge, returned as it is, a function ``f(frames, timestamps, caption, references)`` that gives a number
            from 0 to 1 or (number, reason), or a serving object of DataFlow that takes conversations with images.
        prompt: what a serving is told: a name of ``CAPTION_PROMPTS``, or a text.

    Raises:
        InputTypeError: none of these; servings that send text or images only among them.
        InputError: a prompt for a judge that is told none, or that has its own.

    Example:
        >>> as_caption_judge(lambda frames, timestamps, caption, references: 0.5).signature()["judge"]
        'function'
    """
    words = caption_prompt(prompt)
    if servings.is_serving(value):
        kind = LocalServerCaptionJudge if servings.is_local_server(value) else ServingCaptionJudge
        return kind(serving=value, prompt=words)
    if prompt != DEFAULT_CAPTION_PROMPT:
        raise InputError(
            f"judge_prompt ({prompt!r}) is told to a model behind api_url or a serving; leave it out, or give the "
            "judge its own prompt"
        )
    if isinstance(value, CaptionJudge) and getattr(value, "role", None) is not JUDGE:
        return value
    if callable(value) and not isinstance(value, CaptionJudge):
        function: Callable[..., Any] = value
        return FunctionCaptionJudge(function)
    raise InputTypeError(
        f"judge ({value!r}) must be a function f(frames, timestamps, caption, references) that gives a number from "
        f"0 to 1 or (number, reason), or an object with judge(captions) and signature() that judges captions, got "
        f"{type(value).__name__}"
    )
