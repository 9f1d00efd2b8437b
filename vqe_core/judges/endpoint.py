"""Judgements from a model behind an OpenAI-compatible endpoint that takes ``image_url`` and ``input_audio``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from vqe_core.chat.endpoint import ChatEndpoint
from vqe_core.chat.role import JUDGE, Role
from vqe_core.errors import VqeError
from vqe_core.judges.answers import read_judgement
from vqe_core.judges.exhibit import Exhibit
from vqe_core.judges.judgement import Judgement
from vqe_core.judges.questions import DEFAULT_PROMPT, VERSION, question_about


@dataclass(frozen=True, kw_only=True)
class EndpointJudge(ChatEndpoint):
    """Judges by a chat model that sees and hears, asked with temperature 0, which makes few servers deterministic.

    Args: see ``ChatEndpoint``; ``api_url`` and ``model_name`` have no default. A ``prompt`` of your own must ask for
        JSON with a ``score`` from 0 to 10 and a ``reason``.

    Raises:
        InputError: an option breaks its rule.

    Example:
        >>> judge = EndpointJudge(api_url="http://localhost:8000/v1", model_name="Qwen/Qwen2.5-Omni-7B")
        >>> judge.signature()["judge_model"]
        'Qwen/Qwen2.5-Omni-7B'
    """

    role: ClassVar[Role] = JUDGE

    prompt: str = DEFAULT_PROMPT
    max_tokens: int = 300

    def signature(self) -> dict[str, str]:
        """What can change a judgement: server, model, words, and how things are shown. The key is not here."""
        return {**super().signature(), "judge_temperature": "0", "judge_version": VERSION}

    def judge(self, exhibits: Sequence[Exhibit]) -> list[Judgement | VqeError]:
        """A judgement, or the error, of each exhibit, in order.

        Returns:
            Judgements; where there is none a ``VqeError`` whose ``code`` says why: ``judge_timeout``,
            ``judge_unreachable``, ``judge_refused`` (status 4xx), ``judge_failed`` (status 5xx or 429 to the end),
            ``bad_judgement`` (an answer without a number from 0 to 10, or with several).

        Raises:
            InputError: the key holds characters that no header may have.
        """
        return self.ask([partial(question_about, exhibit, self.prompt) for exhibit in exhibits], read_judgement)
