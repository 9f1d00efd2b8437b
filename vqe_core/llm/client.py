"""A chat model behind an OpenAI-compatible endpoint: its options, its key, and many requests at a time.

A vLLM server, ``transformers serve`` and hosted services have such an endpoint. ``transport.py`` sends a
request; retries and the time that a call may take are decided here. The key is read from the environment at the
moment of a call; it is no field of the endpoint, and it is struck out of whatever comes back.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import urlsplit

from tqdm import tqdm

from vqe_core.cache import AnswerStore, CacheKey, open_answers
from vqe_core.errors import InputError, ModelError, VqeError, row_error
from vqe_core.llm.content import Content, ContentMaker, user_message
from vqe_core.llm.transport import CHAT, LOOPBACK, Answer, Sender, missing_openai

DEFAULT_KEY = "OPENAI_API_KEY"
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds
EXCERPT = 200  # letters of an answer that a message shows

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Role:
    """Purpose that a model is asked for: the words of messages and status words.

    Attributes:
        name: ``describer`` or ``judge``; status words and fields of signatures begin with it.
        doing: what it does, for a progress bar.
        item: what it is asked about.
        bad_answer: status word of an answer that is not what was asked for.
        needs: what the model must be able to take, for messages.
    """

    name: str
    doing: str
    item: str
    bad_answer: str
    needs: str

    def code(self, what: str) -> str:
        """Return the status word of a failure: ``timeout``, ``unreachable``, ``refused`` or ``failed``."""
        return f"{self.name}_{what}"


DESCRIBER = Role("describer", "describing", "sound", "bad_description", "input_audio")
JUDGE = Role("judge", "judging", "clip", "bad_judgement", "image_url and input_audio")
CAPTION_JUDGE = Role("judge", "judging", "caption", "bad_judgement", "image_url")


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
        sampling_rate: Hz that audio should be resampled to beforehand; the models hear 16000.
        progress: progress bar: always, never, or (None) on a terminal only.
        keep_answers: store each answer when it arrives, by all that was sent, and look it up before anything is sent:
            what was answered once is not paid for twice, whatever became of the run.
        cache_dir: folder that answers are kept in. Default: that of the command, see ``vqe cache info``.

    Raises:
        InputError: an option breaks its rule.
        MissingPackageError: openai is not installed.
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
    keep_answers: bool = field(default=True, compare=False)
    cache_dir: str | os.PathLike[str] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _check_url(self.api_url)
        for name in ("model_name", "prompt"):
            text = getattr(self, name)
            if not isinstance(text, str) or not text.strip():
                raise InputError(f"{name} ({text!r}) must be a non-empty string")
            if any("\ud800" <= letter <= "\udfff" for letter in text):
                raise InputError(f"{name} ({text!r}) holds half a letter, which no request can; write it again")
        for name, least in (("max_workers", 1), ("retries", 0), ("max_tokens", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InputError(f"{name} ({value!r}) must be a whole number of at least {least}")
        for name, value in (("timeout", self.timeout), ("deadline", self.deadline)):
            if value is not None and not (isinstance(value, int | float) and 0 < value < float("inf")):
                raise InputError(f"{name} ({value!r}) must be a number of seconds above 0")
        # Told here, before anything is decoded; looked for only, as its import takes a second.
        if importlib.util.find_spec("openai") is None:
            raise missing_openai()

    @property
    def url(self) -> str:
        """Address that requests go to."""
        base = self.api_url.rstrip("/")
        return base if base.endswith(CHAT) else f"{base}{CHAT}"

    def signature(self) -> dict[str, str]:
        """Return what can change an answer: server, model and words. The key cannot, and is not here."""
        parts = {"url": self.url, "model": self.model_name, "prompt": self.prompt, "max_tokens": str(self.max_tokens)}
        return {self.role.name: "endpoint", **{f"{self.role.name}_{part}": value for part, value in parts.items()}}

    def ask(self, contents: Sequence[ContentMaker], read: Callable[[object], Result]) -> list[Result | VqeError]:
        """Return what the answer to each message means, or its error, in order.

        Args:
            contents: make the parts of a message each; a VqeError that one raises costs no request.
            read: the text of an answer to its meaning; raises VqeError where it has none.

        Returns:
            Meanings; where there is none a ``VqeError`` whose ``code`` says why: the role's name with ``_timeout``,
            ``_unreachable``, ``_refused`` (status 4xx) or ``_failed`` (status 5xx or 429 to the end), or the role's
            ``bad_answer``.

        Raises:
            InputError: the key holds characters that no header may have, or the proxy of the environment is none.
            MissingPackageError: openai is not installed.
        """
        dialogue = _Dialogue[Result](
            self, self._key(), read, Sender.to(self.url), open_answers(self.cache_dir, keep=self.keep_answers)
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


@dataclass(frozen=True)
class _Dialogue(Generic[Result]):
    """The requests of one call. Lives as long as the call, as it holds the key.

    Attributes:
        endpoint: asked.
        key: sent as bearer, None for none.
        read: the text of an answer to its meaning; raises VqeError where it has none.
        sender: of its requests.
        answers: those of earlier calls, None where none are kept.
    """

    endpoint: ChatEndpoint
    key: str | None = field(repr=False)
    read: Callable[[object], Result]
    sender: Sender = field(repr=False)
    answers: AnswerStore | None = None

    @property
    def longest(self) -> float:
        """Seconds that one message may take, where the server asks for no longer pauses."""
        retries = self.endpoint.retries
        return (retries + 1) * self.endpoint.timeout + sum(_pause(i, None) for i in range(retries))

    def ask(self, content: ContentMaker, time_left: float) -> Result | VqeError:
        """Return what the answer means, or the error, in at most about ``time_left`` seconds.

        The retries of openai know no deadline, wait a random part less than what was promised, send nothing again
        where Retry-After is above two minutes, and let the server's x-should-retry decide; so they are off.
        """
        deadline = time.monotonic() + time_left
        try:
            request = self._request(content())
        except VqeError as error:
            return row_error(error)
        key = None if self.answers is None else self.answers.key(self.endpoint.url, request)
        kept = self._kept(key)
        if kept is not None:
            return kept
        for attempt in range(self.endpoint.retries + 1):
            # Whole, also near the deadline: the call does not wait for what is late, and a late answer is kept.
            answer = self._send(request, self.endpoint.timeout)
            pause = _pause(attempt, answer.retry_after)
            if not answer.worth_retrying or attempt == self.endpoint.retries:
                return self._read(answer, attempt + 1, key)
            if time.monotonic() + pause >= deadline:
                return self._read(answer, attempt + 1, key)
            time.sleep(pause)
        raise AssertionError("the last attempt returns")

    def _request(self, content: Content) -> dict[str, Any]:
        return {
            "model": self.endpoint.model_name,
            "max_tokens": self.endpoint.max_tokens,
            "temperature": 0.0,
            "messages": user_message(content),
        }

    def _kept(self, key: CacheKey | None) -> Result | None:
        """Return what an answer of an earlier call means; None where there is none that still means something."""
        text = None if self.answers is None or key is None else self.answers.get(key)
        try:
            return None if text is None else self.read(text)
        except VqeError:
            return None

    def _send(self, request: dict[str, Any], timeout: float) -> Answer:
        answer = self.sender.send(self.endpoint.url, self.key, request, timeout)
        if self.key is None:
            return answer
        # a server may repeat what it was sent
        clean = answer.body.replace(self.key.encode(), b"***")
        return Answer(answer.status, clean, answer.retry_after, answer.reason)

    def _read(self, answer: Answer, attempts: int, key: CacheKey | None) -> Result | VqeError:
        if answer.status == 200 and not answer.reason:
            return self._read_completion(answer.body, key)
        url, role = self.endpoint.url, self.endpoint.role
        tried = f"after {attempts} attempts" if attempts > 1 else "at once"
        if answer.reason:
            known = answer.reason in ("timeout", "unreachable")
            way_out = "raise timeout" if answer.reason == "timeout" else "check api_url and that the server runs"
            why = answer.reason.replace("_", " ")
            return ModelError(
                f"endpoint {url} gave up {tried}: {why} ({excerpt(answer.body)}); {way_out}",
                code=role.code(answer.reason) if known else role.bad_answer,
            )
        return ModelError(
            f"endpoint {url} answered {answer.status} {tried}: {excerpt(answer.body)!r}{self._advice(answer.status)}",
            code=role.code("failed" if answer.worth_retrying else "refused"),
        )

    def _read_completion(self, body: bytes, key: CacheKey | None) -> Result | VqeError:
        """Read the meaning of a chat completion, and store what has one.

        The types of openai check nothing, so that a field of a wrong kind would fail wherever it is used first.
        """
        url, bad_answer = self.endpoint.url, self.endpoint.role.bad_answer
        try:
            choice = json.loads(body)["choices"][0]
            refusal = _refusal(choice)
            if refusal:
                words = f"the model behind {url} refused: {excerpt(refusal.encode())!r}"
                return ModelError(words, code=self.endpoint.role.code("refused"))
            content = choice["message"]["content"]
            if isinstance(content, list):  # some servers answer in parts
                content = " ".join(part["text"] for part in content if part.get("type") == "text")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            return ModelError(
                f"endpoint {url} gave no chat completion but {excerpt(body)!r}; check that api_url is an "
                "OpenAI-compatible server",
                code=bad_answer,
            )
        try:
            meaning = self.read(content)
        except VqeError as error:
            return ModelError(f"endpoint {url} gave no usable text: {error}", code=bad_answer)
        if self.answers is not None and key is not None:
            self.answers.put(key, str(content))  # in this thread, so that a kill a moment later finds it on disk
        return meaning

    def _advice(self, status: int) -> str:
        if status in (401, 403):
            name = self.endpoint.key_name
            known = f"{name} is sent" if self.key else f"no key is sent; set {name or 'key_name'}"
            return f" ({known})"
        if 300 <= status < 400:
            return " (give the final address as api_url: redirects are not followed, they would take the key along)"
        if status == 404:
            return " (check api_url, which ends in /v1 on most servers, and model_name)"
        return " (lower max_workers)" if status == 429 else ""


def _refusal(choice: Any) -> str:
    """Return why a model or its server declined to answer, "" where it did not."""
    refusal = choice["message"].get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        return refusal
    return "content_filter" if choice.get("finish_reason") == "content_filter" else ""


def excerpt(body: bytes) -> str:
    """Return the beginning of an answer on one line, for messages.

    Example:
        >>> excerpt(b"no  such\\nmodel")
        'no such model'
    """
    return " ".join(body.decode(errors="replace").split())[:EXCERPT]


def _pause(attempt: int, retry_after: float | None) -> float:
    """Return the seconds to wait after the given attempt, counted from 0."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt) if retry_after is None else retry_after


