"""Describers and judges: those that the options name, and asking them so that a failure costs rows, not the call."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from vqe_core import registry
from vqe_core.errors import PROGRAMMING_ERRORS, InputError, InternalError, VqeError, attempt, row_error
from vqe_core.llm.client import ChatEndpoint, Role
from vqe_core.llm.dataflow_serving import KeptByServing
from vqe_core.llm.describer import Describer, EndpointDescriber, as_describer
from vqe_core.llm.judge import EndpointJudge, Judge, as_judge
from vqe_core.scorers.video_audio.options import VideoAudioOptions

Item = TypeVar("Item")
Result = TypeVar("Result")
Asked = TypeVar("Asked")


def describer_for(options: VideoAudioOptions) -> Describer | None:
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


def judge_for(options: VideoAudioOptions) -> Judge:
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


def _keeping(asked: Asked, options: VideoAudioOptions) -> Asked:
    """Return who is asked, with answers kept as the options say where it says nothing else itself."""
    if not isinstance(asked, ChatEndpoint | KeptByServing):
        return asked
    kept = asked.keep_answers and options.keep_answers
    changed: Asked = replace(asked, keep_answers=kept, cache_dir=asked.cache_dir or options.cache_dir)
    return changed


def _endpoint(options: VideoAudioOptions) -> dict[str, Any]:
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
