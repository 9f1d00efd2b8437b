"""Errors a user can meet.

Every error is also a built-in error, so callers may catch either. A message names the argument or
file, its value, the rule, and the way out; errors about one row carry a short ``code`` that becomes
the row's ``status``.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")

_KEPT_FRAMES = 3  # the innermost, of the text of what caused a row's error


class VqeError(Exception):
    """Base of all errors raised on purpose by this package."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        # OSError (a base of some subclasses) would print its errno form otherwise.
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        # Constructors of subclasses may take other arguments; errors cross processes as they are.
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[VqeError], arguments: tuple[Any, ...], state: dict[str, Any]) -> VqeError:
    # Of several built-in bases one made the memory layout, and only that one can make the object.
    base: type[BaseException] = kind
    while issubclass(base, VqeError):
        base = base.__base__  # type: ignore[assignment]
    error: VqeError = base.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(state)
    return error


class InputError(VqeError, ValueError):
    """An argument or a row's value breaks a rule."""

    code = "bad_input"


class InputTypeError(InputError, TypeError):
    """An argument or a row's value has a type that cannot be used."""

    code = "bad_type"


class MediaError(VqeError, ValueError):
    """A video or sound cannot be read, or not safely. ``code`` says why, for example ``decode_error``."""

    code = "decode_error"


class MediaNotFoundError(MediaError, FileNotFoundError):
    """No file at the given path."""

    code = "not_found"


class WorkerStartError(VqeError, RuntimeError):
    """The process that decodes cannot be started; ``isolate=False`` decodes in this one."""

    code = "no_worker"


class ModelNotFoundError(VqeError, OSError):
    """A model's weights are neither on disk nor within reach."""

    code = "model_not_found"


class ModelError(VqeError, ValueError):
    """A model was found but cannot do what is asked of it."""

    code = "model_error"


class MissingPackageError(VqeError, ImportError):
    """An optional package is needed; the message holds the exact pip line."""

    code = "missing_package"


class RowsFailedError(VqeError, ValueError):
    """Some rows cannot be scored and ``on_error`` is ``"raise"``. The message lists the rows."""

    code = "rows_failed"


# What code raises that is wrong, whatever it works on. Never a fault of a file, of a network or of a model.
PROGRAMMING_ERRORS = (TypeError, AttributeError, NameError, AssertionError)


class InternalError(VqeError, RuntimeError):
    """Something in a row failed in a way that nobody foresaw: a fault of this package, not of the row's file.

    Make it with ``InternalError.of``. It says the same for every row that meets the same fault.

    Attributes:
        trace: the traceback as text. The exception itself is not kept: it would hold frames and samples.
        logged: whether its traceback is in the log.
    """

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, trace: str = "") -> None:
        super().__init__(message, code=code)
        self.trace = trace
        self.logged = False

    @classmethod
    def of(cls, error: BaseException) -> InternalError:
        """Make the error that stands for ``error``, an exception that was caught and is no ``VqeError``."""
        words = str(error).strip()
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__)).strip()
        return cls.told(f"{type(error).__name__}: {words}" if words else type(error).__name__, trace)

    @classmethod
    def told(cls, what: str, trace: str) -> InternalError:
        """Make the error that says ``what`` happened, whose fault it is and what to do."""
        return cls(
            f"{what}. This is a fault of vqe, not of the file: please report it with its traceback, which is in the "
            "log, or shown by --debug",
            trace=trace,
        )

    def with_trace(self) -> InternalError:
        """Return the error, ready to be raised: Python prints the traceback of what it stands for above its own."""
        self.__cause__ = _Trace(self.trace) if self.trace else None
        return self


class _Trace(Exception):
    """A traceback that was kept as text; printed where Python prints the cause of an error."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class OutputError(VqeError, OSError):
    """Scores could not be written where they were to be; the message says where they are instead."""

    code = "not_written"


class WorkerEndedError(VqeError, RuntimeError):
    """A worker process of a run ended again and again at the same rows."""

    code = "worker_ended"


class NothingScoredWarning(UserWarning):
    """No row of a call could be scored."""


class TableWarning(UserWarning):
    """A table could not hold every value as it was given; the message names row and column."""


class EnvironmentWarning(UserWarning):
    """Scores that are compared were computed by other versions of libraries, or on another kind of device."""


def row_error(error: Exception) -> VqeError:
    """Give the error that a row's exception becomes: itself where it was raised on purpose, else an ``InternalError``.

    It may be kept as long as the results of a call: it holds no traceback, whose frames would hold the images and
    samples that were at hand. What caused it is kept as text.

    Example:
        >>> row_error(InputError("too long")).code, row_error(KeyError("pts")).code
        ('bad_input', 'internal_error')
    """
    if isinstance(error, MemoryError):
        return MediaError("memory ran out on this row; scale it down, or give a segment of it", code="out_of_memory")
    return _without_frames(error) if isinstance(error, VqeError) else InternalError.of(error)


def _without_frames(error: VqeError) -> VqeError:
    cause = error.__cause__ if error.__suppress_context__ else error.__context__
    if cause is not None and not isinstance(cause, _Trace):
        parts = traceback.format_exception(type(cause), cause, cause.__traceback__, limit=-_KEPT_FRAMES)
        cause = _Trace("".join(parts).strip())
    error.__traceback__ = error.__context__ = None
    error.__cause__ = cause
    return error


def attempt(function: Callable[..., Result], *arguments: Any) -> Result | VqeError:
    """Call a function that works on one row; give its result, or the error that becomes the row's."""
    try:
        return function(*arguments)
    except Exception as error:
        return row_error(error)
