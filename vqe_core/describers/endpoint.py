"""Descriptions from a model behind an OpenAI-compatible endpoint that takes ``input_audio``.

A vLLM server, ``transformers serve`` and hosted services have one. The key is read from the environment at the
moment of a call; it is no field of the describer, and it is struck out of whatever comes back.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from vqe_core.describers.dialogue import Dialogue
from vqe_core.describers.parallel import run_bounded
from vqe_core.describers.request import LOOPBACK
from vqe_core.describers.sounds import Sound
from vqe_core.errors import InputError, ModelError, VqeError

DEFAULT_KEY = "OPENAI_API_KEY"
DEFAULT_PROMPT = (
    "Name the sources of this sound that could be seen in a video, in one short plain phrase such as "
    "'a dog barks while a man talks'. Answer with the phrase only."
)


@dataclass(frozen=True, kw_only=True)
class EndpointDescriber:
    """Describes sounds by a chat model that hears.

    Args:
        api_url: of the server, up to ``/v1`` or with ``/chat/completions`` at the end.
        model_name: as the server calls it.
        prompt: what the model is told beside the sound.
        max_workers: most requests at a time.
        timeout: seconds for one request.
        retries: how often a request is sent again after a time-out, a lost connection, or status 408, 425, 429
            or 5xx; after 0.5, 1, 2 ... seconds, or when the server's Retry-After says.
        deadline: seconds for a whole call; sounds not described by then get an error. Default: what a server may
            need that is just not too slow for ``timeout`` and ``retries``.
        key_name: environment variable with the key, None to send none. It goes over https or to this machine;
            over plain http elsewhere only where the variable is another than OPENAI_API_KEY.
        max_tokens: longest answer.
        sampling_rate: Hz that sounds should be resampled to beforehand; the models hear 16000.
        progress: progress bar: always, never, or (None) on a terminal only.

    Raises:
        InputError: an option breaks its rule.

    Example:
        >>> describer = EndpointDescriber(api_url="http://localhost:8000/v1", model_name="Qwen/Qwen2-Audio-7B-Instruct")
        >>> describer.signature()["describer_model"]
        'Qwen/Qwen2-Audio-7B-Instruct'
    """

    api_url: str
    model_name: str
    prompt: str = DEFAULT_PROMPT
    max_workers: int = 8
    timeout: float = 60.0
    retries: int = 3
    deadline: float | None = None
    key_name: str | None = DEFAULT_KEY
    max_tokens: int = 100
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
        """What can change a description: server, model and words. The key cannot, and is not here."""
        return {
            "describer": "endpoint",
            "describer_url": self.url,
            "describer_model": self.model_name,
            "describer_prompt": self.prompt,
            "describer_max_tokens": str(self.max_tokens),
        }

    def describe(self, waveforms: Sequence[Sound]) -> list[str | VqeError]:
        """A text, or the error, of each sound, in order.

        Args:
            waveforms: ``AudioSamples`` or (float waveform (T,) or (C, T), sampling rate) each.

        Returns:
            One-line texts; for a sound that could not be described a ``VqeError`` whose ``code`` says why:
            ``describer_timeout``, ``describer_unreachable``, ``describer_refused`` (status 4xx),
            ``describer_failed`` (status 5xx or 429 to the end), ``bad_description`` (an answer that is no text).

        Raises:
            InputError: the key holds characters that no header may have.
        """
        dialogue = Dialogue(
            url=self.url,
            key=self._key(),
            key_name=self.key_name,
            question={"model": self.model_name, "max_tokens": self.max_tokens, "temperature": 0.0},
            prompt=self.prompt,
            timeout=self.timeout,
            retries=self.retries,
        )
        rounds = -(-len(waveforms) // self.max_workers)
        deadline = self.deadline or rounds * dialogue.longest + 5
        late = ModelError(
            f"endpoint {self.url} did not describe this sound within deadline ({deadline:g} s for "
            f"{len(waveforms)} sounds); raise deadline or max_workers",
            code="describer_timeout",
        )
        tasks = [(sound, f"sound {i}") for i, sound in enumerate(waveforms)]
        return run_bounded(
            dialogue.describe, tasks, workers=self.max_workers, deadline=deadline, late=late, progress=self.progress
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
