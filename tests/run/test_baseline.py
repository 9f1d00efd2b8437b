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


def test_a_row_that_is_scored_later_is_set_against_the_videos_of_the_first_pass(rows, tmp_path):
    """The others are not scored again, so their places stay as they were."""
    from vqe_core.run import score_run

    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    for line in lines:
        line["video_path"] = str(rows.parent / line["video_path"])
    late = tmp_path / "late.mp4"
    lines.append({"candidate": "two red stars", "video_path": str(late)})
    table = tmp_path / "rows.jsonl"
    table.write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = {"clip_model_path": "toy", "frame_num": 2, "idf": True, "against_chance": True}
    first = score_run(table, tmp_path / "scores", rows_per_part=2, **options)
    before = read_table(tmp_path / "scores")["EMScore(X,V)_percentile"]
    assert (first.num_failed, first.calibration["num_videos"], before[3]) == (1, 3, None)
    write_clip(make_clip(9, size=64), late)
    summary = score_run(table, tmp_path / "scores", rows_per_part=2, retry_failed=True, **options)
    columns = {"predictions": [line["candidate"] for line in lines], "videos": [line["video_path"] for line in lines]}
    known = {name: values[:3] for name, values in columns.items()}
    fitted = EMScore(**options).fit(known["predictions"]).fit_chance(**known)  # the words of rows that can be scored
    expected = fitted.score(**columns)
    after = read_table(tmp_path / "scores")["EMScore(X,V)_percentile"]
    assert after[:3] == before[:3] and after == pytest.approx(expected.rows["EMScore(X,V)_percentile"])
    assert summary.calibration == first.calibration == expected.calibration
    assert summary.signature["against_chance"] == "full_F among 3 videos"
    assert summary.scores == pytest.approx(expected.scores)
