"""Serving objects of DataFlow as judges: those of ``vqe_core.chat.serving``, whose messages hold any parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vqe_core.chat import serving as servings
from vqe_core.chat.parts import ContentMaker
from vqe_core.chat.role import JUDGE
from vqe_core.errors import VqeError
from vqe_core.judges.answers import read_judgement
from vqe_core.judges.endpoint import EndpointJudge
from vqe_core.judges.exhibit import Exhibit
from vqe_core.judges.judgement import Judgement
from vqe_core.judges.questions import DEFAULT_PROMPT, VERSION, question_about


@dataclass(frozen=True, kw_only=True, eq=False)
class ServingJudge:
    """Judges by a serving object of DataFlow, all clips of a call in one go.

    Retries, time-outs, parallel requests, the key and the temperature are the serving's own.

    Args:
        serving: one with ``generate_from_conversations``, whose model sees and hears.
        prompt: what the model is told beside pictures and sound.
        sampling_rate: Hz that sounds should be resampled to beforehand.

    Raises:
        InputTypeError: the serving cannot send pictures and sound to its model.
    """

    serving: Any = field(repr=False)
    prompt: str = DEFAULT_PROMPT
    sampling_rate: int | None = servings.SAMPLING_RATE

    def __post_init__(self) -> None:
        if not servings.converses(self.serving):
            raise servings.refuse(
                self.serving,
                JUDGE,
                "takes no conversation with pictures and sound",
                "vqe_core.judges.endpoint.EndpointJudge",
            )

    def signature(self) -> dict[str, str]:
        """What can change a judgement: kind of serving, server, model and words. The key cannot, and is not here."""
        return {**servings.serving_signature(self.serving, JUDGE, self.prompt), "judge_version": VERSION}

    def judge(self, exhibits: Sequence[Exhibit]) -> list[Judgement | VqeError]:
        """A judgement, or the error, of each exhibit, in order; code ``judge_failed`` where the serving gave none."""
        ask = partial(servings.converse, self.serving)
        return servings.read_answers(self.serving, JUDGE, exhibits, self._prepare, ask, read_judgement)

    def _prepare(self, exhibit: Exhibit, name: str) -> ContentMaker:
        return partial(question_about, exhibit, self.prompt)


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalServerJudge:
    """Judges by a local vLLM server that a serving object of DataFlow starts when it is first needed.

    Args:
        serving: ``LocalHostLLMAPIServing_vllm``, with ``host``, ``port`` and ``hf_model_name_or_path``.
    """

    serving: Any = field(repr=False)
    sampling_rate: int | None = servings.SAMPLING_RATE

    @property
    def endpoint(self) -> EndpointJudge:
        """The server as an endpoint, with the serving's number of workers. It needs no key."""
        return EndpointJudge(**servings.local_endpoint(self.serving))

    def signature(self) -> dict[str, str]:
        """The endpoint's."""
        return self.endpoint.signature()

    def judge(self, exhibits: Sequence[Exhibit]) -> list[Judgement | VqeError]:
        """As ``EndpointJudge``, once the server is up."""
        servings.start(self.serving)
        return self.endpoint.judge(exhibits)


def judge_of_serving(serving: Any) -> ServingJudge | LocalServerJudge:
    """A judge from a serving object of DataFlow.

    Raises:
        InputTypeError: it cannot send pictures and sound to its model; the message names the way out.
        InputError: its address or model name cannot be used.
    """
    if servings.is_local_server(serving):
        judge = LocalServerJudge(serving=serving)
        _ = judge.endpoint  # its address is checked here
        return judge
    return ServingJudge(serving=serving)
