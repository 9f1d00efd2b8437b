"""Rows from wherever they are: tables, patterns, folders, standard input, object stores."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest

from vqe_core.cli import main
from vqe_core.errors import InputError, MissingPackageError, OutputError
from vqe_core.run import score_run
from vqe_core.run.sources import open_source
from vqe_core.tables import FORMATS, read_table, write_table
from vqe_core.toy.clips import make_clip, write_clip

TOY = {"clip_model_path": "toy"}
ROWS = {"id": [1, 2, 3], "candidate": ["a dog", "a cat", "a man"], "reference": ["a dog", "a dog", None]}


def rows_of(source: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for batch in source.batches(2):
        for name, values in batch.items():
            found.setdefault(name, []).extend(values)
    return found


def opened(rows: Any, tmp_path: Path, **options: Any) -> Any:
    return open_source(
        rows, **{"video_key": "video_path", "candidate_key": "candidate", "held_in": tmp_path / "held", **options}
    )


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_table_is_read_as_it_is_and_again(tmp_path, suffix):
    write_table(tmp_path / f"rows{suffix}", ROWS)
    source = opened(tmp_path / f"rows{suffix}", tmp_path)
    expected = read_table(tmp_path / f"rows{suffix}")
    assert rows_of(source) == expected
    assert rows_of(source) == expected
    assert source.expected_rows >= 3
    assert source.base_dir == str(tmp_path)
    assert source.is_parquet == (suffix == ".parquet")


@pytest.mark.parametrize("name", ["part-*.jsonl", "."])
def test_a_pattern_and_a_folder_are_tables_one_after_the_other(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        write_table(tmp_path / f"part-{number}.jsonl", {"id": [number], "candidate": ["a"]})
    assert rows_of(opened(name, tmp_path / "held"))["id"] == [0, 1, 2]


def test_tables_with_other_columns_are_refused_by_name(tmp_path):
    write_table(tmp_path / "1.jsonl", {"candidate": ["a"]})
    write_table(tmp_path / "2.jsonl", {"caption": ["a"]})
    with pytest.raises(InputError, match=r"2.jsonl' has columns \['caption'\]"):
        rows_of(opened(tmp_path, tmp_path / "held"))


@pytest.mark.parametrize("content", ["jsonl", "json", "csv"])
def test_standard_input_is_kept_so_that_it_can_be_read_again(tmp_path, monkeypatch, content):
    write_table(tmp_path / f"rows.{content}", {"id": ["1", "2"], "candidate": ["a", "b"]})
    data = (tmp_path / f"rows.{content}").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    source = opened("-", tmp_path)
    assert rows_of(source) == rows_of(source) == {"id": ["1", "2"], "candidate": ["a", "b"]}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert opened("-", tmp_path).record == source.record


def test_a_folder_of_videos_takes_captions_from_files_beside_them_or_one_for_all(tmp_path):
    folder = tmp_path / "clips"
    (folder / "inner").mkdir(parents=True)
    write_clip(make_clip(0), folder / "a.mp4")
    write_clip(make_clip(1), folder / "inner/b.mp4")
    with pytest.raises(InputError, match="none of 2 videos has a caption; give --caption TEXT"):
        opened(folder, tmp_path)
    (folder / "a.txt").write_text("a red\n circle\n")
    assert rows_of(opened(folder, tmp_path)) == {
        "video_path": [str(folder / "a.mp4"), str(folder / "inner/b.mp4")],
        "candidate": ["a red circle", None],
    }
    assert rows_of(opened(folder, tmp_path, candidate="a dog"))["candidate"] == ["a dog", "a dog"]
    summary = score_run(folder, tmp_path / "scores.csv", **TOY)
    assert summary.status == {"ok": 1, "bad_caption": 1}


def test_a_metric_without_captions_takes_a_folder_as_it_is(tmp_path):
    (tmp_path / "clips").mkdir()
    write_clip(make_clip(0), tmp_path / "clips/a.mp4")
    assert list(rows_of(opened(tmp_path / "clips", tmp_path, candidate_key=None))) == ["video_path"]


def test_tables_of_an_object_store_are_read_by_fsspec(tmp_path):
    store = fsspec.filesystem("memory")
    for number in range(2):
        with store.open(f"/bucket/rows-{number}.jsonl", "w") as file:
            file.write(json.dumps({"id": number, "candidate": "a dog", "reference": "a dog"}) + "\n")
    try:
        assert rows_of(opened("memory://bucket/rows-*.jsonl", tmp_path))["id"] == [0, 1]
        assert score_run("memory://bucket", tmp_path / "scores.jsonl", **TOY).num_rows == 2
    finally:
        store.rm("/bucket", recursive=True)


def test_videos_of_an_object_store_are_rows_with_captions_beside_them(tmp_path, capsys):
    store = fsspec.filesystem("memory")
    for number in range(2):
        store.pipe_file(f"/videos/{number}.mp4", write_clip(make_clip(number), tmp_path / "clip.mp4").read_bytes())
    store.pipe_file("/videos/0.txt", b"a red\ncircle")
    try:
        rows = rows_of(opened("memory://videos", tmp_path))
        assert rows == {
            "video_path": ["memory:///videos/0.mp4", "memory:///videos/1.mp4"],
            "candidate": ["a red circle", None],
        }
        flags = ["--candidate", "a red circle", "--clip-model-path", "toy", "--remote", "--format", "json"]
        assert main(["score", "emscore", "memory://videos", "--out", str(tmp_path / "s.jsonl"), *flags]) == 0
        told = capsys.readouterr()
        assert json.loads(told.out)["status"] == {"ok": 2} and told.err.count("nothing is cached") == 1
    finally:
        store.rm("/videos", recursive=True)


def test_a_finished_table_is_put_to_an_address_and_none_is_left_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "rows.jsonl", ROWS)
    store = fsspec.filesystem("memory")
    score_run("rows.jsonl", "here.parquet", **TOY)
    summary = score_run("rows.jsonl", "memory://out/scores.parquet", **TOY)
    try:
        assert summary.out == "memory://out/scores.parquet" and sorted(os.listdir()) == ["here.parquet", "rows.jsonl"]
        assert store.cat_file("/out/scores.parquet") == Path("here.parquet").read_bytes()
    finally:
        store.rm("/out", recursive=True)
    with pytest.raises(InputError, match="a run keeps its parts on a file system"):
        score_run("rows.jsonl", "memory://out/run", **TOY)
    with pytest.raises(OutputError, match=r"the table is in 'scores\.csv'"):
        score_run("rows.jsonl", "http://127.0.0.1:9/scores.csv", **TOY)
    assert read_table("scores.csv")["id"] == ["1", "2", "3"]


def test_addresses_that_cannot_be_read_say_why(tmp_path):
    with pytest.raises(InputError, match="no table at 'memory://nothing'"):
        opened("memory://nothing", tmp_path)
    with pytest.raises((InputError, MissingPackageError), match="nosuch://a"):
        opened("nosuch://a/b.jsonl", tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.jsonl", "no table at"),
        ("none-*.jsonl", "no file matches"),
        ("notes.txt", "must end in one of"),
        ("empty", "holds neither videos nor tables"),
        ("mixed", "holds tables of several formats"),
    ],
)
def test_what_holds_no_rows_is_told_in_one_line(tmp_path, name, words):
    for folder in ("empty", "mixed"):
        (tmp_path / folder).mkdir()
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "mixed/a.csv").write_text("candidate\na\n")
    (tmp_path / "mixed/a.jsonl").write_text('{"candidate": "a"}\n')
    with pytest.raises(InputError, match=words) as refused:
        opened(tmp_path / name, tmp_path)
    assert "\n" not in str(refused.value)
