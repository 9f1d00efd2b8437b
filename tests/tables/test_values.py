"""Cells that a file cannot hold as they are: their form there, and the note of it."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import types
from typing import Any

import numpy as np
import pytest

from vqe_core.errors import TableWarning
from vqe_core.tables import FORMATS, Changes, read_table, values, write_noted, write_table


class Mute:
    """A value that has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def told(value: Any, *, escape: bool = True) -> tuple[Any, list[str]]:
    said: list[str] = []
    return values.storable(value, said.append, escape=escape), said


@pytest.mark.parametrize(
    ("value", "stored", "said"),
    [
        (None, None, []),
        (True, True, []),
        (2**70, 2**70, []),
        (0.5, 0.5, []),
        (math.nan, None, []),
        (-math.inf, None, [values.INFINITE]),
        (np.float32(0.5), 0.5, []),
        (np.array([1, 2]), [1, 2], []),
        ({3}, [3], []),
        ((1, math.inf), [1, None], [values.INFINITE]),
        (b"\xff\0", "/wA=", [values.BASE64]),
        ("half \ud83d", "half \\ud83d", [values.SURROGATE]),
        ({"\udc00": 1}, {"\\udc00": 1}, [values.SURROGATE]),
        ({1: 2, (3, 4): 5}, {"1": 2, "(3, 4)": 5}, [values.NO_TEXT_KEY] * 2),
        (types.MappingProxyType({"k": 1}), {"k": 1}, []),
        (datetime.date(2020, 1, 2), "2020-01-02", []),
        (decimal.Decimal("1.10"), "1.10", []),
        (Mute(), "Mute", [values.UNSAYABLE]),
    ],
)
def test_each_kind_has_a_form(value, stored, said):
    assert told(value) == (stored, said)
    json.dumps(stored, allow_nan=False)


def test_a_number_too_long_for_python_to_print_is_hexadecimal():
    assert told(1 << 20_000) == (hex(1 << 20_000), [values.TOO_LONG])


def test_surrogates_stay_where_the_file_escapes_them():
    assert told({"\ud83d": "\udc00"}, escape=False) == ({"\ud83d": "\udc00"}, [])


def test_a_circle_ends():
    circle: list[Any] = []
    circle.append(circle)
    stored, said = told(circle)
    assert said == [values.TOO_DEEP]
    assert json.dumps(stored) == "[" * values.DEEPEST + "null" + "]" * values.DEEPEST


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_value_costs_the_table(tmp_path, suffix):
    circle: list[Any] = []
    circle.append(circle)
    odd = ["half \ud83d", b"\xff", 2**70, 1 << 20_000, {(1, 2): Mute()}, circle, [math.inf], math.inf, {1, "a"}, Mute()]
    columns: dict[str, Any] = {"id": list(range(len(odd))), "x": odd, "\ud83d": ["k"] * len(odd)}
    for number, value in enumerate(odd):
        columns[f"x{number}"] = [value, *[None] * (len(odd) - 1)]
    changes = write_noted(tmp_path / f"t{suffix}", lambda: [columns])
    again = read_table(tmp_path / f"t{suffix}")
    assert len(again) == len(columns)
    assert list(map(int, again["id"])) == columns["id"]
    assert any("row 0, column 'x1'" in line for line in changes.lines()) is (suffix != ".parquet")  # which holds bytes


def test_a_warning_names_row_and_column(tmp_path):
    texts = ["a"] * 3000
    texts[2500] = texts[2700] = "half \ud83d"
    with pytest.warns(TableWarning, match=r"row 2500 and 1 more, column 'text': half of a surrogate pair"):
        write_table(tmp_path / "t.csv", {"text": texts})
    with pytest.warns(TableWarning, match=r"row 1, column 'n': no type of parquet .* \(1180591620717411303424\)"):
        write_table(tmp_path / "t.parquet", {"n": [1, 2**70]})


def test_a_warning_is_short():
    changes = Changes()
    for number in range(10):
        changes.note(f"x{number}", values.INFINITE, 0)
    text = changes.summary("t.csv")
    assert text.count(values.INFINITE) == 3
    assert text.endswith("; and 7 more like these")
    assert changes.beyond(changes).lines() == []
