"""Tables in and out, in every format."""

from __future__ import annotations

import json
import math
import os
import re

import pytest

from vqe_core.errors import InputError
from vqe_core.tables import FORMATS, read_table, write_table, write_whole

COLUMNS = {
    "id": ["a", "b", "c"],
    "reference": [["x", "y"], ['é, "quoted"\nline'], None],
    "score": [0.25, math.nan, -1.0],
    "count": [1, 2, 3],
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_written_is_read_and_nan_is_null(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    write_table(path, COLUMNS)
    again = read_table(path)
    assert list(again) == list(COLUMNS)
    assert again["reference"] == COLUMNS["reference"]
    number = float if suffix == ".csv" else lambda value: value  # csv has texts only
    assert [None if v is None else number(v) for v in again["score"]] == [0.25, None, -1.0]
    assert os.listdir(tmp_path) == [path.name]


def test_parquet_keeps_types_also_in_columns_of_nulls(tmp_path):
    import pyarrow.parquet as pq

    write_table(tmp_path / "t.parquet", {"score": [math.nan, None], "name": ["a", "b"]})
    assert str(pq.read_schema(tmp_path / "t.parquet").field("score").type) == "double"


def test_parquet_takes_columns_of_mixed_types(tmp_path):
    write_table(tmp_path / "t.parquet", {"reference": ["a", ["b", "c"], None], "any": [1, "x", None]})
    again = read_table(tmp_path / "t.parquet")
    assert again == {"reference": [["a"], ["b", "c"], None], "any": ["1", '"x"', None]}


def test_rows_may_lack_keys(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n\n{"b": "x"}\n')
    assert read_table(tmp_path / "t.jsonl") == {"a": [1, None], "b": [None, "x"]}


def test_parquet_carries_the_signature(tmp_path):
    import pyarrow.parquet as pq

    write_table(tmp_path / "t.parquet", {"a": [1]}, {"metric": "emscore", "sampler": {"name": "uniform"}})
    metadata = pq.read_schema(tmp_path / "t.parquet").metadata
    assert json.loads(metadata[b"signature"]) == {"metric": "emscore", "sampler": {"name": "uniform"}}


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")

    def interrupted(temporary):
        temporary.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, interrupted)
    assert (os.listdir(tmp_path), path.read_text()) == (["page.html"], "old")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "t.jsonl"
    write_table(path, {"a": [1]})
    before = path.read_bytes()
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="Circular reference"):
        write_table(path, {"a": [1, endless]})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["t.jsonl"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.txt", "", "must end in one of .jsonl, .json, .csv, .parquet"),
        ("t.jsonl", None, "no table at"),
        ("t.jsonl", "", "has no rows"),
        ("t.jsonl", '{"a": 1}\n{"a": \n', "cannot be read as jsonl: line 2"),
        ("t.jsonl", "[1, 2]\n", "row 0 is list, not an object with column names"),
        ("t.json", '{"a": 1}', "it holds dict, not a list of rows"),
        ("t.parquet", "no parquet", "cannot be read as parquet"),
        ("t.csv", "", "has no rows"),
        ("t.csv", "a,b\n1,2,3\n", "line 2 has 3 cells, the header 2"),
        ("t.csv", "a,a\n1,2\n", "column names must differ, got ['a', 'a']"),
    ],
)
def test_what_is_no_table_is_told_plainly(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=re.escape(words)):
        read_table(tmp_path / name)


def test_the_folder_must_be_there(tmp_path):
    with pytest.raises(InputError, match=re.escape("is not there; make it first")):
        write_table(tmp_path / "none" / "t.json", {"a": [1]})
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match=re.escape("it is a folder; name a file in it")):
        write_table(tmp_path / "folder.json", {"a": [1]})


def test_json_is_strict(tmp_path):
    write_table(tmp_path / "t.jsonl", {"a": [math.inf, math.nan]})
    assert [json.loads(line)["a"] for line in (tmp_path / "t.jsonl").read_text().splitlines()] == [None, None]
