"""Describers and judges: those that the options name, and asking them so that a failure costs rows, not the call."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from vqe_core import registry
from vqe_core.errors import PROGRAMMING_ERRORS, InputError, InternalError, VqeError, attempt, row_error
from vqe_core.llm.caption_judge import CaptionJudge, EndpointCaptionJudge, as_caption_judge
from vqe_core.llm.client import ChatEndpoint, Role
from vqe_core.llm.dataflow_serving import KeptByServing
from vqe_core.llm.describer import Describer, EndpointDescriber, as_describer
from vqe_core.llm.judge import EndpointJudge, Judge, as_judge
from vqe_core.llm.judge_prompt import caption_prompt

Item = TypeVar("Item")
Result = TypeVar("Result")
Asked = TypeVar("Asked")


class Asking(Protocol):
    """Options of a metric that asks a model: where it is, or what it is in place of an address."""

    @property
    def api_url(self) -> str | None: ...
    @property
    def model_name(self) -> str | None: ...
    @property
    def keep_answers(self) -> bool: ...
    @property
    def cache_dir(self) -> Any: ...


class DescriberOptions(Asking, Protocol):
    """Options of a metric that has sounds described."""

    @property
    def describer(self) -> Any: ...


class JudgeOptions(Asking, Protocol):
    """Options of a metric that has sounds judged."""

    @property
    def judge(self) -> Any: ...


class CaptionJudgeOptions(JudgeOptions, Protocol):
    """Options of a metric that has captions judged."""

    @property
    def judge_prompt(self) -> str: ...
    @property
    def timeout(self) -> float: ...
    @property
    def retries(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...


def describer_for(options: DescriberOptions) -> Describer | None:
    """Return what describes audio in words, None where the options name nothing.

    Raises:
        InputError: an address without a model, or one that holds a key or no host.
        InputTypeError: neither a function nor a describer.
    """
    if options.describer is not None:
        named = isinstance(options.describer, str)
        return _keeping(
            as_describer(registry.create("describer", options.describer) if named else options.describer), options
        )
    if options.api_url is None:
        return None
    return EndpointDescriber(**_endpoint(options))


def judge_for(options: JudgeOptions) -> Judge:
    """Return the judge of how well audio and images fit.

    Raises:
        InputError: the options name nobody, or an address without a model, or one that holds a key or no host.
        InputTypeError: neither a function nor a judge.
    """
    if options.judge is not None:
        named = isinstance(options.judge, str)
        return _keeping(as_judge(registry.create("judge", options.judge) if named else options.judge), options)
    if options.api_url is None:
        raise InputError("method 'judge' needs a judge, or api_url and model_name of a model that sees and hears")
    return EndpointJudge(**_endpoint(options))


def caption_judge_for(options: CaptionJudgeOptions) -> CaptionJudge:
    """Return the judge of how well captions fit.

    Raises:
        InputError: the options name nobody, an address without a model, or a prompt for somebody who is told none.
        InputTypeError: neither a function nor a judge.
    """
    if options.judge is None:
        if options.api_url is None:
            raise InputError("caption_judge needs a judge, or api_url and model_name of a model that sees pictures")
        names = ("timeout", "retries", "max_tokens")
        asking = {**_endpoint(options), **{name: getattr(options, name) for name in names}}
        return EndpointCaptionJudge(**asking, prompt=caption_prompt(options.judge_prompt))
    if options.api_url is not None:
        raise InputError("judge and api_url exclude each other; give one")
    named = isinstance(options.judge, str)
    judge = registry.create("caption_judge", options.judge) if named else options.judge
    return _keeping(as_caption_judge(judge, prompt=options.judge_prompt), options)


def _keeping(asked: Asked, options: Asking) -> Asked:
    """Return who is asked, with answers kept as the options say where it says nothing else itself."""
    if not isinstance(asked, ChatEndpoint | KeptByServing):
        return asked
    kept = asked.keep_answers and options.keep_answers
    changed: Asked = replace(asked, keep_answers=kept, cache_dir=asked.cache_dir or options.cache_dir)
    return changed


def _endpoint(options: Asking) -> dict[str, Any]:
    if options.model_name is None:
        # The address is not repeated: it may hold what should not be printed.
        raise InputError("api_url needs model_name; name the model that the endpoint serves")
    names = ("api_url", "model_name", "max_workers", "progress", "keep_answers", "cache_dir")
    return {name: getattr(options, name) for name in names}


def ask_once(
    role: Role,
    keys: Sequence[Hashable],
    items: Sequence[Item],
    ask: Callable[[list[Item]], Sequence[Any]],
    check: Callable[[Any], Result],
) -> list[Result | VqeError]:
    """Return the answer about each item; equal ones are asked about once, as an answer may cost money.

    Args:
        role: of who is asked.
        keys: equal for equal items.
        items: asked about.
        ask: distinct items to an answer, or an error, each.
        check: an answer to what is used of it; raises VqeError where it cannot be used.
    """
    first: dict[Hashable, Item] = {}
    for key, item in zip(keys, items, strict=True):
        first.setdefault(key, item)
    distinct = list(first.values())
    try:
        answers = list(ask(distinct))
        if len(answers) != len(distinct):
            raise ValueError(f"{len(answers)} answers for {len(distinct)} {role.item}s")
    except Exception as error:  # anyone may write a describer or a judge
        failed: VqeError = InputError(f"the {role.name} failed: {error}", code=role.code("failed"))
        if isinstance(error, PROGRAMMING_ERRORS) and _raised_here(error):
            failed = InternalError.of(error)
        answers = [failed] * len(distinct)
    checked = {
        key: row_error(answer) if isinstance(answer, VqeError) else attempt(check, answer)
        for key, answer in zip(first, answers, strict=True)
    }
    return [checked[key] for key in keys]


def _raised_here(error: BaseException) -> bool:
    """Tell whether a line of this package raised an exception, not one of who was asked."""
    module = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module = frame.f_globals.get("__name__", "")
    return module.startswith("vqe_core.")
