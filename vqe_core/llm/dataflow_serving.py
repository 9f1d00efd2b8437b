"""Serving objects of DataFlow that take any conversation, or start a server. Known by their attributes, not imported.

=============================================  ===========================================================
``APILLMServing_request``                      its ``generate_from_conversations`` takes any message
``LocalHostLLMAPIServing_vllm``                a vLLM server that it starts; asked as an endpoint
=============================================  ===========================================================

The others send text or images only, or one fixed question: they are refused with the way out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from vqe_core.cache import CacheKey, open_answers
from vqe_core.errors import InputTypeError, ModelError, VqeError, row_error
from vqe_core.llm.client import Role
from vqe_core.llm.content import Content, ContentMaker, user_message
from vqe_core.llm.transport import CHAT

SAMPLING_RATE = 16_000  # Hz, what the models hear
_MODEL_NAMES = ("model_name", "hf_model_name_or_path", "real_model_path")
_LOCAL_SERVER = ("host", "port", "hf_model_name_or_path", "max_workers", "start_serving", "backend_initialized")

# What can change an answer beside the model and what is sent, as far as a serving names it.
_SAMPLING = (
    *("temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "max_new_tokens", "repetition_penalty"),
    *("frequency_penalty", "presence_penalty", "seed", "system_prompt", "reasoning_effort"),
)

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Result = TypeVar("Result")


def is_serving(value: Any) -> bool:
    """Tell whether this looks like a serving object of DataFlow."""
    return hasattr(value, "generate_from_input")


def converses(serving: Any) -> bool:
    """Tell whether a serving takes conversations with any parts."""
    return hasattr(serving, "api_url") and hasattr(serving, "generate_from_conversations")


def converse(serving: Any, contents: Sequence[ContentMaker]) -> list[Any]:
    """Return the serving's answer to each message, all in one go; None where it gave none."""
    answers: list[Any] = serving.generate_from_conversations([user_message(make()) for make in contents])
    return answers


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptByServing:
    """Options of whoever asks a serving, and its answers of earlier calls.

    Attributes:
        keep_answers: store answers when they arrive, by all that is known to change them, and look them up first.
        cache_dir: folder that they are kept in. Default: that of the command.
    """

    keep_answers: bool = field(default=True)
    cache_dir: str | os.PathLike[str] | None = None

    def kept(self, about: Mapping[str, Any]) -> Kept | None:
        """Return the answers of a serving that ``about`` describes, None where none are kept."""
        store = open_answers(self.cache_dir, keep=self.keep_answers)
        if store is None:
            return None
        return Kept(lambda content: store.key("", {**about, "content": content}), store.get, store.put)


@dataclass(frozen=True)
class Kept:
    """Answers of one serving: the key of what is sent, and how to look up and store by it."""

    key: Callable[[Content], CacheKey]
    get: Callable[[CacheKey], str | None]
    put: Callable[[CacheKey, str], None]


def read_answers(
    serving: Any,
    role: Role,
    items: Sequence[Item],
    prepare: Callable[[Item, str], Prepared],
    ask: Callable[[list[Prepared]], list[Any]],
    read: Callable[[object], Result],
    content: Callable[[Prepared], Content],
    kept: Kept | None = None,
) -> list[Result | VqeError]:
    """Return what the answer about each item means, or its error, in order.

    Answers are stored as the serving gives them. One that takes conversations is asked about as many at a time as it
    has workers, as it gives its answers only when it has them all.

    Args:
        serving: asked by ``ask``; for messages.
        role: what the model is asked for.
        items: asked about.
        prepare: an item and its name to what is asked about; an item for which it raises VqeError is not.
        ask: all that is prepared to answers, None where there is none.
        read: an answer to its meaning; raises VqeError where it has none.
        content: what is sent about a prepared item.
        kept: answers of earlier calls, None to keep none.

    Raises:
        ModelError: there are more or fewer answers than were asked for.
    """
    results: dict[int, Result | VqeError] = {}
    prepared: dict[int, Prepared] = {}
    for i, item in enumerate(items):
        try:
            prepared[i] = prepare(item, f"{role.item} {i}")
        except VqeError as error:
            results[i] = row_error(error)
    keys = {} if kept is None else {i: kept.key(content(item)) for i, item in prepared.items()}
    for i, key in keys.items():
        meaning = _meaning(kept, key, read)
        if meaning is not None:
            results[i] = meaning
    waiting = [i for i in prepared if i not in results]
    size = _at_once(serving) if keys else len(waiting)
    for start in range(0, len(waiting), max(1, size)):
        numbers = waiting[start : start + size]
        for i, answer in zip(numbers, _asked(serving, role, ask, [prepared[i] for i in numbers]), strict=True):
            try:
                results[i] = _missing(type(serving).__name__, role) if answer is None else read(answer)
            except VqeError as error:
                results[i] = row_error(error)
            if kept is not None and isinstance(answer, str) and not isinstance(results[i], VqeError):
                kept.put(keys[i], answer)
    return [results[i] for i in range(len(items))]


