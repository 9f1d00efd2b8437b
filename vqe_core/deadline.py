"""One deadline of a whole request, shared by all that works for it: reading, decoding again, embedding, scoring."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from vqe_core.errors import MediaError

_CURRENT: ContextVar[Deadline | None] = ContextVar("vqe_deadline", default=None)


class RowClock:
    """Seconds that workers were waited for on behalf of one row, whichever of its files they read.

    Args:
        spent: to begin with.
    """

    def __init__(self, spent: float = 0.0) -> None:
        self.spent = spent


class Deadline:
    """A time after which a request is given up.

    Attributes:
        clock: of all that is decoded for the request where it counts as one row, or None.

    Args:
        seconds: from now.
        one_row: whether it does.

    Example:
        >>> Deadline(30).left > 29
        True
    """

    def __init__(self, seconds: float, *, one_row: bool = False) -> None:
        self.seconds = seconds
        self.clock = RowClock() if one_row else None
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds, 0 once it has passed."""
        return max(0.0, self._end - time.monotonic())

    def error(self, what: str = "this") -> MediaError:
        """Make the error that says so of ``what``, code ``timeout``."""
        return MediaError(
            f"{what} takes longer than the {self.seconds:g} s that one request may; give a shorter or smaller one",
            code="timeout",
        )

    def check(self, what: str = "this") -> None:
        """Raise `MediaError` ``timeout`` once it has passed."""
        if self.left <= 0:
            raise self.error(what)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Do not count the seconds of the block."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._end += time.monotonic() - begun


@contextmanager
def deadline(seconds: float, *, one_row: bool = False) -> Iterator[Deadline]:
    """Give what is called in the block so many seconds in all. Of two deadlines the nearer one counts.

    Decoding is interrupted when they have passed, computing between two of its steps.

    Args:
        seconds: positive; decoding on other threads counts too.
        one_row: whether all that is decoded in the block counts as one row, for which ``row_timeout`` holds.

    Example:
        >>> with deadline(30) as request:
        ...     current_deadline() is request
        True
    """
    outer = _CURRENT.get()
    chosen = Deadline(seconds, one_row=one_row) if outer is None or seconds < outer.left else outer
    token = _CURRENT.set(chosen)
    try:
        yield chosen
    finally:
        _CURRENT.reset(token)


def current_deadline() -> Deadline | None:
    """Return the deadline of the request that this thread works for, None outside of one."""
    return _CURRENT.get()


def check_deadline(what: str = "this") -> None:
    """Raise `MediaError` ``timeout`` if the request that this thread works for has no time left."""
    current = _CURRENT.get()
    if current is not None:
        current.check(what)


@contextmanager
def deadline_stopped() -> Iterator[None]:
    """Do not count the seconds of the block, in which a model is loaded for all requests to come."""
    current = _CURRENT.get()
    if current is None:
        yield
        return
    with current.stopped():
        yield
