"""Estimates of runs: what they count is right; how near the seconds are is measured by ``benchmarks/runs.py``."""

from __future__ import annotations

import json
import re

import pytest

from vqe_core.cli import main
from vqe_core.errors import InputError
from vqe_core.run.estimate import RunEstimate, estimate_run
from vqe_core.tables import write_table
from vqe_core.toy.clips import make_clip, write_clip

TOY = {"clip_model_path": "toy"}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    names = [write_clip(make_clip(seed), folder / f"{seed}.mp4").name for seed in range(4)]
    rows = {"video_path": [names[n % 4] if n != 7 else "none.mp4" for n in range(40)], "candidate": ["a circle"] * 40}
    write_table(folder / "rows.jsonl", rows)
    return folder / "rows.jsonl"


def test_counts_are_those_of_the_rows(table):
    estimate = estimate_run(table, sample=12, frame_num=3, **TOY)
    sizes = [(table.parent / f"{n % 4}.mp4").stat().st_size for n in range(40) if n != 7]
    assert (estimate.rows, estimate.sampled, estimate.media_bytes) == (40, 12, sum(sizes))
    assert estimate.decode > 0 and estimate.encode > 0 and estimate.seconds > 0
    assert 0 < estimate.images_per_row <= 3
    assert estimate.cache_bytes > 0
    assert estimate.interval[0] <= estimate.seconds <= estimate.interval[1]


def test_rows_of_text_decode_nothing(tmp_path):
    write_table(tmp_path / "rows.csv", {"candidate": ["a", "b"], "reference": ["a", "b"]})
    estimate = estimate_run(tmp_path / "rows.csv", **TOY)
    assert (estimate.rows, estimate.sampled, estimate.decode, estimate.media_bytes) == (2, 2, 0, 0)


def test_the_interval_is_as_wide_as_rows_differ_and_a_run_without_a_cache_keeps_nothing(tmp_path):
    texts = ["a" * 10, "a" * 30, "a" * 20, "a" * 20]
    write_table(tmp_path / "rows.csv", {"candidate": texts, "reference": ["b"] * 4})
    estimate = estimate_run(tmp_path / "rows.csv", cache=False, **TOY)
    assert (estimate.sampled, estimate.cache_bytes) == (4, 0)
    low, high = estimate.interval
    half = 2 * 8.16496580927726 / 2 / 21  # twice the standard error of the mean over the mean
    assert low == pytest.approx(estimate.seconds * (1 - half)) and high == pytest.approx(estimate.seconds * (1 + half))


def test_cores_share_the_work_and_gpus_take_the_encoding():
    estimate = RunEstimate(3600, 10, 0, 3.0, 3600 * 3.0, 1.0, 2.0, 0.5, 10.0, 0, 0, (0, 0))
    assert estimate.hours(1) == pytest.approx(3.5)
    assert estimate.hours(7) == pytest.approx(0.5)
    assert estimate.hours(1, gpus=1) == pytest.approx(1.5)
    assert estimate.hours(1000, gpus=1, images_per_second=10) == pytest.approx(1.0)


def test_the_command_prints_hours_or_an_object(table, capsys):
    assert main(["plan", "emscore", str(table), "--clip-model-path", "toy", "--sample", "8", "--cores", "64"]) == 0
    shown = capsys.readouterr().out
    assert "40 rows; 8 of them scored here" in shown
    assert re.search(r"^this machine, one worker: [\d.]+ s \([\d.]+ s to [\d.]+ s\)$", shown, re.M)
    assert re.search(r"^64 cores: [\d.]+ s$", shown, re.M)
    assert re.search(r"^media to read: [\d.]+ [kM]B; cache: [\d.]+ [kM]B$", shown, re.M)
    assert main(["plan", "emscore", str(table), "--clip-model-path", "toy", "--sample", "8", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 40
    command = ["plan", "emscore", str(table), "--clip-model-path", "toy", "--sample", "8", "--no-cache"]
    assert main(command) == 0
    assert "cache: 0 B" in capsys.readouterr().out


def test_several_metrics_are_planned_as_they_are_scored_in_one_pass(table, capsys):
    toy = ["--clip-model-path", "toy", "--metrics", "cogr", "--sample", "4", "--format", "json"]
    assert main(["plan", "emscore,clip_score", str(table), *toy]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["sampled"]) == (40, 4)
    with pytest.raises(SystemExit, match="2"):
        main(["plan", "emscore,clip_scor", str(table)])
    assert "METRIC 'clip_scor' is not known; did you mean 'clip_score'?" in capsys.readouterr().err


def test_a_sample_that_tells_nothing_is_refused(table):
    with pytest.raises(InputError, match=r"sample \(3\) must be at least 4"):
        estimate_run(table, sample=3, **TOY)