def _meaning(kept: Kept | None, key: CacheKey, read: Callable[[object], Result]) -> Result | None:
    text = None if kept is None else kept.get(key)
    try:
        return None if text is None else read(text)
    except VqeError:
        return None


def _at_once(serving: Any) -> int:
    workers: Any = getattr(serving, "max_workers", None)
    known = isinstance(workers, int) and not isinstance(workers, bool) and workers > 0
    return int(workers) if known and converses(serving) else sys.maxsize


def _asked(serving: Any, role: Role, ask: Callable[[list[Prepared]], list[Any]], items: list[Prepared]) -> list[Any]:
    answers = ask(items)
    if len(answers) != len(items):
        raise ModelError(f"{type(serving).__name__} gave {len(answers)} answers for {len(items)} {role.item}s")
    return answers


def _missing(name: str, role: Role) -> ModelError:
    # Its reason is in DataFlow's log only.
    return ModelError(
        f"{name} gave no answer for this {role.item}; its log says why. Does the model at its address take "
        f"{role.needs}?",
        code=role.code("failed"),
    )


def is_local_server(serving: Any) -> bool:
    """Tell whether a serving starts a server on this machine, which can be asked as an endpoint."""
    return all(hasattr(serving, name) for name in _LOCAL_SERVER)


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalServer(KeptByServing):
    """Local vLLM server, which a serving object of DataFlow starts when it is first needed, as an endpoint.

    Args:
        serving: ``LocalHostLLMAPIServing_vllm``, with ``host``, ``port`` and ``hf_model_name_or_path``.

    Raises:
        InputError: its address or model name cannot be used.
        MissingPackageError: openai is not installed.
    """

    name: ClassVar[str] = "local_server"
    endpoint_class: ClassVar[Any]  # a kind of ``ChatEndpoint`` with a prompt

    serving: Any = field(repr=False)
    sampling_rate: int | None = SAMPLING_RATE

    def __post_init__(self) -> None:
        _ = self.endpoint

    @property
    def endpoint(self) -> Any:
        """The server as an endpoint, with the serving's number of workers. It needs no key."""
        serving = self.serving
        return self.endpoint_class(
            api_url=f"http://{serving.host}:{serving.port}/v1",
            model_name=str(serving.hf_model_name_or_path),
            max_workers=serving.max_workers,
            key_name=None,
            keep_answers=self.keep_answers,
            cache_dir=self.cache_dir,
        )

    def signature(self) -> dict[str, str]:
        """Return the signature of the endpoint."""
        signature: dict[str, str] = self.endpoint.signature()
        return signature

    def started(self) -> Any:
        """Return the endpoint once the server is up."""
        if not self.serving.backend_initialized:
            self.serving.start_serving()
        return self.endpoint


def serving_signature(serving: Any, role: Role, prompt: str) -> dict[str, str]:
    """Return what can change an answer: kind of serving, server, model and words. The key cannot, and is not here."""
    model = next((getattr(serving, name) for name in _MODEL_NAMES if getattr(serving, name, None)), "")
    server = {f"{role.name}_url": _bare(serving.api_url)} if hasattr(serving, "api_url") else {}
    return {
        role.name: type(serving).__name__,
        f"{role.name}_model": str(model),
        f"{role.name}_prompt": prompt,
        **server,
    }


def asked_of(serving: Any, role: Role, prompt: str) -> dict[str, Any]:
    """Return what can change an answer of a serving beside what is sent: its signature and its sampling options."""
    sampling = {name: getattr(serving, name, None) for name in _SAMPLING}
    plain = {name: value for name, value in sampling.items() if isinstance(value, str | int | float | bool)}
    return {**serving_signature(serving, role, prompt), "sampling": plain}


def refusal(serving: Any, role: Role, why: str, endpoint: str) -> InputTypeError:
    """Return the error of a serving that cannot play a role, with the line that can.

    Args:
        serving: refused.
        role: what it cannot do.
        why: what it cannot do, to follow its name.
        endpoint: module and class to use.
    """
    url, model = getattr(serving, "api_url", None), getattr(serving, "model_name", None)
    workers = getattr(serving, "max_workers", None)
    address = repr(_bare(url).removesuffix(CHAT)) if url else "..."
    options = [f"api_url={address}", f"model_name={model!r}" if model else "model_name=..."]
    options += [f"max_workers={workers}"] if isinstance(workers, int) else []
    module, _, name = endpoint.rpartition(".")
    return InputTypeError(
        f"{role.name} ({type(serving).__name__}) {why}; use {name}({', '.join(options)}) of {module} with the address "
        f"of a server whose model takes {role.needs}"
    )


def _bare(url: Any) -> str:
    """Return an address without user, password and query, which may hold a key."""
    parts = urlsplit(str(url))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
