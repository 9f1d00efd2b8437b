"""Tables out, in every format."""

from __future__ import annotations

import json
import math
import os
import re
from functools import partial

import numpy as np
import pytest

from vqe_core.errors import InputError
from vqe_core.tables import FORMATS, read_batches, read_table, write_batches, write_table, write_whole

pytestmark = pytest.mark.filterwarnings("ignore::vqe_core.errors.TableWarning")  # see test_values.py

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


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")

    def interrupted(temporary):
        temporary.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, interrupted)
    assert (os.listdir(tmp_path), path.read_text()) == (["page.html"], "old")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    write_table(path, {"a": [1]})
    before = path.read_bytes()
    with pytest.raises(ValueError):
        write_table(path, {"a": [1, 2], "b": [1]})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def test_the_folder_must_be_there(tmp_path):
    with pytest.raises(InputError, match=re.escape("is not there; make it first")):
        write_table(tmp_path / "none" / "t.json", {"a": [1]})
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match=re.escape("it is a folder; name a file in it")):
        write_table(tmp_path / "folder.json", {"a": [1]})


def test_json_is_strict(tmp_path):
    write_table(tmp_path / "t.jsonl", {"a": [math.inf, math.nan]})
    assert [json.loads(line)["a"] for line in (tmp_path / "t.jsonl").read_text().splitlines()] == [None, None]


NASTY = {
    "date": ["2020-01-01", "2020-01-01T00:00:00Z"],  # a JSON reader that guesses makes timestamps of these
    "number": [9007199254740993, 1.5],
    "huge": [2**70, -(2**70)],
    "kinds": ["x", ["x", {"k": None}]],
    "flag": [True, 1],
    "keys": [{"x": 1}, {"y": 2}],
    "empty": [[], {}],
    "text": ["x\u2028y\x85", "\x00\U0001f600"],
}


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_json_gives_back_what_it_was_given(tmp_path, suffix):
    write_table(tmp_path / f"t{suffix}", NASTY)
    again = read_table(tmp_path / f"t{suffix}")
    assert repr(again) == repr(NASTY)  # types too: True is not 1


def test_json_is_written_as_the_module_writes_it(tmp_path):
    """Row by row, and the same bytes as of all rows at once."""
    for columns in ({}, {"a": [], "b": []}, {"a": [1, [], {}], "b": ["x\ny\u2028z", [[1], {"k": [2]}], None]}):
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        write_table(tmp_path / "t.json", columns)
        whole = json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
        assert (tmp_path / "t.json").read_text(encoding="utf-8") == whole
        write_table(tmp_path / "t.jsonl", columns)
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        assert (tmp_path / "t.jsonl").read_text(encoding="utf-8") == lines


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_columns_of_numpy_are_written_as_their_python_values(tmp_path, suffix, kind):
    arrays = {
        "score": np.array([0.1, math.nan, math.inf], kind),
        "passed": np.array([True, False, True]),
        "count": np.array([1, 2, 3], np.int8),
        "name": np.array(["a", "b", "c"]),
        "none": np.full(3, math.nan, kind),
    }
    write_table(tmp_path / f"arrays{suffix}", arrays)
    write_table(tmp_path / f"lists{suffix}", {name: array.tolist() for name, array in arrays.items()})
    assert (tmp_path / f"arrays{suffix}").read_bytes() == (tmp_path / f"lists{suffix}").read_bytes()
    assert (read_table(tmp_path / f"arrays{suffix}")["score"][1:]) == [None, None]


@pytest.mark.parametrize("suffix", FORMATS)
def test_columns_of_unequal_length_are_refused_and_nothing_is_written(tmp_path, suffix):
    with pytest.raises(ValueError):
        write_table(tmp_path / f"t{suffix}", {"a": [1, 2], "b": [1]})
    assert os.listdir(tmp_path) == []


GROWING = {  # the first batch of two rows knows no type, or a narrower one
    "score": [None, None, 0.5, None, 1.5],
    "text": [None, None, "a", "b", None],
    "number": [1, 2, 3, 0.5, None],
    "exact": [2**53 + 1, 2, 3, 0.5, None],
    "reference": ["a", "b", ["c", "d"], None, "e"],
    "numbers": [1, 2, [0.5], None, 3],
    "kinds": ["a", "b", 1, None, ["c"]],
    "keys": [{"x": 1}, None, {"y": "a"}, {"x": 0.5}, None],
    "lists": [[], [], ["a"], None, []],
    "null": [None] * 5,
    "array": np.array([0.5, math.nan, math.inf, 1.0, 2.0], np.float32),
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_what_is_written_in_batches_is_what_is_written_at_once(tmp_path, suffix, size):
    import pyarrow.parquet as pq

    def batches():
        for start in range(0, 5, size):
            yield {name: column[start : start + size] for name, column in GROWING.items()}

    signed = ({"metric": "emscore"}, [{"metric": "other"}])
    whole, parts = tmp_path / f"whole{suffix}", tmp_path / f"parts{suffix}"
    write_table(whole, GROWING, *signed)
    write_batches(parts, batches, *signed)
    if suffix == ".parquet":
        assert pq.read_schema(parts).equals(pq.read_schema(whole), check_metadata=True)
        assert pq.ParquetFile(parts).num_row_groups == -(-5 // size)  # written as they came
        assert read_table(parts) == read_table(whole)
    else:
        assert parts.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_batch_that_fails_leaves_the_old_file_and_no_other(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    write_table(path, {"a": [1]})
    before = path.read_bytes()

    def interrupted():
        yield {"a": [2]}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_batches(path, interrupted)
    with pytest.raises(InputError, match=re.escape("batch 1 has columns ['b'], the first ['a']; give all the same")):
        write_batches(path, lambda: [{"a": [1]}, {"b": [2]}])
    assert (os.listdir(tmp_path), path.read_bytes()) == ([path.name], before)


def test_a_table_is_copied_batch_by_batch(tmp_path):
    write_table(tmp_path / "t.jsonl", COLUMNS)
    for suffix in FORMATS:
        write_batches(tmp_path / f"copy{suffix}", partial(read_batches, tmp_path / "t.jsonl", 2))
        assert read_table(tmp_path / f"copy{suffix}")["reference"] == COLUMNS["reference"]
