"""Every benchmark runs with tiny sizes, and what it writes can be believed. Speeds are not looked at."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from benchmarks import explanations
from benchmarks.record import Group, Target, summary
from benchmarks.tables import markdown
from tests.required import required_package

ROOT = Path(__file__).parents[1]
# Without what starting takes, which for the few rows here is less than its noise.
DIFFERENCES = ("start_s", "after_start_s", "wall_us_per_row", "cpu_us_per_row")
NAMES = ("decode", "encode", "end_to_end", "cache", "rows", "memory", "runs", "sounds", "peers")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips and models are made once for all of them."""
    return tmp_path_factory.mktemp("benchmarks")


@lru_cache
def result_of(name: str, work: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--out", str(work), "--work", str(work)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    content: dict[str, Any] = json.loads((work / f"{name}.json").read_text())
    assert markdown(content) in ran.stdout
    return content


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen processes that load torch each
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_and_says_what_it_measured(name, work):
    required_package("cv2")
    content = result_of(name, work)
    assert content["benchmark"] == name
    assert content["settings"]["quick"]
    assert content["machine"]["cores"] >= 1
    assert content["machine"]["packages"].keys() >= {"torch", "transformers", "av"}
    measured = [
        value
        for group in content["groups"]
        for row in group["rows"]
        for key, value in row.items()
        if isinstance(value, dict) and key not in ("failed", "workers_mib", *DIFFERENCES)
    ]
    assert measured
    assert all(value["median"] > 0 and math.isfinite(value["median"]) for value in measured)
    assert all(len(value["all"]) == content["settings"]["repeat"] for value in measured)


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen processes that load torch each
def test_the_baselines_and_ours_score_the_same(work):
    required_package("cv2")
    checks = result_of("end_to_end", work)["checks"]
    assert checks["exact float32 against the sampled baseline"] < 1e-4
    assert checks["operator's way against the mean of frames of the sampled baseline"] < 1e-5


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen processes that load torch each
def test_planned_decoding_gives_the_frames_of_sequential_decoding(work):
    required_package("cv2")
    for group in result_of("decode", work)["groups"]:
        rows = {row["name"]: row for row in group["rows"]}
        assert rows["planned"]["note"] == ""


def test_ratios_are_made_within_a_repetition():
    samples = {"slow": [{"wall_s": 4.0}, {"wall_s": 40.0}, {"wall_s": 6.0}], "fast": [{"wall_s": 2.0}] * 3}
    rows = {row["name"]: row for row in Group("a", samples, "slow").as_json()["rows"]}
    assert rows["fast"]["ratio"] == {"median": 3.0, "min": 2.0, "max": 20.0, "all": [2.0, 20.0, 3.0]}
    assert median(Group("a", samples, "slow", grows=True).ratios("fast")) == pytest.approx(1 / 3)


def test_a_target_is_met_on_its_bound_and_never_by_nan():
    assert Target("a", 2.2, at_least=2.2).as_json()["met"]
    assert not Target("a", 1.2, at_most=1.15).as_json()["met"]
    assert not Target("a", math.nan, at_most=1.15).as_json()["met"]


def content_of_a_run() -> dict[str, Any]:
    group = Group("Files", {"slow": [{"wall_s": 4.0}], "fast": [{"wall_s": 2.0}]}, "slow").as_json()
    return {
        "title": "End to end",
        "machine": {"cpu": "some processor", "cores": 2, "gpu": None, "packages": {"torch": "2.14"}},
        "settings": {"quick": False, "repeat": 1},
        "groups": [group],
        "targets": [Target("twice as fast", 2.0, at_least=2.2).as_json()],
        "checks": {"largest difference": 1e-05},
        "notes": ["One way is left out."],
    }


def test_a_table_shows_medians_spread_and_targets():
    text = markdown(content_of_a_run())
    assert "| fast | 2 | 2x |" in text
    assert "| twice as fast | at least 2.2 | 2 | **no** |" in text
    assert "- largest difference: 1.0e-05" in text
    assert "One way is left out." in text
    assert summary([3.0, 1.0, 2.0])["median"] == 2.0


def test_the_line_of_the_documentation_prints_the_tables(tmp_path):
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^python (-m benchmarks\.tables .*)$", page, re.MULTILINE)
    (tmp_path / "build" / "benchmarks").mkdir(parents=True)
    for name in ("cache", "rows"):
        (tmp_path / "build" / "benchmarks" / f"{name}.json").write_text(json.dumps(content_of_a_run()))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = f"{shlex.quote(sys.executable)} {line}"
    ran = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.stdout.count(markdown(content_of_a_run()).strip()) == 2, ran.stderr


def test_explanations_are_measured_and_leaving_words_out_beats_cosines():
    found = explanations.measure(3)
    assert found["captions"].keys() >= {"colour", "size", "count", "shape", "background"}
    rates = {way: by["four"] for way, by in found["hit_rates"].items()}
    assert rates[explanations.SHIPPED] >= 0.8 > rates["its cosine with its best frame (before)"]
    assert all(0 <= share <= 1 for by in found["hit_rates"].values() for share in by.values())
    table = explanations.markdown(found)
    assert all(f"| {way} |" in table for way in rates) and "words of right captions marked" in table
