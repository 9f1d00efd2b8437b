"""Scores on a terminal: files and a caption in, a table and one headline number out."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from vqe_core.cli import main
from vqe_core.tables import read_table, write_table
from vqe_core.toy.clips import make_clip, write_clip

TOY = ["--clip-model-path", "toy"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    return [str(write_clip(make_clip(seed), folder / f"clip_{seed}.mp4")) for seed in range(2)]


def test_each_video_is_scored_with_each_caption_and_a_table_is_printed(clips, capsys, monkeypatch):
    monkeypatch.chdir(Path(clips[0]).parent)
    assert main(["score", "emscore", *clips, *TOY, "--caption", "a red circle", "--caption", "two dogs"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["video_path", "candidate", "EMScore(X,V)_full_F"]
    assert [row.rsplit(maxsplit=1)[0].split(maxsplit=1) for row in rows[:4]] == [
        ["clip_0.mp4", "a red circle"],
        ["clip_0.mp4", "two dogs"],
        ["clip_1.mp4", "a red circle"],
        ["clip_1.mp4", "two dogs"],
    ]
    assert rows[4].startswith("EMScore(X,V)_full_F") and rows[4].endswith("mean of 4 rows")
    assert rows[5].startswith('signature: {"metric": "emscore"')
    assert rows[6].startswith("4 rows, 0 failed") and rows[6].endswith("; 6 more numbers: --all")


def test_a_sound_is_described_for_all_videos(clips, capsys):
    line = ["score", "video_audio_similarity", *clips, "--hf-clip", "toy", "--description", "a bell tolls"]
    assert main([*line, "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [row["audio_description"] for row in shown["rows"]] == ["a bell tolls"] * 2
    assert shown["signature"]["method"] == "description"


def test_all_numbers_versions_and_times_come_on_request(clips, capsys):
    assert main(["score", "video_audio_similarity", *clips, "--hf-clip", "toy", "--all"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n{name} " in shown for name in ("similarity", "auc", "gap", "median_rank", "passed_filter"))
    assert "\nenvironment: {" in shown and "\ntime: " in shown


def test_rows_that_fail_are_marked_told_and_written_apart(clips, tmp_path, capsys):
    failures = tmp_path / "failures.csv"
    line = ["score", "emscore", clips[0], "gone.mp4", "--caption", "a cat", *TOY, "--failures", str(failures)]
    assert main(line) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [row.split()[-1] for row in shown[:3]] == ["status", "ok", "not_found"]
    assert any(line.startswith("  not_found: row 1: no video file at ") for line in shown)
    told = read_table(failures)
    assert list(told) == ["video_path", "candidate", "status", "message"]
    assert told["candidate"] == ["a cat"] and told["status"] == ["not_found"]


def test_failures_of_a_table_and_of_a_run_that_keeps_its_parts(clips, tmp_path):
    table = tmp_path / "rows.jsonl"
    write_table(table, {"id": [1, 2, 3], "video_path": [clips[0], "no.mp4", None], "candidate": ["a", "b", "c"]})
    for out in ("s.parquet", "run"):
        line = ["score", "emscore", str(table), "--out", str(tmp_path / out), *TOY, "--failures"]
        assert main([*line, str(tmp_path / "f.jsonl")]) == 0
        told = read_table(tmp_path / "f.jsonl")
        assert (told["id"], told["status"]) == ([2, 3], ["not_found", "no_input"])
        assert "EMScore(X,V)_full_F" not in told


def test_failures_are_written_where_nothing_was_scored_too(tmp_path, capsys):
    line = ["score", "emscore", "gone.mp4", "--caption", "a", *TOY, "--failures", str(tmp_path / "f.jsonl")]
    assert main(line) == 1
    assert capsys.readouterr().err.startswith("vqe: error: no row was scored, of 1\n  not_found: row 0: ")
    assert read_table(tmp_path / "f.jsonl")["status"] == ["not_found"]


def test_rows_come_from_standard_input_and_go_to_standard_output(clips, capsys, monkeypatch):
    rows = "".join(json.dumps({"id": i, "video_path": clip, "candidate": "a"}) + "\n" for i, clip in enumerate(clips))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(rows.encode())))
    assert main(["score", "emscore", "-", "--out", "-", *TOY]) == 0
    shown = capsys.readouterr()
    scored = [json.loads(line) for line in shown.out.splitlines()]
    assert [(row["id"], row["status"]) for row in scored] == [(0, "ok"), (1, "ok")]
    assert "2 rows, 0 failed" in shown.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rows.jsonl", "clip.mp4"], "'rows.jsonl' is a table and 'clip.mp4' is none; give tables, or videos"),
        (["rows.jsonl", "--caption", "x"], "--caption ('x') is for videos, and 'rows.jsonl' is a table"),
        (["-", "clip.mp4"], "'-' cannot stand beside other rows"),
        (["clip.mp4"], "has a caption; give --caption TEXT"),
        (["rows.jsonl", "--failures", "f.txt"], "must end in one of .jsonl"),
        (["rows.jsonl", "--shard", "0/2"], "need a run that is kept; name it by --out"),
        (["rows.jsonl", "--out", "run", "--shard", "0/2", "--failures", "f.csv"], "vqe filter DIR --where"),
        (["many.jsonl"], "1001 rows are too many to be shown; name a table for them: --out FILE"),
    ],
)
def test_what_cannot_be_is_told_before_the_work(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    row: dict[str, Any] = {"candidate": ["a"], "reference": ["b"]}
    write_table("rows.jsonl", row)
    write_table("many.jsonl", {name: values * 1001 for name, values in row.items()})
    assert main(["score", "emscore", *words, *TOY]) == 1
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.jsonl", "rows.jsonl"]
