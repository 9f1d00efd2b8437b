"""A baseline by the command line: built from a table, then scores rescaled by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vqe_core import EMScore
from vqe_core.cli import main
from vqe_core.tables import read_table
from vqe_core.toy.clips import make_clip, write_clip

TOY = ("--clip-model-path", "toy", "--frame-num", "2", "--no-cache")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    clips = [make_clip(seed, size=64) for seed in range(3)]
    lines = [
        {"candidate": clip.captions(1)[0], "video_path": write_clip(clip, folder / f"{i}.mp4").name}
        for i, clip in enumerate(clips)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "rows.jsonl"


def test_build_then_score(rows, tmp_path, capsys):
    baseline, plain, scaled = (tmp_path / name for name in ("baseline.json", "plain.jsonl", "scaled.jsonl"))
    assert main(["baseline", "build", str(rows), "--out", str(baseline), *TOY]) == 0
    out = capsys.readouterr().out
    assert "3 of 3 rows, 3 clips, digest " in out and "EMScore(X,V)_full_F" in out
    table = read_table(rows)
    videos = [str(rows.parent / name) for name in table["video_path"]]
    fitted = EMScore(clip_model_path="toy", frame_num=2).fit_baseline(predictions=table["candidate"], videos=videos)
    assert json.loads(baseline.read_text())["values"] == fitted.baseline.values
    assert main(["score", "emscore", str(rows), "--out", str(plain), *TOY, "--against-chance"]) == 0
    assert "auc" in capsys.readouterr().out
    assert main(["score", "emscore", str(rows), "--out", str(scaled), *TOY, "--baseline", str(baseline)]) == 0
    b = fitted.baseline.values["EMScore(X,V)_full_F"]
    before, after = (read_table(path)["EMScore(X,V)_full_F"] for path in (plain, scaled))
    assert after == pytest.approx([(value - b) / (1 - b) for value in before])
    assert read_table(plain)["EMScore(X,V)_percentile"] == [1.0] * 3


def test_where_it_cannot_be_written(rows, tmp_path, capsys):
    for out, words in ((tmp_path / "none" / "b.json", "there is no folder"), (rows, "name another file to write")):
        assert main(["baseline", "build", str(rows), "--out", str(out), *TOY]) == 1
        assert words in capsys.readouterr().err
