"""What is said to a chat endpoint about one sound, and what its answers mean."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vqe_core.describers.request import Answer, post
from vqe_core.describers.sounds import Sound, check_description, to_mono
from vqe_core.errors import ModelError, VqeError

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds
EXCERPT = 200  # letters of an answer that a message shows


@dataclass(frozen=True)
class Dialogue:
    """Requests of one call. Lives as long as the call, as it holds the key.

    Attributes:
        url: of the chat completions.
        key: sent as bearer, None for none.
        key_name: environment variable it came from, for messages.
        question: fields of the request that are the same for all sounds.
        prompt: text beside the sound.
        timeout: seconds a request.
        retries: requests after the first.
    """

    url: str
    key: str | None = field(repr=False)
    key_name: str | None
    question: Mapping[str, Any]
    prompt: str
    timeout: float
    retries: int

    @property
    def longest(self) -> float:
        """Seconds that one sound may take, where the server asks for no longer pauses."""
        return (self.retries + 1) * self.timeout + sum(_pause(i, None) for i in range(self.retries))

    def describe(self, task: tuple[Sound, str], time_left: float) -> str | VqeError:
        """The description, or the error, of a sound and its name, in at most about ``time_left`` seconds."""
        sound, name = task
        deadline = time.monotonic() + time_left
        try:
            body = self._request_body(sound, name)
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

    def _request_body(self, sound: Sound, name: str) -> bytes:
        audio = {"data": base64.b64encode(to_wav(sound, name)).decode("ascii"), "format": "wav"}
        content = [{"type": "input_audio", "input_audio": audio}, {"type": "text", "text": self.prompt}]
        return json.dumps({**self.question, "messages": [{"role": "user", "content": content}]}).encode()

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

    def _read(self, answer: Answer, attempts: int) -> str | VqeError:
        if answer.status == 200 and not answer.reason:
            return read_answer(answer.body, self.url)
        said = " ".join(answer.body.decode(errors="replace").split())[:EXCERPT]
        tried = f"after {attempts} attempts" if attempts > 1 else "at once"
        if answer.reason:
            code = {"timeout": "describer_timeout", "unreachable": "describer_unreachable"}
            way_out = "raise timeout" if answer.reason == "timeout" else "check api_url and that the server runs"
            return ModelError(
                f"endpoint {self.url} gave up {tried}: {answer.reason.replace('_', ' ')} ({said}); {way_out}",
                code=code.get(answer.reason, "bad_description"),
            )
        kind = "describer_failed" if answer.worth_retrying else "describer_refused"
        return ModelError(
            f"endpoint {self.url} answered {answer.status} {tried}: {said!r}{self._advice(answer.status)}", code=kind
        )

    def _advice(self, status: int) -> str:
        if status in (401, 403):
            known = f"{self.key_name} is sent" if self.key else f"no key is sent; set {self.key_name or 'key_name'}"
            return f" ({known})"
        if 300 <= status < 400:
            return " (give the final address as api_url: redirects are not followed, they would take the key along)"
        if status == 404:
            return " (check api_url, which ends in /v1 on most servers, and model_name)"
        return " (lower max_workers)" if status == 429 else ""


def read_answer(body: bytes, url: str) -> str | VqeError:
    """The text in an answer of chat completions, or a ModelError of code ``bad_description``."""
    try:
        message = json.loads(body)["choices"][0]["message"]
        content = message["content"]
        if isinstance(content, list):  # some servers answer in parts
            content = " ".join(part["text"] for part in content if part.get("type") == "text")
        return check_description(content)
    except VqeError as error:
        return ModelError(f"endpoint {url} gave no usable text: {error}", code="bad_description")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        said = " ".join(body.decode(errors="replace").split())[:EXCERPT]
        return ModelError(
            f"endpoint {url} gave no chat completion but {said!r}; check that api_url is an OpenAI-compatible server",
            code="bad_description",
        )


def to_wav(sound: Sound, name: str) -> bytes:
    """A 16-bit mono WAV file; samples beyond [-1, 1] are clipped.

    Raises:
        InputError: see ``to_mono``.
    """
    import soundfile

    waveform, rate = to_mono(sound, name)
    file = io.BytesIO()
    soundfile.write(file, waveform.clip(-1, 1), rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _pause(attempt: int, retry_after: float | None) -> float:
    """Seconds to wait after the given attempt, counted from 0."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt) if retry_after is None else retry_after
