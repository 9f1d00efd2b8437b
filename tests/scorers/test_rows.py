"""Columns of any kind to checked rows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vqe_core.errors import InputError, InputTypeError, MediaError, MediaNotFoundError, VqeError
from vqe_core.media import as_audio_source, as_media_source
from vqe_core.scorers.rows import (
    as_columns,
    check_references,
    check_text,
    read_audio_cell,
    read_row,
    read_video,
    video_column,
    with_streams,
)
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


INVISIBLE = {
    "zero-width spaces": "\u200b\u200b",
    "joiners among blanks": " \u200d\u2060 ",
    "byte order mark": "\ufeff",
    "soft hyphen": "\xad",
    "controls": "\0\x07\x1b",
    "directions": "\u202a\u202c",
    "line separators": "\u2028\x85\u3000",
    "fillers": "\u115f\u1160\u3164\uffa0",
    "empty braille": "\u2800",
    "marks on nothing": "\u0301\ufe0f",
    "tags": "\U000e0020\U000e007f",
}


@pytest.mark.parametrize("value", INVISIBLE.values(), ids=INVISIBLE)
def test_a_caption_that_shows_nothing_is_empty(value):
    with pytest.raises(InputError, match="must hold a word") as caught:
        check_text(value, "predictions")
    assert caught.value.code == "empty_caption"
    assert str(caught.value).isascii()  # shown by their numbers
    assert check_text(f"{value}cat", "predictions") == f"{value}cat"


@pytest.mark.parametrize(
    "value", ["\u1f642", "e\u0301", "猫", "\U0001f9d1\u200d\U0001f680", "!", "\ue000", "\U0001fae8", "กา"]
)
def test_whatever_shows_something_is_a_caption(value):
    assert check_text(value, "predictions") == value


def test_half_a_surrogate_pair_is_not_called_empty():
    with pytest.raises(InputError) as caught:
        check_text("\ud83d", "predictions")
    assert caught.value.code == "bad_caption"


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
    assert backwards.code == words.code == "bad_segment"
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


SEGMENTS = [
    (-1, None),
    (-0.001, 5),
    (None, -1),
    (None, 0),
    (2, 1),
    (2, 2),
    (math.inf, None),
    (0, math.inf),
    (True, None),
    ("abc", None),
    (1, "later"),
    ([1], None),
    (np.float32(-2), None),
]


@pytest.mark.parametrize(("start", "end"), SEGMENTS)
def test_a_segment_that_cannot_be_has_one_code_however_it_comes(start, end):
    (cell,) = video_column({"v": ["a.mp4"], "s": [start], "e": [end]}, "v", "s", "e", None) or []
    assert isinstance(cell, InputError) and cell.code == "bad_segment"
    makers = {
        "source": lambda: MediaSource(path="a.mp4", start=start, end=end),
        "video": lambda: as_media_source({"path": "a.mp4", "start": start, "end": end}),
        "frames": lambda: as_media_source(
            {"frames": np.zeros((2, 4, 4, 3), np.uint8), "fps": 1, "start": start, "end": end}
        ),
        "sound": lambda: as_audio_source({"path": "a.wav", "start": start, "end": end}),
        "samples": lambda: as_audio_source({"array": [0.0] * 9, "sampling_rate": 1, "start": start, "end": end}),
    }
    for name, make in makers.items():
        with pytest.raises(InputError) as caught:
            make()
        assert caught.value.code == "bad_segment", name


def test_cells_of_a_table_without_a_number_are_no_segment():
    columns = {"v": ["a.mp4"] * 3, "s": [math.nan, None, "1.5"], "e": [math.nan, None, np.float32(2)]}
    videos = video_column(columns, "v", "s", "e", None) or []
    assert [(video.start, video.end) for video in videos] == [(None, None), (None, None), (1.5, 2.0)]
    nan = {"start": math.nan, "end": math.nan}
    assert as_media_source({"path": "a.mp4", **nan}).start is None
    assert as_audio_source({"array": [0.0], "sampling_rate": 1, **nan}).duration == 1.0
    with pytest.raises(InputError, match="must be a finite number") as caught:
        MediaSource(path="a.mp4", start=math.nan)
    assert caught.value.code == "bad_segment"


@pytest.mark.parametrize("read", [read_video, read_audio_cell])
@pytest.mark.parametrize(
    "path", ["x" * 5000, "/" + "a/" * 2500, "a" * 300 + ".mp4", "a\0b.mp4", "\ud800.mp4", {"path": "x" * 5000}]
)
def test_what_cannot_be_a_path_says_so_in_few_words(read, path):
    with pytest.raises(MediaError) as caught:
        read(path)
    assert caught.value.code == "bad_path"
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("read", [read_video, read_audio_cell])
def test_links_in_a_circle_are_a_bad_path(read, tmp_path):
    (tmp_path / "a.mp4").symlink_to(tmp_path / "b.mp4")
    (tmp_path / "b.mp4").symlink_to(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match="cannot be the path of a file") as caught:
        read(str(tmp_path / "a.mp4"))
    assert caught.value.code == "bad_path"
