"""Scores, videos and captions are found in whatever wrote the table."""

from __future__ import annotations

import math

import pytest

from vqe_core.errors import InputError, VqeError
from vqe_core.report.scored_table import TableColumns, read_scored, usual_headline
from vqe_core.tables import write_table

SIGNATURE = {"metric": "emscore", "model": "toy"}
EM = "EMScore(X,V)_"
COLUMNS = {
    "video_path": ["a.mp4", "b.mp4", "c.mp4", "d.mp4"],
    "candidate": ["one", "two", "three", None],
    "id": [4, 3, 2, 1],
    EM + "figr_P": [0.9, 0.5, 0.1, math.nan],
    EM + "figr_R": [0.9, 0.5, 0.1, math.nan],
    EM + "cogr": [0.5, 0.1, 0.9, math.nan],
    EM + "full_F": [0.7, 0.3, 0.5, math.nan],
    "warnings": ["", "truncated=1 damaged_frames=2", "truncated=1", ""],
    "status": ["ok", "ok", "ok", "not_found"],
    "message": ["", "cut", "cut", "no video"],
}


@pytest.fixture(params=[".parquet", ".csv", ".jsonl"])
def table(request, tmp_path):
    path = tmp_path / f"scores{request.param}"
    write_table(path, COLUMNS, SIGNATURE)
    return path


@pytest.mark.parametrize(
    ("names", "headline"),
    [
        (["passed_filter", "EMScore(X,V)_figr_P", "EMScore(X,V)_full_F"], "EMScore(X,V)_full_F"),
        (["candidate", "passed_filter", "EMScore(X,V)_cogr", "EMScore(X,V)_figr_P"], "EMScore(X,V)_cogr"),
        (["passed_filter", "status"], None),
    ],
)
def test_the_headline_is_the_usual_score_or_else_the_first(names, headline):
    assert usual_headline(names) == headline


def test_columns_are_found_in_every_format(table):
    found = read_scored(table)
    assert list(found.scores) == [EM + name for name in ("figr_P", "figr_R", "cogr", "full_F")]  # an id is no score
    assert found.headline == EM + "full_F" and (found.num_rows, found.num_scored) == (4, 3)
    assert found.captions == ["one", "two", "three", ""] and found.video_names == COLUMNS["video_path"]
    assert found.status == COLUMNS["status"] and found.failures() == [("not_found", [3])]
    assert found.warned == {"truncated": 2, "damaged_frames": 1}
    assert found.signature == (SIGNATURE if table.suffix == ".parquet" else {})
    assert str(table.parent / "a.mp4") in str(found.videos[0])


def test_rows_are_ordered_by_the_headline_and_by_disagreement(table):
    found = read_scored(table)
    assert found.best(9) == [0, 2, 1] and found.worst(2) == [1, 2]
    # figr_P ranks row 2 last and cogr first; rows 0 and 1 differ by half the range
    assert found.uncertain(3) == [2, 0, 1]
    assert found.disagreement()[:3].tolist() == [0.5, 0.5, 1.0] and math.isnan(found.disagreement()[3])


def test_a_score_alone_is_never_uncertain(tmp_path):
    write_table(tmp_path / "t.jsonl", {"caption": ["a", "b"], "clip_score": [0.1, 0.2]})
    found = read_scored(tmp_path / "t.jsonl")
    assert found.uncertain(5) == [] and found.columns.caption == "caption" and found.videos == [None, None]
    assert found.status == ["ok", "ok"]


def test_without_status_words_a_row_without_a_number_has_no_score(tmp_path):
    write_table(tmp_path / "t.jsonl", {"similarity": [0.1, None]})
    assert read_scored(tmp_path / "t.jsonl").failures() == [("no_score", [1])]


def test_columns_may_be_named(tmp_path):
    columns = {"my score": [1, 2], "clip": ["a.mp4", None], "said": ["x", "y"], "from": [0.0, 1.0], "till": [1.0, 0.5]}
    write_table(tmp_path / "t.jsonl", columns)
    with pytest.raises(InputError, match=r"has no score of a metric of this package.*my score, from, till"):
        read_scored(tmp_path / "t.jsonl")
    names = TableColumns(score="my score", video="clip", caption="said", start="from", end="till")
    found = read_scored(tmp_path / "t.jsonl", names)
    assert found.values.tolist() == [1.0, 2.0] and found.captions == ["x", "y"]
    assert found.videos[1] is None and not isinstance(found.videos[0], VqeError)
    with pytest.raises(InputError, match=r"video \('film'\) is no column of .*; there are my score, clip"):
        read_scored(tmp_path / "t.jsonl", TableColumns(video="film"))
    with pytest.raises(InputError, match=r"score \('said'\) of .* holds no numbers"):
        read_scored(tmp_path / "t.jsonl", TableColumns(score="said"))


def test_videos_of_every_form_have_a_name(tmp_path):
    videos = ["a.mp4", {"path": "b.mp4", "start": 1, "end": 2}, ["a.mp4", "b.mp4"], None]
    write_table(tmp_path / "t.jsonl", {"video": videos, "similarity": [0.1] * 4})
    assert read_scored(tmp_path / "t.jsonl").video_names == ["a.mp4", "b.mp4 1–2 s", "a.mp4, b.mp4", ""]
