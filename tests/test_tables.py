"""Tables in and out, in every format."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from functools import partial

import numpy as np
import pytest

from vqe_core import tables
from vqe_core.errors import InputError
from vqe_core.tables import FORMATS, read_batches, read_table, write_batches, write_table, write_whole

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
        ("t.csv", 'a,b\n1,2\n"x"y,2\n', "cannot be read as csv: line 3: ',' expected after '\"'"),
        ("t.csv", 'a,b\n"x,2\n', "cannot be read as csv: line 2: unexpected end of data"),
        ("t.csv", "a,b\n", "has no rows"),
        ("t.jsonl", '{"a": 1} {"a": 2}\n', "line 1: Extra data"),
        ("t.jsonl", '{"a":\n1}\n', "line 1: Expecting value"),
        ("t.jsonl", "{}\n{}\n", "has no rows"),
        ("t.json", "[1]", "row 0 is int, not an object with column names"),
    ],
)
def test_what_is_no_table_is_told_plainly(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=re.escape(words)):
        read_table(tmp_path / name)
    with pytest.raises(InputError, match=re.escape(words)):
        list(read_batches(tmp_path / name, 1))


def test_the_folder_must_be_there(tmp_path):
    with pytest.raises(InputError, match=re.escape("is not there; make it first")):
        write_table(tmp_path / "none" / "t.json", {"a": [1]})
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match=re.escape("it is a folder; name a file in it")):
        write_table(tmp_path / "folder.json", {"a": [1]})


def test_json_is_strict(tmp_path):
    write_table(tmp_path / "t.jsonl", {"a": [math.inf, math.nan]})
    assert [json.loads(line)["a"] for line in (tmp_path / "t.jsonl").read_text().splitlines()] == [None, None]


def test_texts_of_csv_stay_texts_whatever_they_look_like(tmp_path):
    texts = ["007", "1e5", "true", "NA", "null", "nan", "2020-01-01", "12:00", " 1 ", "é\U0001f600", "x\u2028y"]
    (tmp_path / "t.csv").write_text("id,text\n" + "".join(f"12,{text}\n" for text in texts), encoding="utf-8")
    assert read_table(tmp_path / "t.csv") == {"id": ["12"] * len(texts), "text": texts}


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("\ufeffa,b\n1,2\n", {"a": ["1"], "b": ["2"]}),
        ("a,b\n\n1,2\n\n\n3,4", {"a": ["1", "3"], "b": ["2", "4"]}),
        ("a,b\r\n1,2\r\n", {"a": ["1"], "b": ["2"]}),
        ("a,b\r1,2\r", {"a": ["1"], "b": ["2"]}),
        ('a,b\n"x\ny","say ""hi"""\n', {"a": ["x\ny"], "b": ['say "hi"']}),
        ("a,b,c\n1\n1,2\n", {"a": ["1", "1"], "b": [None, "2"], "c": [None, None]}),
        ('a,b\n"",\n', {"a": [None], "b": [None]}),
        ('a,b\n"[""x"", 1]","{""k"": null}"\n[no,{no\n', {"a": [["x", 1], "[no"], "b": [{"k": None}, "{no"]}),
        ('a,b\nx"y,\\\n', {"a": ['x"y'], "b": ["\\"]}),
    ],
)
def test_csv_as_spreadsheets_and_people_write_it(tmp_path, content, columns):
    (tmp_path / "t.csv").write_bytes(content.encode())
    assert read_table(tmp_path / "t.csv") == columns
    assert list(read_batches(tmp_path / "t.csv", 100)) == [columns]


def test_csv_that_is_no_utf_8_is_told(tmp_path):
    (tmp_path / "t.csv").write_bytes("a\né\n".encode("latin1"))
    with pytest.raises(InputError, match=r"cannot be read as csv: 'utf-8' codec can't decode"):
        read_table(tmp_path / "t.csv")


def test_a_long_cell_is_read_and_the_limit_of_the_process_stays(tmp_path):
    limit = csv.field_size_limit()
    details = [{"frame": number, "text": "x" * 100} for number in range(3000)]
    write_table(tmp_path / "t.csv", {"details": [details, None], "text": ["y" * 200_000, "z"]})
    assert read_table(tmp_path / "t.csv") == {"details": [details, None], "text": ["y" * 200_000, "z"]}
    assert csv.field_size_limit() == limit


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


def test_jsonl_knows_long_rows_marks_and_all_line_ends(tmp_path):
    long = "x" * 3_000_000
    rows = [json.dumps({"a": 1}), json.dumps({"a": long}), " ", json.dumps({"a": 1, "b": "2"})]
    (tmp_path / "t.jsonl").write_bytes("\r\n".join(rows).encode("utf-8-sig"))
    assert read_table(tmp_path / "t.jsonl") == {"a": [1, long, 1], "b": [None, None, "2"]}


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


def test_parquet_takes_numbers_beyond_64_bits_and_beyond_fractions(tmp_path):
    write_table(tmp_path / "t.parquet", {"huge": [2**70, 1], "exact": [2**53 + 1, 0.5]})
    assert read_table(tmp_path / "t.parquet") == {"huge": [str(2**70), "1"], "exact": [str(2**53 + 1), "0.5"]}


def test_parquet_with_one_name_twice_is_told(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=re.escape("column names must differ, got ['a', 'a']")):
        read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 100])
@pytest.mark.parametrize("suffix", FORMATS)
def test_batches_are_the_table_in_pieces(tmp_path, monkeypatch, suffix, size):
    monkeypatch.setattr(tables, "_ROWS", 3)  # several pieces inside, too
    columns = {"id": list(range(7)), "reference": [["é"], None, [], ["a", "b"], None, ["c"], ["d"]], "none": [None] * 7}
    path = tmp_path / f"t{suffix}"
    write_table(path, columns)
    batches = list(read_batches(path, size))
    assert [len(batch["id"]) for batch in batches] == [size] * (7 // size) + [7 % size] * (7 % size > 0)
    assert all(list(batch) == list(columns) for batch in batches)
    joined = {name: [value for batch in batches for value in batch[name]] for name in columns}
    assert joined == read_table(path)


def test_batches_do_not_end_with_the_row_groups_of_parquet(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": list(range(7))}), tmp_path / "t.parquet", row_group_size=3)
    assert [batch["a"] for batch in read_batches(tmp_path / "t.parquet", 2)] == [[0, 1], [2, 3], [4, 5], [6]]


def test_every_batch_has_the_columns_of_all_rows(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{}\n{"b": "x"}\n')
    batches = [{"a": [1], "b": [None]}, {"a": [None], "b": [None]}, {"a": [None], "b": ["x"]}]
    assert list(read_batches(tmp_path / "t.jsonl", 1)) == batches


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("t.jsonl", '{"a": 1}\n{"a": 2}\n{"a"\n', "line 3"), ("t.csv", "a\n1\n2,3\n", "line 3 has 2 cells")],
)
def test_a_mistake_in_the_last_line_is_told_before_the_first_batch(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=words):
        next(read_batches(tmp_path / name, 1))


def test_what_is_asked_of_batches_is_checked_at_once(tmp_path):
    with pytest.raises(InputError, match="no table at"):
        read_batches(tmp_path / "t.jsonl", 1)
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(InputError, match=re.escape("batch_size (0) must be at least 1")):
        read_batches(tmp_path / "t.jsonl", 0)


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
