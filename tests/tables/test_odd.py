"""Odd tables are read, or refused in one line; what is read is written in every format."""

from __future__ import annotations

import json
import os
import warnings

import pytest

from tests.tables import odd
from vqe_core.errors import InputError, TableWarning
from vqe_core.tables import FORMATS, read_batches, read_signatures, read_table, write_table

# The form in which csv and parquet hold what they cannot hold as it is; "" for what is as it was.
CHANGED = {
    "beyond_64_bits.jsonl": {"x": [str(2**70), "1"]},
    "beyond_64_bits_inside.jsonl": {"x": ['{"k": [1180591620717411303424]}', '"k"']},
    "surrogate.jsonl": {"x": ["half \\ud83d", "k"]},
    "surrogate_inside.jsonl": {"x": ['[{"\\ud83d": "\\udc00"}]'], "y": [["\\ud83d"]]},
    "no_keys.jsonl": {"x": ["{}"]},
    "no_keys_inside.jsonl": {"x": ['[{"a": {}}]']},
    "bytes.parquet": {"x": [b"\xff\0", None]},
    "map.parquet": {"x": ['[["a", 1]]', None]},
}


@pytest.mark.parametrize("name", odd.REASONS)
def test_a_table_that_cannot_be_read_is_refused_in_one_line(tmp_path, name):
    path = odd.make(name, tmp_path)
    for read in (read_table, lambda path: list(read_batches(path, 3))):
        with pytest.raises(InputError) as refused:
            read(path)
        said = str(refused.value)
        assert "\n" not in said
        assert repr(str(path))[:-1] in said
        assert odd.REASONS[name] in said


@pytest.mark.parametrize("name", odd.READABLE)
def test_what_is_read_is_written_in_every_format(tmp_path, name):
    path = odd.make(name, tmp_path)
    columns = read_table(path)
    assert next(iter(columns)).startswith("c")
    assert read_signatures(path) == [] if path.suffix == ".parquet" else True
    for suffix in FORMATS:
        out = tmp_path / f"out{suffix}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TableWarning)
            write_table(out, columns)
        again = read_table(out)
        assert [len(column) for column in again.values()] == [len(column) for column in columns.values()]
        assert again[next(iter(again))] == columns[next(iter(columns))]
        if suffix in (".jsonl", ".json"):
            text = out.read_text(encoding="utf-8")
            json.loads(text.partition("\n")[0] if suffix == ".jsonl" else text, parse_constant=_none)


def _none(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


@pytest.mark.parametrize("name", CHANGED)
def test_parquet_holds_odd_values_in_the_form_that_says_most(tmp_path, name):
    columns = read_table(odd.make(name, tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        write_table(tmp_path / "out.parquet", columns)
    again = read_table(tmp_path / "out.parquet")
    assert {column: again[column] for column in CHANGED[name]} == CHANGED[name]


def test_json_gives_back_half_a_surrogate_pair(tmp_path):
    for name in ("surrogate.jsonl", "surrogate_in_a_name.jsonl", "surrogate_inside.jsonl"):
        columns = read_table(odd.make(name, tmp_path))
        for suffix in (".json", ".jsonl"):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                write_table(tmp_path / f"out{suffix}", columns)
            assert read_table(tmp_path / f"out{suffix}") == columns


def test_there_are_many_kinds():
    assert len(odd.REASONS) >= 50
    assert len(odd.READABLE) >= 40


def test_nothing_is_left_behind(tmp_path):
    columns = read_table(odd.make("surrogate.jsonl", tmp_path))
    with pytest.warns(TableWarning):
        write_table(tmp_path / "out.csv", columns)
    assert sorted(os.listdir(tmp_path)) == ["out.csv", "surrogate.jsonl"]
