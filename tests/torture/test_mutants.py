"""The run over mutants: each follows from its number, and a small turn finds no fault."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest

import vqe_core
from tests.torture.mutants import CHANGES, main, make_seeds, mutant, options_of, read_slice


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_seeds(tmp_path_factory.mktemp("seeds"))


def test_a_mutant_follows_from_its_seed_and_number(seeds: list[Path]) -> None:
    again = [mutant(seeds, 5, number) for number in range(60)]
    assert again == [mutant(seeds, 5, number) for number in range(60)]
    assert len({data for _, data in again}) > 55
    files = {path.name: path.read_bytes() for path in seeds}
    assert sum(files[name] != data for name, data in again) > 55


@pytest.mark.slow
def test_the_files_that_are_changed_are_the_same_in_every_run(seeds: list[Path], tmp_path: Path) -> None:
    other = make_seeds(tmp_path)
    assert len(seeds) > 250
    assert [path.name for path in other] == [path.name for path in seeds]
    assert [path.name for path, one in zip(seeds, other, strict=True) if path.read_bytes() != one.read_bytes()] == []


def test_every_change_gives_bytes(seeds: list[Path]) -> None:
    for change in CHANGES:
        assert {type(change(random.Random(n), bytearray(b"abcdef" * 100), seeds)) for n in range(20)} == {bytearray}


def test_a_small_turn_ends_each_mutant_with_a_status(seeds: list[Path], tmp_path: Path) -> None:
    options = options_of(["--seed", "3"])
    options.slice = (0, 80)
    rows = list(read_slice(options, seeds, tmp_path))
    assert [row["number"] for row in rows] == list(range(80))
    assert {"ok", "decode_error"} <= {row["status"] for row in rows}
    assert not [row for row in rows if row["status"] in ("internal_error", "worker_crash", "error")]
    assert max(row["seconds"] for row in rows) < options.deadline


@pytest.mark.usefixtures("one_thread")
def test_mutants_as_rows_of_one_call_have_a_status_each(seeds: list[Path], tmp_path: Path) -> None:
    paths = []
    for number in range(100, 180):
        name, data = mutant(seeds, 3, number)
        paths.append(tmp_path / f"{number}_{name}")
        paths[-1].write_bytes(data)
    scorer = vqe_core.VideoAudioSimilarity(
        hf_clip="toy", on_error="skip", isolate=True, frame_num=3, progress=False, row_timeout=30
    )
    report = scorer.score(videos=[str(path) for path in paths])
    assert len(report.status) == len(paths)
    assert not {"internal_error", "worker_crash", "timeout", ""} & set(report.status)
    scores = report.rows["similarity"]
    assert [status == "ok" for status in report.status] == [math.isfinite(score) for score in scores]


@pytest.mark.slow
def test_the_command_reads_in_processes_of_its_own_and_writes_a_report(tmp_path: Path, capfd) -> None:
    assert main(["--mutants", "6", "--jobs", "1", "--seed", "4", "--out", str(tmp_path)])
    assert "deaths 0, hangs 0, internal errors 0" in capfd.readouterr().out
    assert len(json.loads((tmp_path / "mutants.json").read_text())["rows"]) == 6
    assert main(["--write", "5", "--seed", "4", "--out", str(tmp_path)])
    assert len(list(tmp_path.glob("4_5_*"))) == 1
