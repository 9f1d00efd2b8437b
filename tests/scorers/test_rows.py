"""Columns of any kind to checked rows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vqe_core.errors import InputError, InputTypeError, MediaNotFoundError, VqeError
from vqe_core.scorers.rows import as_columns, check_references, check_text, read_row, video_column, with_streams
from vqe_core.types import MediaSource


def test_whatever_holds_a_column_is_one():
    lists = as_columns(predictions=np.array(["a", "b"]), videos=("x", "y"), references=None)
    assert lists == {"predictions": ["a", "b"], "videos": ["x", "y"], "references": None}


@pytest.mark.parametrize("value", ["a cat", " é 😀 ", "x" * 10_000, "line\nbreak", "\x00a"])
def test_texts_that_can_be_scored(value):
    assert check_text(value, "predictions") == value


@pytest.mark.parametrize(
    ("value", "code"),
    [(None, "bad_caption"), (math.nan, "bad_caption"), (b"a", "bad_caption"), ("\t", "empty_caption")],
)
def test_texts_that_cannot(value, code):
    with pytest.raises(InputError) as caught:
        check_text(value, "predictions")
    assert caught.value.code == code
    assert str(caught.value).startswith(f"predictions ({value!r}) must")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ()), (math.nan, ()), ("a", ("a",)), (["a", "b"], ("a", "b")), ([], ()), (("a",), ("a",))],
)
def test_references_of_a_row(value, expected):
    assert check_references(value) == expected


@pytest.mark.parametrize("value", [3, {"a": 1}, ["a", None], ["a", ""], [["a"]]])
def test_references_that_cannot_be(value):
    with pytest.raises(InputError):
        check_references(value)


def test_a_row_keeps_what_is_wrong_with_its_video():
    with pytest.raises(MediaNotFoundError):
        read_row("a cat", None, "nowhere.mp4")
    with pytest.raises(InputTypeError):
        read_row("a cat", None, 7)


def test_videos_of_a_table_get_their_folder_and_segment(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    columns = {"v": ["a.mp4", None, b"bytes", 7], "s": [1, None, math.nan, 0], "e": [2.5, None, None, None]}
    videos = video_column(columns, "v", "s", "e", str(tmp_path))
    assert videos is not None
    assert videos[0] == MediaSource(path=str(tmp_path / "a.mp4"), start=1.0, end=2.5)
    assert videos[1] is None
    assert (videos[2].data, videos[2].start) == (b"bytes", None)
    assert isinstance(videos[3], VqeError)
    assert video_column(columns, "other", None, None, None) is None


def test_a_segment_that_cannot_be_is_the_rows_error(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    columns = {"v": ["a.mp4", "a.mp4"], "s": [3, "soon"], "e": [1, 2]}
    backwards, words = video_column(columns, "v", "s", "e", str(tmp_path)) or []
    assert "segment end (1.0) must be greater than start (3.0)" in str(backwards)
    assert "segment ('soon', 2)" in str(words)


def test_named_streams_reach_every_file_of_a_row_but_not_those_that_name_their_own():
    named = with_streams("video", ["a.mp4", {"path": "b.mp4", "audio_stream": 2}], None, "deu")
    assert [(source.path, source.video_stream, source.audio_stream) for source in named] == [
        ("a.mp4", None, "deu"),
        ("b.mp4", None, 2),
    ]
    assert with_streams("audio", None, 1, None) is None


def test_streams_of_what_is_no_file_are_an_error():
    for kind, cell in (("video", np.zeros((2, 4, 4, 3), np.uint8)), ("audio", {"array": [0.1], "sampling_rate": 8000})):
        with pytest.raises(InputError, match="audio_stream \\('deu'\\) names a stream of a file"):
            with_streams(kind, cell, None, "deu")
