"""Tables in, in every format: what is read as it is, and what is refused in one line."""

from __future__ import annotations

import csv
import json
import re

import pytest

from vqe_core.errors import InputError
from vqe_core.tables import (
    FORMATS,
    read_batches,
    read_environments,
    read_signatures,
    read_table,
    reading,
    write_table,
)


def test_rows_may_lack_keys(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n\n{"b": "x"}\n')
    assert read_table(tmp_path / "t.jsonl") == {"a": [1, None], "b": [None, "x"]}


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
        ("t.csv", 'a,b\n"x,2\n', "cannot be read as csv: line 2: a quote is opened and not closed"),
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
    with pytest.raises(
        InputError, match=r"cannot be read as csv: line 2: byte 0xe9 is no UTF-8; save it again as a text in UTF-8"
    ):
        read_table(tmp_path / "t.csv")


def test_a_long_cell_is_read_and_the_limit_of_the_process_stays(tmp_path):
    limit = csv.field_size_limit()
    details = [{"frame": number, "text": "x" * 100} for number in range(3000)]
    write_table(tmp_path / "t.csv", {"details": [details, None], "text": ["y" * 200_000, "z"]})
    assert read_table(tmp_path / "t.csv") == {"details": [details, None], "text": ["y" * 200_000, "z"]}
    assert csv.field_size_limit() == limit


def test_jsonl_knows_long_rows_marks_and_all_line_ends(tmp_path):
    long = "x" * 3_000_000
    rows = [json.dumps({"a": 1}), json.dumps({"a": long}), " ", json.dumps({"a": 1, "b": "2"})]
    (tmp_path / "t.jsonl").write_bytes("\r\n".join(rows).encode("utf-8-sig"))
    assert read_table(tmp_path / "t.jsonl") == {"a": [1, long, 1], "b": [None, None, "2"]}


def test_parquet_with_one_name_twice_is_told(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=re.escape("column names must differ, got ['a', 'a']")):
        read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 100])
@pytest.mark.parametrize("suffix", FORMATS)
def test_batches_are_the_table_in_pieces(tmp_path, monkeypatch, suffix, size):
    monkeypatch.setattr(reading, "ROWS_IN_HAND", 3)  # several pieces inside, too
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


def test_parquet_carries_what_computed_its_scores_by_metric(tmp_path):
    environments = {"a": {"torch": "2.10", "readers": ["pyav 17"]}, "b": {"torch": "2.11"}}
    path = tmp_path / "scores.parquet"
    write_table(path, {"id": [1]}, {"metric": "b"}, [{"metric": "a"}], environments)
    assert read_environments(path) == environments
    assert [signature["metric"] for signature in read_signatures(path)] == ["a", "b"]
    write_table(tmp_path / "scores.jsonl", {"id": [1]}, {"metric": "b"}, (), environments)
    assert read_environments(tmp_path / "scores.jsonl") == {}
    write_table(path, {"id": [1]})
    assert read_environments(path) == {}
