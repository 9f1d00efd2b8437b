"""Codes of warnings on their whole way: decoder, worker process, cache, report, table, summary, command."""

from __future__ import annotations

import json

import datasets
import pytest

from tests.clips import noise_frames, write_clip
from vqe_core import EMScore, VideoAudioSimilarity
from vqe_core.cli import main
from vqe_core.integrations.datasets import score_dataset, summarise
from vqe_core.tables import read_table

LONG = "a red circle moves right " * 20
TOY = {"clip_model_path": "toy", "long_text": "truncate", "on_error": "skip", "progress": False}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A healthy clip, and one whose end is missing."""
    folder = tmp_path_factory.mktemp("clips")
    fast = {"movflags": "faststart"}
    whole = write_clip(folder / "whole.mp4", noise_frames(30), options={"g": "10"}, container_options=fast)
    cut = folder / "cut.mp4"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 85 // 100])
    return [str(whole), str(cut)]


def counts(report):
    return [{warning.code: warning.count for warning in row} for row in report.warnings]


@pytest.mark.parametrize("isolate", [False, True])
def test_codes_are_the_same_from_a_worker_and_from_the_cache(clips, tmp_path, isolate):
    scorer = EMScore(**TOY, frame_num=5, max_frames=3, isolate=isolate, cache_dir=str(tmp_path))
    rows = {"predictions": ["a circle", LONG], "references": ["a circle", [LONG, LONG]], "videos": clips}
    first, second = scorer.score(**rows), scorer.score(**rows)
    assert counts(first) == counts(second) and first.messages == second.messages
    healthy, damaged = counts(first)
    assert healthy == {"frames_left_out": 2, "out_of_world": 1}  # noise
    assert damaged.pop("caption_truncated") == 3 and damaged.pop("ends_early") == 1
    assert damaged.pop("frames_left_out") == 2 and damaged.pop("out_of_world") == 1
    assert set(damaged) <= {"damaged_frames", "damaged_packets"}


def test_a_data_set_and_its_summary_have_them(clips):
    rows = datasets.Dataset.from_dict({"video_path": [*clips, "none.mp4"], "candidate": ["a", "a", "a"]})
    scored = score_dataset(rows, **{**TOY, "max_frames": 1, "status_key": "em_status"})
    healthy, damaged, failed = scored["em_warnings"][:]
    assert healthy == "frames_left_out=9 out_of_world=1" and "ends_early=1" in damaged.split() and failed == ""
    found = summarise(scored)
    assert found["warnings"]["frames_left_out"] == 2 and found["warnings"]["ends_early"] == 1
    assert found["status"] == {"ok": 2, "not_found": 1}


def test_a_summary_without_the_column_has_none(clips):
    rows = datasets.Dataset.from_dict({"video_path": clips[:1], "candidate": ["a"]})
    assert summarise(score_dataset(rows, **TOY).remove_columns("warnings"))["warnings"] == {}


def test_the_command_writes_and_counts_them(clips, tmp_path, capsys):
    table, out = tmp_path / "rows.jsonl", tmp_path / "scores.csv"
    table.write_text("".join(json.dumps({"video_path": clip, "candidate": "a circle"}) + "\n" for clip in clips))
    options = ["--clip-model-path", "toy", "--no-cache", "--max-frames", "2", "--warnings-key", "codes"]
    assert main(["score", "emscore", str(table), "--out", str(out), *options]) == 0
    told = capsys.readouterr().out
    assert "warnings:\n  frames_left_out: 2 rows" in told and "  ends_early: row 1: ends early: " in told
    healthy, damaged = read_table(out)["codes"]
    assert healthy == "frames_left_out=8 out_of_world=1" and "ends_early=1" in damaged


def test_a_row_of_several_videos_adds_them_up(clips):
    sound = {"array": [0.1, -0.1] * 24000, "sampling_rate": 16000}
    scorer = VideoAudioSimilarity(hf_clip="toy", method="tags", frame_num=3, on_error="skip", progress=False)
    report = scorer.score(videos=[[clips[1], clips[1]]], audios=[sound])
    (row,) = counts(report)
    assert row["ends_early"] == 2 and report.messages[0].count("ends early") == 1
