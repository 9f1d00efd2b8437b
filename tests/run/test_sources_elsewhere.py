"""A table that is written elsewhere than its input: relative paths of media in it lead to the same files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vqe_core.cli import main
from vqe_core.errors import InputError
from vqe_core.report.gallery import GalleryOptions, write_gallery
from vqe_core.report.scored_table import read_scored
from vqe_core.run import filtering, score_run
from vqe_core.run.sources import media_folder, open_source
from vqe_core.tables import FORMATS, read_media_folder, read_table, write_table
from vqe_core.toy.clips import make_clip, write_clip

TOY = {"clip_model_path": "toy", "metrics": ["cogr"]}
SCORE = "EMScore(X,V)_cogr"
TEXT_FORMATS = [suffix for suffix in FORMATS if suffix != ".parquet"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "clips").mkdir()
    names = [
        f"clips/{write_clip(make_clip(seed, seconds=1), folder / 'clips' / f'{seed}.mp4').name}" for seed in (1, 2)
    ]
    rows = {"video_path": [*names, "clips/none.mp4"], "candidate": ["a red circle", "two blue squares", "a dog"]}
    write_table(folder / "rows.jsonl", rows)
    return folder


@pytest.fixture(scope="module")
def scored(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("elsewhere") / "scores.parquet"
    score_run(data / "rows.jsonl", out, **TOY)
    return out


def paths_of(table: Path, tmp_path: Path, *arguments: str) -> list[str]:
    command = ["filter", str(table), "--where", "status = ok", "--paths", str(tmp_path / "paths.txt"), *arguments]
    assert main(command) == 0
    return (tmp_path / "paths.txt").read_text().splitlines()


def clips(data: Path) -> list[str]:
    return [str(data / "clips" / f"{seed}.mp4") for seed in (1, 2)]


def test_parquet_says_where_its_paths_start_and_keeps_them(data, scored, tmp_path):
    assert read_media_folder(scored) == str(data)
    assert read_table(scored)["video_path"] == read_table(data / "rows.jsonl")["video_path"]
    assert paths_of(scored, tmp_path) == clips(data)


def test_a_table_beside_its_input_says_nothing(data, tmp_path):
    assert read_media_folder(data / "rows.jsonl") == str(data)
    write_table(tmp_path / "rows.parquet", {"video_path": ["a.mp4"]})
    assert read_media_folder(tmp_path / "rows.parquet") == str(tmp_path)


def test_data_and_table_can_move_together(data, scored, tmp_path):
    (tmp_path / "data" / "clips").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    score_run(data / "rows.jsonl", data / "beside.parquet", **TOY)
    (data / "beside.parquet").rename(tmp_path / "data" / "rows.parquet")
    for clip in clips(data):
        os.link(clip, tmp_path / "data" / "clips" / Path(clip).name)
    assert (
        main(["filter", str(tmp_path / "data" / "rows.parquet"), "--out", str(tmp_path / "out" / "all.parquet")]) == 0
    )
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("data", "out"):
        (tmp_path / name).rename(moved / name)
    assert paths_of(moved / "out" / "all.parquet", tmp_path) == clips(moved / "data")


def test_chosen_rows_and_failures_say_it_too(data, scored, tmp_path):
    (tmp_path / "best").mkdir()
    assert main(["filter", str(scored), "--where", "status = ok", "--out", str(tmp_path / "best" / "b.parquet")]) == 0
    assert paths_of(tmp_path / "best" / "b.parquet", tmp_path) == clips(data)
    failed = tmp_path / "failed.parquet"
    command = [
        "score",
        "emscore",
        str(data / "rows.jsonl"),
        "--out",
        str(tmp_path / "s.csv"),
        "--failures",
        str(failed),
    ]
    assert main([*command, "--clip-model-path", "toy"]) == 0
    assert read_media_folder(failed) == str(data)


def test_another_metric_finds_the_videos(data, scored, tmp_path):
    (tmp_path / "in").mkdir()
    summary = score_run(
        scored, tmp_path / "both.parquet", "clip_score", clip_model_path="toy", status_key="s", message_key="m"
    )
    assert (summary.status["ok"], summary.num_failed) == (2, 1)
    assert read_media_folder(tmp_path / "both.parquet") == str(data)


def test_pages_show_the_frames(data, scored, tmp_path):
    found = read_scored(scored)
    assert [found.videos[row].path for row in (0, 1)] == clips(data)
    page = write_gallery(scored, tmp_path / "gallery.html").read_text()
    assert page.count("data:image") >= 2
    write_table(tmp_path / "s.csv", read_table(scored))
    assert "data:image" not in write_gallery(tmp_path / "s.csv", tmp_path / "none.html").read_text()
    named = GalleryOptions(videos_dir=str(data))
    assert write_gallery(tmp_path / "s.csv", tmp_path / "g.html", named).read_text().count("data:image") >= 2
    assert [read_scored(tmp_path / "s.csv", videos_dir=str(data)).videos[row].path for row in (0, 1)] == clips(data)
    assert main(["report", str(tmp_path / "s.csv"), "--out", str(tmp_path / "r.html"), "--no-evidence", "--videos-dir",
                 str(data)]) == 0  # fmt: skip
    assert "data:image" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize("suffix", TEXT_FORMATS)
def test_texts_cannot_say_it_so_the_summary_does(data, tmp_path, capsys, suffix):
    out = tmp_path / f"scores{suffix}"
    command = ["score", "emscore", str(data / "rows.jsonl"), "--out", str(out), "--clip-model-path", "toy"]
    assert main(command) == 0
    assert f"relative paths of media in {out} start from {data} (--videos-dir)" in capsys.readouterr().out
    paths_of(out, tmp_path)
    assert "vqe: warning: 2 of 2 videos are not there, for example " in capsys.readouterr().err
    assert paths_of(out, tmp_path, "--videos-dir", str(data)) == clips(data)


def test_the_summary_says_nothing_where_nothing_is_relative_or_elsewhere(data, tmp_path):
    assert score_run(data / "rows.jsonl", data / "beside.jsonl", **TOY).media_folder == ""
    assert score_run(data / "clips", tmp_path / "a.jsonl", candidate="a red circle", **TOY).media_folder == ""
    write_table(tmp_path / "texts.csv", {"candidate": ["a"], "reference": ["a"]})
    (tmp_path / "out").mkdir()
    assert score_run(tmp_path / "texts.csv", tmp_path / "out" / "t.csv", **TOY).media_folder == ""


def test_links_lead_to_files(data, scored, tmp_path, capsys):
    assert main(["filter", str(scored), "--where", "status = ok", "--links", str(tmp_path / "links")]) == 0
    assert sorted(path.name for path in (tmp_path / "links").iterdir() if path.exists()) == ["1.mp4", "2.mp4"]
    assert main(["filter", str(scored), "--where", "status != ok", "--links", str(tmp_path / "dead")]) == 1
    assert "is not there, so a link would lead nowhere; --videos-dir names" in capsys.readouterr().err
    assert main(["filter", str(scored), "--by", SCORE, "--links", str(tmp_path / "dead")]) == 1  # the last of three
    assert not (tmp_path / "dead").exists()


def test_a_folder_behind_a_link(data, tmp_path):
    (tmp_path / "far" / "out").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "out")
    (tmp_path / "data").symlink_to(data)
    score_run(tmp_path / "data" / "rows.jsonl", tmp_path / "link" / "s.parquet", **TOY)
    for folder in (tmp_path / "link", tmp_path / "far" / "out"):
        assert read_media_folder(folder / "s.parquet") == str(data.resolve())


def test_tables_from_several_folders_are_told_apart(data, scored, tmp_path):
    write_table(tmp_path / "own.parquet", {**read_table(scored)})
    with pytest.raises(InputError, match="start from several folders"):
        open_source([scored, tmp_path / "own.parquet"], video_key="video_path")
    assert media_folder([scored, scored]) == str(data)


def test_parts_of_a_run_beside_another_table_have_folders_of_their_own(data, tmp_path):
    score_run(data / "rows.jsonl", tmp_path / "run", **TOY)
    (part,) = (tmp_path / "run").glob("scores-*.parquet")
    write_table(tmp_path / "own.parquet", read_table(part))
    assert media_folder([part]) == media_folder([tmp_path / "run"]) == str(data)
    for tables in ([part, tmp_path / "own.parquet"], [tmp_path / "own.parquet", part]):
        with pytest.raises(InputError, match="start from several folders"):
            media_folder(tables)


def test_of_many_paths_the_first_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(filtering, "LOOKED_FOR", 2)
    paths = [str(tmp_path / name) for name in "abc"]
    with pytest.warns(UserWarning, match="2 of the first 2 videos are not there"):
        filtering.write_paths(paths, tmp_path / "paths.txt")
    assert (tmp_path / "paths.txt").read_text().splitlines() == paths


def test_a_folder_of_videos_that_is_not_there_is_refused(scored, tmp_path, capsys):
    assert main(["filter", str(scored), "--top", "1", "--by", SCORE, "--videos-dir", str(tmp_path / "no")]) == 1
    assert "is no folder; check the path" in capsys.readouterr().err
