"""Log and warnings, as a terminal shows them."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vqe_core.errors import TableWarning


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


def show_warning(message: Any, category: type[Warning], *where: Any, **others: Any) -> None:
    """Show a warning about a table on a line of its own; it concerns no line of code."""
    text = f"vqe: warning: {message}\n"
    if not issubclass(category, TableWarning):
        text = warnings.formatwarning(message, category, *where[:2])
    print(text, end="", file=sys.stderr)


def quiet_libraries() -> None:
    """Loading bars of model libraries say nothing to a user of this command; its own bars stay."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from transformers.utils import logging

    logging.disable_progress_bar()
