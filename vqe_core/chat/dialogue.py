"""What is said to a chat endpoint about one thing, and what its answers mean."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from vqe_core.chat.parts import ContentMaker, question
from vqe_core.chat.request import Answer, post
from vqe_core.chat.role import Role
from vqe_core.errors import ModelError, VqeError

Result = TypeVar("Result")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds
EXCERPT = 200  # letters of an answer that a message shows


@dataclass(frozen=True)
class Dialogue(Generic[Result]):
    """Requests of one call. Lives as long as the call, as it holds the key.

    Attributes:
        url: of the chat completions.
        key: sent as bearer, None for none.
        key_name: environment variable it came from, for messages.
        fields: of the request, the same for all.
        role: what the model is asked for.
        read: the text of an answer to its meaning; raises VqeError where it has none.
        timeout: seconds a request.
        retries: requests after the first.
    """

    url: str
    key: str | None = field(repr=False)
    key_name: str | None
    fields: Mapping[str, Any]
    role: Role
    read: Callable[[object], Result]
    timeout: float
    retries: int

    @property
    def longest(self) -> float:
        """Seconds that one question may take, where the server asks for no longer pauses."""
        return (self.retries + 1) * self.timeout + sum(_pause(i, None) for i in range(self.retries))

    def ask(self, content: ContentMaker, time_left: float) -> Result | VqeError:
        """What the answer means, or the error, in at most about ``time_left`` seconds."""
        deadline = time.monotonic() + time_left
        try:
            body = json.dumps({**self.fields, "messages": question(content())}).encode()
        except VqeError as error:
            return error
        for attempt in range(self.retries + 1):
            left = deadline - time.monotonic()
            answer = self._ask(body, min(self.timeout, max(left, 0.01)))
            pause = _pause(attempt, answer.retry_after)
            if not answer.worth_retrying or attempt == self.retries:
                return self._read(answer, attempt + 1)
            if time.monotonic() + pause >= deadline:
                return self._read(answer, attempt + 1)
            time.sleep(pause)
        raise AssertionError("the last attempt returns")

    def _ask(self, body: bytes, timeout: float) -> Answer:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "vqe-core"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        answer = post(self.url, body, headers, timeout)
        if self.key is None:
            return answer
        # a server may repeat what it was sent
        clean = answer.body.replace(self.key.encode(), b"***")
        return Answer(answer.status, clean, answer.retry_after, answer.reason)

    def _read(self, answer: Answer, attempts: int) -> Result | VqeError:
        if answer.status == 200 and not answer.reason:
            return self.read_answer(answer.body)
        tried = f"after {attempts} attempts" if attempts > 1 else "at once"
        if answer.reason:
            known = answer.reason in ("timeout", "unreachable")
            way_out = "raise timeout" if answer.reason == "timeout" else "check api_url and that the server runs"
            return ModelError(
                f"endpoint {self.url} gave up {tried}: {answer.reason.replace('_', ' ')} ({excerpt(answer.body)}); "
                f"{way_out}",
                code=self.role.code(answer.reason) if known else self.role.bad_answer,
            )
        return ModelError(
            f"endpoint {self.url} answered {answer.status} {tried}: {excerpt(answer.body)!r}"
            f"{self._advice(answer.status)}",
            code=self.role.code("failed" if answer.worth_retrying else "refused"),
        )

    def read_answer(self, body: bytes) -> Result | VqeError:
        """The meaning of an answer of chat completions, or a ModelError of the role's ``bad_answer``."""
        try:
            content = json.loads(body)["choices"][0]["message"]["content"]
            if isinstance(content, list):  # some servers answer in parts
                content = " ".join(part["text"] for part in content if part.get("type") == "text")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            return ModelError(
                f"endpoint {self.url} gave no chat completion but {excerpt(body)!r}; check that api_url is an "
                "OpenAI-compatible server",
                code=self.role.bad_answer,
            )
        try:
            return self.read(content)
        except VqeError as error:
            return ModelError(f"endpoint {self.url} gave no usable text: {error}", code=self.role.bad_answer)

    def _advice(self, status: int) -> str:
        if status in (401, 403):
            known = f"{self.key_name} is sent" if self.key else f"no key is sent; set {self.key_name or 'key_name'}"
            return f" ({known})"
        if 300 <= status < 400:
            return " (give the final address as api_url: redirects are not followed, they would take the key along)"
        if status == 404:
            return " (check api_url, which ends in /v1 on most servers, and model_name)"
        return " (lower max_workers)" if status == 429 else ""


def excerpt(body: bytes) -> str:
    """The beginning of an answer on one line, for messages."""
    return " ".join(body.decode(errors="replace").split())[:EXCERPT]


def _pause(attempt: int, retry_after: float | None) -> float:
    """Seconds to wait after the given attempt, counted from 0."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt) if retry_after is None else retry_after
