"""Serving objects of DataFlow that take any conversation, or start a server. Known by their attributes, not imported.

=============================================  ===========================================================
``APILLMServing_request``                      its ``generate_from_conversations`` takes any message
``LocalHostLLMAPIServing_vllm``                a vLLM server that it starts; asked as an endpoint
=============================================  ===========================================================

The others send text or images only, or one fixed question: they are refused with the way out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from vqe_core.errors import InputTypeError, ModelError, VqeError, row_error
from vqe_core.llm.client import Role
from vqe_core.llm.content import ContentMaker, user_message
from vqe_core.llm.transport import CHAT

SAMPLING_RATE = 16_000  # Hz, what the models hear
_MODEL_NAMES = ("model_name", "hf_model_name_or_path", "real_model_path")
_LOCAL_SERVER = ("host", "port", "hf_model_name_or_path", "max_workers", "start_serving", "backend_initialized")

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


def read_answers(
    serving: Any,
    role: Role,
    items: Sequence[Item],
    prepare: Callable[[Item, str], Prepared],
    ask: Callable[[list[Prepared]], list[Any]],
    read: Callable[[object], Result],
) -> list[Result | VqeError]:
    """Return what the answer about each item means, or its error, in order.

    Args:
        serving: asked by ``ask``; for messages.
        role: what the model is asked for.
        items: asked about.
        prepare: an item and its name to what is asked about; an item for which it raises VqeError is not.
        ask: all that is prepared to answers, None where there is none.
        read: an answer to its meaning; raises VqeError where it has none.

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
    answers = ask(list(prepared.values())) if prepared else []
    name = type(serving).__name__
    if len(answers) != len(prepared):
        raise ModelError(f"{name} gave {len(answers)} answers for {len(prepared)} {role.item}s")
    for i, answer in zip(prepared, answers, strict=True):
        try:
            results[i] = _missing(name, role) if answer is None else read(answer)
        except VqeError as error:
            results[i] = row_error(error)
    return [results[i] for i in range(len(items))]


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
class LocalServer:
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
