"""Rows chosen by their scores, against the plain reading of the conditions."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqe_core.cli import main
from vqe_core.errors import InputError
from vqe_core.run import score_run
from vqe_core.run.filtering import ScoredRows, as_array, best_lines, choose, parse_condition
from vqe_core.tables import FORMATS, read_signatures, read_table, write_table
from vqe_core.toy.clips import make_clip, write_clip

SCORES = [0.1, 0.9, None, 0.5, 0.5, 0.7]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    columns = {
        "id": list(range(6)),
        "video_path": ["a.mp4", "b.mp4", "c.mp4", "in/a.mp4", "a.mp4", "d.mp4"],
        "full (F)": SCORES,
        "status": ["ok", "ok", "not_found", "ok", "ok", "ok"],
        "passed_filter": [True, False, False, True, True, True],
    }
    write_table(tmp_path / "scored.parquet", columns, {"metric": "emscore"})
    return tmp_path / "scored.parquet"


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        (["full (F) >= 0.5"], [1, 3, 4, 5]),
        (["full (F)>=p50"], [1, 3, 4, 5]),
        (["full (F) > p50"], [1, 5]),
        (["full (F) < 0.5"], [0]),
        (["full (F) >= 0.5", "full (F) <= 0.7"], [3, 4, 5]),
        (["status = ok", "passed_filter = true"], [0, 3, 4, 5]),
        (["status != ok"], [2]),
        (["full (F) != 0.5"], [0, 1, 5]),
        ([], [0, 1, 2, 3, 4, 5]),
        (["full (F) > 1"], []),
    ],
)
@pytest.mark.parametrize("suffix", FORMATS)
def test_rows_that_meet_all_conditions_are_written_with_their_columns(table, tmp_path, capsys, where, ids, suffix):
    out = tmp_path / f"kept{suffix}"
    flags = [word for text in where for word in ("--where", text)]
    assert main(["filter", str(table), *flags, "--out", str(out)]) == 0
    assert f"{len(ids)} of 6 rows kept" in capsys.readouterr().out
    if ids:
        kept = read_table(out)
        assert [int(value) for value in kept["id"]] == ids
        assert len(kept) == 5
    if suffix == ".parquet":
        assert read_signatures(out) == [{"metric": "emscore"}]


def test_the_best_and_the_worst(table, tmp_path):
    def ids(*flags: str) -> list[int]:
        assert main(["filter", str(table), *flags, "--by", "full (F)", "--out", str(tmp_path / "k.parquet")]) == 0
        return read_table(tmp_path / "k.parquet")["id"]

    assert ids("--top", "3") == [1, 3, 5]  # of equal ones the first
    assert ids("--bottom", "2") == [0, 3]
    assert ids("--top", "100") == [0, 1, 3, 4, 5]
    assert ids("--top", "1", "--where", "full (F) <= 0.5") == [3]


@given(st.lists(st.none() | st.floats(-1, 1), min_size=1, max_size=40), st.integers(0, 100))
def test_a_percentile_is_that_of_the_known_values(values, percent):
    kept = parse_condition(f"s >= p{percent}").keeps(as_array(values))
    known = sorted(value for value in values if value is not None)
    if not known:
        assert not kept.any()
        return
    place = percent / 100 * (len(known) - 1)
    low, high = known[math.floor(place)], known[math.ceil(place)]
    threshold = low + (high - low) * (place - math.floor(place))
    for value, is_kept in zip(values, kept, strict=True):
        if value is None:
            assert not is_kept
        elif abs(value - threshold) > 1e-12:
            assert is_kept == (value >= threshold)


def test_paths_and_links_name_each_video_once(table, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.mp4", "in/a.mp4"):
        (tmp_path / name).touch()
    paths, links = tmp_path / "paths.txt", tmp_path / "links"
    arguments = ["filter", str(table), "--where", "full (F) <= 0.5", "--paths", str(paths), "--links", str(links)]
    assert main(arguments) == 0
    assert paths.read_text().splitlines() == [str(tmp_path / "a.mp4"), str(tmp_path / "in/a.mp4")]
    assert {p.name: p.readlink() for p in links.iterdir()} == {
        "a.mp4": tmp_path / "a.mp4",
        "a-2.mp4": tmp_path / "in/a.mp4",
    }
    assert main(arguments) == 1  # the folder is not empty now


def test_the_folder_of_a_run_is_a_table_and_its_paths_start_where_the_input_was(tmp_path):
    (tmp_path / "clips").mkdir()
    write_clip(make_clip(0), tmp_path / "clips/0.mp4")
    write_table(tmp_path / "clips/rows.csv", {"video_path": ["0.mp4", "1.mp4"], "candidate": ["a circle"] * 2})
    score_run(tmp_path / "clips/rows.csv", tmp_path / "run", clip_model_path="toy")
    rows = ScoredRows(tmp_path / "run")
    kept = choose(rows, [parse_condition("status = ok")])
    assert list(rows.videos(kept)) == [str(tmp_path / "clips/0.mp4")]


def test_without_an_output_it_shows_what_thresholds_keep(table, capsys):
    assert main(["filter", str(table), "--by", "full (F)"]) == 0
    shown = capsys.readouterr().out
    assert "keeps 5 (100.0 %)" in shown
    assert shown.rstrip().endswith("6 of 6 rows kept (100.0 %)")


@pytest.mark.parametrize(
    ("flag", "ids"), [("--top", ["1", "5", "3"]), ("--bottom", ["0", "3", "4"])], ids=["best", "worst"]
)
def test_without_an_output_it_shows_the_best_or_worst_rows_in_order(table, capsys, flag, ids):
    assert main(["filter", str(table), flag, "3", "--by", "full (F)"]) == 0
    header, *lines, last = capsys.readouterr().out.splitlines()
    assert header.split("  ") == ["full (F)", "id", "video_path"]
    assert [line.split()[1] for line in lines] == ids
    assert last == "3 of 6 rows kept (50.0 %)"


def test_rows_are_shown_by_what_tells_them_apart_and_on_a_line_each(tmp_path):
    columns = {
        "score": [0.5, "0.25"],
        "text": ["a dog\nruns", "b" * 100],
        "video": [{"path": "a.mp4", "bytes": None}] * 2,
        "flag": [True, False],
        "none": [None, None],
    }
    write_table(tmp_path / "rows.jsonl", columns)
    rows = ScoredRows(tmp_path / "rows.jsonl")
    lines = best_lines(rows, np.ones(2, dtype=bool), "score", worst=True, width=10)
    assert lines == ["score   text        video", "0.2500  bbbbbbb...  a.mp4", "0.5000  a dog runs  a.mp4"]
    assert best_lines(rows, np.zeros(2, dtype=bool), "score", worst=True) == ["score"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--where", "nothing"], "must be COLUMN OPERATOR VALUE"),
        (["--where", "nothing > 1"], "'nothing' is no column; there are id, video_path"),
        (["--where", "status > 1"], "holds no numbers; compare it with a text"),
        (["--where", "id = ok"], "holds numbers; compare it with a number"),
        (["--where", "id > p101"], "from p0 to p100"),
        ([], "no column is called like a score; name one by --by COLUMN; there are id, video_path"),
        (["--top", "3"], "no column is called like a score"),
        (["--top", "0", "--by", "id"], "--top (0) must be at least 1"),
        (["--top", "1", "--by", "status"], "holds no numbers; name a column of scores"),
    ],
)
def test_mistakes_are_told_in_one_line(table, capsys, arguments, words):
    assert main(["filter", str(table), *arguments]) == 1
    assert words in capsys.readouterr().err


def test_without_a_column_the_headline_is_looked_at(tmp_path, capsys):
    columns = {"id": [0, 1, 2], "similarity_percentile": [0.9, 0.1, 0.2], "similarity": [0.2, 0.9, 0.4]}
    write_table(tmp_path / "s.jsonl", columns)
    table = str(tmp_path / "s.jsonl")
    for arguments in ([], ["--top", "2"], ["--bottom", "1"], ["--where", "id > 0", "--top", "1"]):
        assert main(["filter", table, *arguments]) == 0
        found = capsys.readouterr().out
        assert main(["filter", table, *arguments, "--by", "similarity"]) == 0
        assert found == capsys.readouterr().out
    assert main(["filter", table, "--top", "2", "--out", str(tmp_path / "top.jsonl")]) == 0
    assert read_table(tmp_path / "top.jsonl")["id"] == [1, 2]
    capsys.readouterr()
    assert main(["filter", table, "--where", "id > 0"]) == 0  # the histogram is that of the condition
    assert "similarity" not in capsys.readouterr().out


def test_nothing_that_is_none_is_a_number():
    assert np.isnan(as_array([None, float("nan")])).all()
    with pytest.raises(InputError):
        parse_condition(">= 3")


def test_videos_elsewhere_are_listed_by_their_addresses_and_not_linked(tmp_path, capsys):
    write_table(tmp_path / "s.jsonl", {"similarity": [0.1, 0.9], "video_path": ["a.mp4", "s3://bucket/b.mp4"]})
    (tmp_path / "a.mp4").touch()
    paths, table = tmp_path / "paths.txt", str(tmp_path / "s.jsonl")
    assert main(["filter", table, "--where", "similarity > 0", "--paths", str(paths)]) == 0
    assert paths.read_text().splitlines() == [str(tmp_path / "a.mp4"), "s3://bucket/b.mp4"]
    assert main(["filter", table, "--where", "similarity > 0", "--links", str(tmp_path / "links")]) == 1
    assert "use --paths, not --links" in capsys.readouterr().err
