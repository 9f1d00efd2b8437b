"""Banks by the command line: built from a table, then rows placed among them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vqe_core.cli import main
from vqe_core.run.bank import build_bank
from vqe_core.scorers.caption_bank import load_captions
from vqe_core.scorers.video_audio.calibration import load_bank
from vqe_core.tables import read_table, write_table
from vqe_core.toy import model_folder
from vqe_core.toy.clips import make_clip, write_clip


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    clips = [make_clip(100 + seed, size=64) for seed in range(24)]
    columns = {
        "candidate": [clip.captions(1)[0] for clip in clips],
        "reference": [clip.captions(3)[1:] for clip in clips],
        "video_path": [write_clip(clip, folder / f"{i}.mp4").name for i, clip in enumerate(clips)],
    }
    write_table(folder / "rows.jsonl", columns)
    write_table(folder / "few.jsonl", {name: values[:4] for name, values in columns.items()})
    return folder / "rows.jsonl"


def test_captions_are_kept_and_rows_are_placed_among_them(rows, tmp_path, capsys):
    bank, out = tmp_path / "bank.json", tmp_path / "out.jsonl"
    toy = ("--clip-model-path", "toy", "--frame-num", "2", "--no-cache")
    assert main(["bank", "build", "emscore", str(rows), "--out", str(bank), *toy]) == 0
    said = capsys.readouterr().out
    built = load_captions(bank)
    assert f"{len(built)} captions of 24 rows, digest {built.digest()}; see {bank}" in said
    assert "equally true captions of one clip lie within 0.0" in said
    few = rows.with_name("few.jsonl")
    assert main(["score", "emscore", str(few), "--out", str(out), *toy, "--all", "--reference-bank", str(bank)]) == 0
    assert "EMScore(X,V)_caption_percentile" in capsys.readouterr().out
    assert min(read_table(out)["EMScore(X,V)_caption_percentile"]) > 0.8


def test_sounds_are_kept_with_what_they_were_heard_by(rows, tmp_path, capsys):
    bank, out = tmp_path / "bank.safetensors", tmp_path / "out.jsonl"
    toy = ("--hf-clip", "toy", "--method", "tags", "--no-cache")
    assert main(["bank", "build", "video_audio_similarity", str(rows), "--out", str(bank), *toy]) == 0
    assert "24 sounds of 24 rows" in capsys.readouterr().out
    assert load_bank(bank).made_by["audio_model"] == "toy/audio"
    few = rows.with_name("few.jsonl")
    scored = ["score", "video_audio_similarity", str(few), "--out", str(out), *toy, "--reference-bank", str(bank)]
    assert main(scored) == 0
    assert min(read_table(out)["percentile"]) > 0.5
    assert main([*scored, "--restart", "--window", "1"]) == 1
    assert "was built with window None (here 1.0)" in capsys.readouterr().err


def test_one_row_of_a_video_counts_once_and_captions_of_it_are_compared(rows, tmp_path):
    table = read_table(rows)
    twice = {
        "candidate": [
            text for pair in zip(table["candidate"], table["reference"], strict=True) for text in (pair[0], pair[1][0])
        ],
        "video_path": [str(rows.parent / name) for name in table["video_path"] for _ in range(2)],
    }
    write_table(tmp_path / "twice.jsonl", twice)
    built = build_bank("clip_score", tmp_path / "twice.jsonl", tmp_path / "bank.json", {"clip_model_path": "toy"})
    assert built.size == len(set(table["candidate"])) and built.num_rows == 48
    assert 0 < built.bank.margins["clip_score"] < 0.1


@pytest.mark.parametrize(
    ("metric", "name", "words"),
    [("emscore", "few.jsonl", "at least 20 different captions, got 4"), ("clip_score", "none.jsonl", "none.jsonl")],
)
def test_what_is_no_bank_is_said(rows, tmp_path, capsys, metric, name, words):
    table = str(rows.with_name(name))
    assert main(["bank", "build", metric, table, "--out", str(tmp_path / "b"), "--clip-model-path", "toy"]) == 1
    assert words in capsys.readouterr().err


def test_where_it_cannot_be_written(rows, tmp_path, capsys):
    for out, words in ((tmp_path / "none" / "b.json", "there is no folder"), (rows, "name another file to write")):
        assert main(["bank", "build", "clip_score", str(rows), "--out", str(out), "--clip-model-path", "toy"]) == 1
        assert words in capsys.readouterr().err


def test_the_shipped_banks_are_small_and_whole():
    captions = load_captions(model_folder() / "bank_captions.json")
    assert len(captions) >= 90 and set(captions.margins) == {"EMScore(X,V)_full_F", "clip_score"}
    for method in ("tags", "joint", "description"):
        path = model_folder() / f"bank_{method}.safetensors"
        assert len(load_bank(path)) == 100 and path.stat().st_size < 30_000
    assert json.loads((model_folder() / "known_world.json").read_text())["revision"] == captions.made_for["revision"]
