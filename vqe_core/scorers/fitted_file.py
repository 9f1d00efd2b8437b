"""Files of what was fitted beforehand, as JSON with a digest inside: baselines, banks of captions."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from vqe_core.errors import InputError, InputTypeError


class _Fitted(Protocol):
    def digest(self) -> str: ...


Fitted = TypeVar("Fitted", bound=_Fitted)


@dataclass(frozen=True)
class FittedFile(Generic[Fitted]):
    """An option that takes a fitted object, or the path of a file that holds one.

    Attributes:
        option: its name.
        kind: class of the object, which has a ``digest``.
        form: format of the file.
        made: what the file is, for messages, as in ``"file that vqe bank build wrote"``.
        read: content of a file to the object.
    """

    option: str
    kind: type[Fitted]
    form: str
    made: str
    read: Callable[[Mapping[str, Any]], Fitted]

    def save(self, fitted: Fitted, content: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
        """Write what was fitted, its digest inside."""
        content = {"format": self.form, "digest": fitted.digest(), **content}
        Path(path).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def load(self, value: Any) -> Fitted | None:
        """Return the object that the option names; None for None.

        Raises:
            InputError: no file, another one, or one that was altered.
        """
        if value is None or isinstance(value, self.kind):
            return value
        name = os.fspath(value)
        try:
            content = json.loads(Path(value).read_text(encoding="utf-8"))
            fitted = self.read(content)
            intact = content["format"] == self.form and content["digest"] == fitted.digest()
        except InputError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{self.option} ({name!r}) is no {self.made}: {error!r}") from error
        if not intact:
            raise InputError(f"{self.option} ({name!r}) was altered: its content does not match its digest")
        return fitted

    def check(self, value: Any) -> None:
        """Raise InputTypeError unless the option has a form that ``load`` knows."""
        if value is not None and not isinstance(value, self.kind | str | os.PathLike):
            raise InputTypeError(
                f"{self.option} ({value!r}) must be the path of a {self.made}, or a {self.kind.__name__}; got "
                f"{type(value).__name__}"
            )


def differing(names: Iterable[str], made_by: Mapping[str, Any], signature: Mapping[str, Any]) -> str:
    """Return in words which fields of a signature differ from what something was fitted with; "" where none does.

    Example:
        >>> differing(["model", "idf"], {"model": "a", "idf": "none"}, {"model": "b", "idf": "none"})
        "model 'a' (here 'b')"
    """
    common = [name for name in names if name in signature and name in made_by]
    differ = [name for name in common if made_by[name] != signature[name]]
    return ", ".join(f"{name} {made_by[name]!r} (here {signature[name]!r})" for name in differ)
