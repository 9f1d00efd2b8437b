"""Log and warnings, as a terminal shows them."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from vqe_core.cli.parsing import in_flags

_FLAGS: ContextVar[Mapping[str, str]] = ContextVar("flags", default={})  # noqa: B039 (nobody changes it)


@contextmanager
def shown_log() -> Iterator[None]:
    """Show all that this package logs."""
    log, handler = logging.getLogger("vqe_core"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)


@contextmanager
def held_log() -> Iterator[list[str]]:
    """Hold back what is logged of internal errors, unless ``--debug`` shows it: one line a status tells of them."""
    log, held = logging.getLogger("vqe_core"), list[str]()
    if log.isEnabledFor(logging.DEBUG):
        yield held
        return
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: held.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    propagate, log.propagate = log.propagate, False
    try:
        yield held
    finally:
        log.propagate = propagate
        log.removeHandler(handler)


@contextmanager
def told_warnings(flags: Mapping[str, str]) -> Iterator[None]:
    """Show what is warned of as a line of the log, once, in the words of the command line.

    A warning concerns no line of code here. What libraries say to programmers is not shown, unless ``--debug`` is on.

    Args:
        flags: the flag of each option, by its name in Python.
    """
    shown = set[str]()
    log, handler = logging.getLogger("vqe"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("vqe: warning: %(message)s"))
    log.propagate = False

    def show(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        text = " ".join(in_flags(str(message), flags.items()).split())
        if text not in shown:
            shown.add(text)
            log.warning("%s", text)

    token = _FLAGS.set(flags)
    log.addHandler(handler)
    try:
        with warnings.catch_warnings():
            for kind in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", kind)
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = show
            yield
    finally:
        log.removeHandler(handler)
        _FLAGS.reset(token)


@contextmanager
def told_notes(name: str, *, shown: bool) -> Iterator[None]:
    """Show what a module logs for information, a line each.

    Args:
        name: of its logger.
        shown: False shows nothing.
    """
    log, handler = logging.getLogger(name), logging.StreamHandler()
    if not shown or log.isEnabledFor(logging.INFO):  # by --debug, which shows all
        yield
        return
    handler.setFormatter(logging.Formatter("vqe: %(message)s"))
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)


def spoken(text: str) -> str:
    """Return a message in the words of the command line, within ``told_warnings``."""
    return in_flags(text, _FLAGS.get().items())


def quiet_libraries() -> None:
    """Loading bars of model libraries say nothing to a user of this command; its own bars stay."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from transformers.utils import logging

    logging.disable_progress_bar()
