"""Errors a user can meet.

Every error is also a built-in error, so callers may catch either. A message names the argument or
file, its value, the rule, and the way out; errors about one row carry a short ``code`` that becomes
the row's ``status``.
"""

from __future__ import annotations

from typing import Any


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
