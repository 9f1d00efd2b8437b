"""Problems of the output that can be known are told beforehand, and no disk costs the scores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.disks import small_disk
from tests.tables import odd
from vqe_core.cli import main
from vqe_core.run import score_run
from vqe_core.tables import FORMATS, read_table, write_table

LIMITS_FILES = pytest.mark.skipif(os.name != "posix", reason="only POSIX bounds the size of a file")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Three rows that need no video."""
    path = tmp_path / "rows.jsonl"
    lines = [{"candidate": "a cat", "reference": "a cat", "note": "x" * 2000} for _ in range(3)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def score(rows: Path, out: Any, *options: str) -> int:
    return main(["score", "emscore", str(rows), "--out", str(out), "--clip-model-path", "toy", "--no-cache", *options])


def forbid_scoring(monkeypatch: pytest.MonkeyPatch) -> None:
    from vqe_core.scorers.base import Scorer

    def scored(self: Any, *others: Any, **columns: Any) -> Any:
        raise AssertionError("the work began before the output was checked")

    monkeypatch.setattr(Scorer, "score_batch", scored)


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("scores.txt", "must end in one of"),
        ("none/scores.csv", "is not there; make it first"),
        ("folder.csv", "it is a folder"),
        ("rows.jsonl", "is the table that is read; name another file to write"),
        ("link.jsonl", "is the table that is read"),
        ("pipe.csv", "it is a device or a pipe"),
        ("/proc/scores.csv", "cannot write '/proc/scores.csv'"),
        ("/sys/scores.csv", "cannot write '/sys/scores.csv'"),
        ("rows.jsonl/scores.csv", "is not there"),
        (f"{'x' * 300}.csv", "File name too long"),
    ],
)
def test_an_output_that_cannot_be_is_told_before_the_work(rows, monkeypatch, capsys, out, words):
    forbid_scoring(monkeypatch)
    folder = rows.parent
    (folder / "folder.csv").mkdir()
    (folder / "link.jsonl").symlink_to(rows)
    os.mkfifo(folder / "pipe.csv")
    before = rows.read_bytes()
    assert score(rows, folder / out) == 1
    said = capsys.readouterr().err
    assert words in said
    assert said.startswith("vqe: error: ")
    assert said.count("\n") == 1
    assert rows.read_bytes() == before


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_disk_that_is_too_small_is_told_before_the_work(rows, tmp_path, monkeypatch, capsys, suffix):
    forbid_scoring(monkeypatch)
    lines = "".join(
        json.dumps({"candidate": "a", "reference": "a", "note": os.urandom(2000).hex()}) + "\n" for _ in range(100)
    )
    rows.write_text(lines)
    with small_disk(tmp_path / "disk", "128k") as disk:
        assert score(rows, disk / f"scores{suffix}") == 1
        assert os.listdir(disk) == []
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "; name a folder that can be written and has room\n" in said


def test_room_for_the_results_is_looked_for_too(rows, tmp_path, monkeypatch, capsys):
    forbid_scoring(monkeypatch)
    rows.write_text('{"candidate": "a", "reference": "b"}\n' * 2000)
    with small_disk(tmp_path / "disk", "256k") as disk:
        assert score(rows, disk / "scores.jsonl") == 1
    assert "room for 0.2 MB, and about 0." in capsys.readouterr().err


def test_a_disk_that_can_only_be_read_is_told_before_the_work(rows, tmp_path, monkeypatch, capsys):
    forbid_scoring(monkeypatch)
    with small_disk(tmp_path / "disk", "128k", "ro") as disk:
        assert score(rows, disk / "scores.csv") == 1
    assert "Read-only file system; name a folder that can be written" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    "name", ["surrogate.jsonl", "beyond_64_bits.jsonl", "no_keys.jsonl", "bytes.parquet", "kinds.jsonl"]
)
def test_no_value_of_an_input_column_costs_the_scores(tmp_path, capsys, name, suffix):
    rows = odd.make(name, tmp_path)
    assert score(rows, tmp_path / f"scores{suffix}") == 0
    scored = read_table(tmp_path / f"scores{suffix}")
    assert set(scored["status"]) == {"ok"}
    assert "Traceback" not in capsys.readouterr().err


def test_what_was_changed_is_told_once_by_row_and_column(tmp_path, capsys):
    rows = odd.make("surrogate.jsonl", tmp_path)
    assert score(rows, tmp_path / "scores.csv") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("vqe: warning: ")
    assert line.endswith("row 0, column 'x': half of a surrogate pair is written as its escape, such as \\ud83d")


LIMITED = """
import os, resource, sys
from vqe_core.scorers.emscore import EMScore
before = EMScore.score_batch

def score(self, *others, **columns):
    report = before(self, *others, **columns)
    # From here on, a file ends after so many bytes: what a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
    return report

EMScore.score_batch = score
from vqe_core.cli import main
sys.exit(main(sys.argv[2:]))
"""


def limited(rows: Path, out: Path, size: int, temporary: Path) -> subprocess.CompletedProcess[str]:
    """Score in a process whose files may have ``size`` bytes once the scores are there."""
    options = ["--clip-model-path", "toy", "--no-cache"]
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), "score", "emscore", str(rows), "--out", str(out), *options],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
        cwd=temporary,
        capture_output=True,
        text=True,
    )


@LIMITS_FILES
@pytest.mark.parametrize("suffix", [FORMATS[0], *(pytest.param(each, marks=pytest.mark.slow) for each in FORMATS[1:])])
def test_scores_survive_a_disk_that_fills_up_meanwhile(rows, tmp_path, suffix):
    out = tmp_path / f"scores{suffix}"
    out.write_text("old")
    (tmp_path / "tmp").mkdir()
    ran = limited(rows, out, 3000, tmp_path / "tmp")
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    assert out.read_text() == "old"
    assert "scores-00000-of-00001.parquet' could not be written (" in ran.stderr
    assert "File too large" in ran.stderr
    assert "; the scored table is in '" in ran.stderr
    assert "; finished parts are kept, and the same command goes on once there is room" in ran.stderr
    (kept,) = tmp_path.glob("scores-*.jsonl")
    assert str(kept) in ran.stderr
    scores = read_table(kept)
    assert scores["row"] == [0, 1, 2]
    assert scores["status"] == ["ok"] * 3
    assert all(value > 0.99 for value in scores["EMScore(X,X*)_full_F"])
    assert "note" not in scores
    assert {path.name for path in tmp_path.iterdir()} == {"rows.jsonl", out.name, "tmp", kept.name, f"{out.name}.run"}


@LIMITS_FILES
def test_nothing_is_promised_where_nothing_could_be_written(rows, tmp_path):
    (tmp_path / "tmp").mkdir()
    ran = limited(rows, tmp_path / "scores.csv", 8, tmp_path / "tmp")
    assert ran.returncode == 1
    assert "nor could the scores in any other folder; make room, and score again" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "scores.csv").exists()


def test_an_output_that_links_to_another_disk_is_written_there(tmp_path):
    rows = {"candidate": ["a dog", "a cat"], "reference": ["a dog runs", "a cat sits"]}
    write_table(tmp_path / "rows.jsonl", rows)
    with small_disk(tmp_path / "disk", "20m") as disk:
        (tmp_path / "scores.parquet").symlink_to(disk / "real.parquet")
        score_run(tmp_path / "rows.jsonl", tmp_path / "scores.parquet", clip_model_path="toy")
        assert (tmp_path / "scores.parquet").is_symlink()
        assert read_table(disk / "real.parquet")["candidate"] == rows["candidate"]
