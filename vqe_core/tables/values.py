"""Values of cells in a form that a file can hold, and a note of each that had to be changed for it.

Conventions: NaN is null, without a note. What no format here can hold is written in the form that says most: bytes as
base64, a lone surrogate as its escape (``\\ud83d``), a date or a decimal number as text.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from vqe_core.tables.formats import ROWS_IN_HAND, AnyColumns

DEEPEST = 100  # levels; parquet reads no deeper schema, and Python's own JSON ends at some 1000
LONGEST_INTEGER = 13_000  # bits; Python writes no whole number of more than 4300 digits
BASE64 = "bytes are written as base64"
SURROGATE = "half of a surrogate pair is written as its escape, such as \\ud83d"
INFINITE = "infinity is written as null"
NO_TEXT_KEY = "keys that are no texts are written as texts"
TOO_DEEP = f"what is nested deeper than {DEEPEST} levels is left out"
TOO_LONG = "a whole number of more than 4300 digits is written in hexadecimal"
UNSAYABLE = "a value that gives no text is written as the name of its type"

Tell = Callable[[str], None]

_AS_THEY_ARE = {str, int, bool, type(None), list, dict}  # values that need no look for NaN
_NEED_A_LOOK = (bytes, bytearray, memoryview, np.ndarray, np.generic, Set, Mapping)
_SHOWN = 3  # notes of one table in a warning


@dataclass
class Changes:
    """Values that were written in another form than they were given.

    Attributes:
        found: by column and kind of change, how often and in which row first (None: the column's name).

    Example:
        >>> changes = Changes()
        >>> changes.note("text", "infinity is written as null", 3)
        >>> changes.note("text", "infinity is written as null", 4)
        >>> changes.lines()
        ["row 3 and 1 more, column 'text': infinity is written as null"]
    """

    found: dict[tuple[str, str], tuple[int, int | None]] = field(default_factory=dict)

    def note(self, column: str, what: str, row: int | None) -> None:
        """Note one change."""
        count, first = self.found.get((column, what), (0, row))
        self.found[column, what] = count + 1, first

    def teller(self, column: str, row: int | None) -> Tell:
        """Return what notes the changes of one cell."""
        return lambda what: self.note(column, what, row)

    def lines(self) -> list[str]:
        """Return a line a column and kind of change."""
        return [f"{_where(count, row)}column {column!r}: {what}" for (column, what), (count, row) in self.found.items()]

    def beyond(self, earlier: Changes) -> Changes:
        """Return the changes that ``earlier`` does not have."""
        return Changes({key: value for key, value in self.found.items() if key not in earlier.found})

    def summary(self, path: str) -> str:
        """Return one text for a warning."""
        lines = self.lines()
        more = f"; and {len(lines) - _SHOWN} more like these" if len(lines) > _SHOWN else ""
        return f"{path!r} cannot hold every value as it is: {'; '.join(lines[:_SHOWN])}{more}"


def _where(count: int, row: int | None) -> str:
    if row is None:
        return ""
    return f"row {row}, " if count == 1 else f"row {row} and {count - 1} more, "


def storable(value: Any, tell: Tell, *, escape: bool, depth: int = 0) -> Any:
    """Return the nearest value that JSON has.

    Args:
        value: anything.
        tell: is told of each change that loses something.
        escape: write lone surrogates as text; False where the file itself escapes them.
        depth: levels above the value.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return escaped(value, tell) if escape else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _no_number(value, tell)
    if isinstance(value, int):
        return int(value) if value.bit_length() <= LONGEST_INTEGER else _told(tell, TOO_LONG, hex(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return _told(tell, BASE64, base64.b64encode(value).decode("ascii"))
    if isinstance(value, Mapping | Set | list | tuple | np.ndarray):
        if depth >= DEEPEST:
            return _told(tell, TOO_DEEP, None)
        if isinstance(value, Mapping):
            return {
                _key(key, tell, escape): storable(item, tell, escape=escape, depth=depth + 1)
                for key, item in value.items()
            }
        items = value.tolist() if isinstance(value, np.ndarray) else value
        return [
            storable(item, tell, escape=escape, depth=depth + 1)
            for item in (items if isinstance(items, list) else list(items))
        ]
    text = _text(value, tell)
    return escaped(text, tell) if escape else text


def is_deep(value: Any, left: int = DEEPEST) -> bool:
    """Tell whether lists and objects go down further than ``left`` levels.

    Example:
        >>> is_deep([[1]], 2), is_deep([[[1]]], 2)
        (False, True)
    """
    if not isinstance(value, list | tuple | dict):
        return False
    items = value.values() if isinstance(value, dict) else value
    return left == 0 or any(is_deep(item, left - 1) for item in items)


def escaped(text: str, tell: Tell) -> str:
    """Return a text that can be encoded: lone surrogates as their escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        tell(SURROGATE)
        return text.encode(errors="backslashreplace").decode()
    return text


def as_text(value: Any) -> str:
    """Return the text of a date, a decimal number and the like, for JSON.

    Raises:
        TypeError: there is a better form, which ``storable`` gives.
    """
    if isinstance(value, _NEED_A_LOOK):
        raise TypeError(type(value).__name__)
    return str(value)


ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=as_text)


def json_text(value: Any, tell: Tell, encoder: json.JSONEncoder = ENCODER) -> str:
    """Return a value as JSON; lone surrogates stay, for the file to escape."""
    try:
        return encoder.encode(value)
    except Exception:  # circles, depth, NaN, or what an object raises that is asked for its text
        return encoder.encode(storable(value, tell, escape=False))


def _told(tell: Tell, what: str, value: Any) -> Any:
    tell(what)
    return value


def _no_number(value: float, tell: Tell) -> None:
    if math.isinf(value):
        tell(INFINITE)


def _key(key: Any, tell: Tell, escape: bool) -> str:
    if not isinstance(key, str):
        tell(NO_TEXT_KEY)
        key = _text(key, tell)
    return escaped(key, tell) if escape else str(key)


def _text(value: Any, tell: Tell) -> str:
    try:
        return str(value)
    except Exception:  # of an object of the user's
        return str(_told(tell, UNSAYABLE, type(value).__name__))


def is_numbers(column: Any) -> TypeGuard[npt.NDArray[Any]]:
    """Tell whether a column is an array whose numbers or flags need no look one by one."""
    return isinstance(column, np.ndarray) and column.ndim == 1 and column.dtype.kind in "fib" and column.itemsize <= 8


def plain_column(
    column: Sequence[Any] | npt.NDArray[Any], name: str, changes: Changes, first_row: int = 0
) -> list[Any]:
    """Return plain Python values; NaN and infinities, which JSON does not know, as None."""
    if is_numbers(column):
        numbers: list[Any] = column.tolist()
        if column.dtype.kind != "f" or np.isfinite(column).all():
            return numbers
    else:
        numbers = column if isinstance(column, list) else list(column)
        if set(map(type, numbers)) <= _AS_THEY_ARE:
            return numbers
    return [_plain(value, name, changes, row) for row, value in enumerate(numbers, start=first_row)]


def _plain(value: Any, name: str, changes: Changes, row: int) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return _no_number(value, changes.teller(name, row))
    return value


def pieces(columns: AnyColumns, changes: Changes, first_row: int) -> Iterator[tuple[int, list[list[Any]]]]:
    """Return the first row and the plain columns of some rows at a time: few are in memory beside the columns.

    Raises:
        ValueError: the columns are not equally long.
    """
    lists = {
        name: column if isinstance(column, list | np.ndarray) else list(column) for name, column in columns.items()
    }
    lengths = {name: len(column) for name, column in lists.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns must be equally long, got {lengths}")
    for start in range(0, max(lengths.values(), default=0), ROWS_IN_HAND):
        row = first_row + start
        some = {name: column[start : start + ROWS_IN_HAND] for name, column in lists.items()}
        yield row, [plain_column(column, str(name), changes, row) for name, column in some.items()]