@dataclass(frozen=True)
class _Outcome(Generic[Result]):
    """Result of task ``number``. A result may itself be an error object, so a raised one has its own place."""

    number: int
    result: Result
    failure: BaseException | None = None


def run_bounded(
    call: Callable[[Task, float], Result],
    tasks: Sequence[Task],
    *,
    workers: int,
    deadline: float,
    late: Result,
    progress: bool | None = None,
    doing: str = "asking",
) -> list[Result]:
    """Call ``call(task, time_left)`` for each task in threads.

    The threads are daemons and are left behind at the deadline, so that a call that hangs in a name server or a
    socket holds up neither the caller nor the end of the program.

    Args:
        call: must not raise; an exception that it raises all the same is raised here.
        tasks: in the order of the results.
        workers: most calls at a time.
        deadline: seconds for all.
        late: result of a task that is not done by then.
        progress: progress bar: always, never, or (None) on a terminal only.
        doing: what the bar says.

    Returns:
        A result a task, in order.

    Example:
        >>> run_bounded(lambda task, time_left: task**2, [1, 2, 3], workers=2, deadline=10, late=None, progress=False)
        [1, 4, 9]
    """
    end = time.monotonic() + deadline
    waiting: queue.SimpleQueue[tuple[int, Task]] = queue.SimpleQueue()
    done: queue.SimpleQueue[_Outcome[Result]] = queue.SimpleQueue()
    for numbered in enumerate(tasks):
        waiting.put(numbered)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set() and (left := end - time.monotonic()) > 0:
            try:
                number, task = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put(_Outcome(number, call(task, left)))
            except BaseException as error:  # handed to the caller, whose thread may raise it
                done.put(_Outcome(number, late, error))

    for _ in range(min(workers, len(tasks))):
        threading.Thread(target=work, daemon=True, name="vqe-chat").start()
    results = [late] * len(tasks)
    try:
        for outcome in _collect(done, len(tasks), end, progress, doing):
            if outcome.failure is not None:
                raise outcome.failure
            results[outcome.number] = outcome.result
    finally:
        stop.set()
    return results


def _collect(
    done: queue.SimpleQueue[_Outcome[Result]], count: int, end: float, progress: bool | None, doing: str
) -> Iterator[_Outcome[Result]]:
    """Yield outcomes as they come, until all are there or the time is over."""
    disable = None if progress is None else not progress
    with tqdm(total=count, desc=doing, disable=disable, leave=False) as bar:
        for _ in range(count):
            try:
                outcome = done.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                return
            bar.update()
            yield outcome
