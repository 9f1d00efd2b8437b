"""A chat model behind an OpenAI-compatible endpoint: its options, its key, and many questions at a time.

A vLLM server, ``transformers serve`` and hosted services have one. The key is read from the environment at the
moment of a call; it is no field of the endpoint, and it is struck out of whatever comes back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar
from urllib.parse import urlsplit

from vqe_core.chat.dialogue import Dialogue
from vqe_core.chat.parallel import run_bounded
from vqe_core.chat.parts import ContentMaker
from vqe_core.chat.request import LOOPBACK
from vqe_core.chat.role import Role
from vqe_core.errors import InputError, ModelError, VqeError

DEFAULT_KEY = "OPENAI_API_KEY"

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class ChatEndpoint:
    """A chat model behind an endpoint, in some role.

    Args:
        api_url: of the server, up to ``/v1`` or with ``/chat/completions`` at the end.
        model_name: as the server calls it.
        prompt: what the model is told beside what it sees and hears.
        max_workers: most requests at a time.
        timeout: seconds for one request.
        retries: how often a request is sent again after a time-out, a lost connection, or status 408, 425, 429
            or 5xx; after 0.5, 1, 2 ... seconds, or when the server's Retry-After says.
        deadline: seconds for a whole call; what is not answered by then gets an error. Default: what a server may
            need that is just not too slow for ``timeout`` and ``retries``.
        key_name: environment variable with the key, None to send none. It goes over https or to this machine;
            over plain http elsewhere only where the variable is another than OPENAI_API_KEY.
        max_tokens: longest answer.
        sampling_rate: Hz that sounds should be resampled to beforehand; the models hear 16000.
        progress: progress bar: always, never, or (None) on a terminal only.

    Raises:
        InputError: an option breaks its rule.
    """

    role: ClassVar[Role]

    api_url: str
    model_name: str
    prompt: str
    max_workers: int = 8
    timeout: float = 60.0
    retries: int = 3
    deadline: float | None = None
    key_name: str | None = DEFAULT_KEY
    max_tokens: int
    sampling_rate: int | None = 16_000
    progress: bool | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _check_url(self.api_url)
        for name in ("model_name", "prompt"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name).strip():
                raise InputError(f"{name} ({getattr(self, name)!r}) must be a non-empty string")
        for name, least in (("max_workers", 1), ("retries", 0), ("max_tokens", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InputError(f"{name} ({value!r}) must be a whole number of at least {least}")
        for name, value in (("timeout", self.timeout), ("deadline", self.deadline)):
            if value is not None and not (isinstance(value, int | float) and 0 < value < float("inf")):
                raise InputError(f"{name} ({value!r}) must be a number of seconds above 0")

    @property
    def url(self) -> str:
        """Where requests go."""
        base = self.api_url.rstrip("/")
        return base if base.endswith("/chat/completions") else f"{base}/chat/completions"

    def signature(self) -> dict[str, str]:
        """What can change an answer: server, model and words. The key cannot, and is not here."""
        parts = {"url": self.url, "model": self.model_name, "prompt": self.prompt, "max_tokens": str(self.max_tokens)}
        return {self.role.name: "endpoint", **{f"{self.role.name}_{part}": value for part, value in parts.items()}}

    def ask(self, contents: Sequence[ContentMaker], read: Callable[[object], Result]) -> list[Result | VqeError]:
        """What the answer to each question means, or its error, in order.

        Args:
            contents: make the parts of a message each; a VqeError that one raises costs no request.
            read: the text of an answer to its meaning; raises VqeError where it has none.

        Returns:
            Meanings; where there is none a ``VqeError`` whose ``code`` says why: the role's name with ``_timeout``,
            ``_unreachable``, ``_refused`` (status 4xx) or ``_failed`` (status 5xx or 429 to the end), or the role's
            ``bad_answer``.

        Raises:
            InputError: the key holds characters that no header may have.
        """
        dialogue = Dialogue[Result](
            url=self.url,
            key=self._key(),
            key_name=self.key_name,
            fields={"model": self.model_name, "max_tokens": self.max_tokens, "temperature": 0.0},
            role=self.role,
            read=read,
            timeout=self.timeout,
            retries=self.retries,
        )
        rounds = -(-len(contents) // self.max_workers)
        deadline = self.deadline or rounds * dialogue.longest + 5
        late = ModelError(
            f"endpoint {self.url} did not answer on this {self.role.item} within deadline ({deadline:g} s for "
            f"{len(contents)} {self.role.item}s); raise deadline or max_workers",
            code=self.role.code("timeout"),
        )
        return run_bounded(
            dialogue.ask,
            contents,
            workers=self.max_workers,
            deadline=deadline,
            late=late,
            progress=self.progress,
            doing=self.role.doing,
        )

    def _key(self) -> str | None:
        key = os.environ.get(self.key_name, "").strip() if self.key_name else ""
        parts = urlsplit(self.api_url)
        exposed = parts.scheme == "http" and parts.hostname not in LOOPBACK
        if not key or (exposed and self.key_name == DEFAULT_KEY):
            return None
        if not key.isascii() or not key.isprintable():
            raise InputError(f"environment variable {self.key_name} holds characters that no key has; set it again")
        return key


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except (ValueError, TypeError, AttributeError):
        usable = False
    if not usable:
        raise InputError(f"api_url ({url!r}) must be the http address of a server, such as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        # not repeated in the message: it may hold a key
        raise InputError(
            "api_url must be a bare address, without user, password, ? or #: it is written into signatures; "
            "put the key into an environment variable and name that by key_name"
        )
