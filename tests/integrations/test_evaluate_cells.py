"""Cells of the table that ``evaluate`` keeps: whatever goes in comes out, or is named for what it was."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqe_core.errors import InputTypeError, VqeError
from vqe_core.integrations.evaluate import (
    MARK,
    decode_media,
    decode_text,
    decode_texts,
    encode_media,
    encode_text,
    encode_texts,
)
from vqe_core.media import as_media_source


def no_spill(data: bytes, suffix: str) -> str:
    raise AssertionError("nothing to spill")


@given(text=st.text(alphabet=st.characters(blacklist_categories=[])))
def test_any_text_survives_even_lone_surrogates_and_marks(text):
    for value in (text, MARK + text):
        cell = encode_text(value)
        assert cell is not None
        cell.encode("utf-8")  # what Arrow needs
        assert decode_text(cell) == value


@pytest.mark.parametrize("value", [3, 2.5, True, math.inf, np.int64(3)])
def test_numbers_stay_numbers_and_never_become_captions(value):
    assert decode_text(encode_text(value)) == value


def test_other_types_keep_their_name_and_repr():
    again = decode_text(encode_text({1, 2}))
    assert (type(again).__name__, repr(again)) == ("set", "{1, 2}")


def test_missing_is_null():
    assert encode_text(None) is None
    assert encode_text(math.nan) is None
    assert encode_texts(math.nan) is None
    assert encode_media(None, no_spill) is None


@pytest.mark.parametrize("value", ["a", ["a", "b"], ["a", None, 3]])
def test_references_survive(value):
    assert decode_texts(encode_texts(value)) == ([value] if isinstance(value, str) else value)


def test_media_paths_stay_paths_and_the_rest_is_spilled(tmp_path):
    def spill(data: bytes, suffix: str) -> str:
        path = tmp_path / f"spilled{suffix}"
        path.write_bytes(data)
        return str(path)

    assert decode_media(encode_media(Path("a") / "b.mp4", no_spill)) == "a/b.mp4"
    source = decode_media(encode_media({"path": "b.mp4", "start": 1, "end": 2.5}, no_spill))
    assert (source.path, source.start, source.end) == ("b.mp4", 1.0, 2.5)
    assert Path(decode_media(encode_media(b"film", spill)).path).read_bytes() == b"film"
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), dtype=np.uint8)
    again = decode_media(encode_media({"frames": frames, "fps": 5}, spill))
    assert np.array_equal(again.frames, frames)
    assert again.fps == 5


@pytest.mark.parametrize(
    ("value", "code"),
    [(7, "bad_type"), (np.zeros((2, 8, 8, 3)), "bad_input"), (np.zeros((0, 8, 8, 3), np.uint8), "no_frames")],
)
def test_what_is_wrong_with_a_video_reaches_its_row(value, code):
    again = decode_media(encode_media(value, no_spill))
    with pytest.raises(VqeError) as caught:
        as_media_source(value)
    assert (type(again), again.code, str(again)) == (type(caught.value), code, str(caught.value))


def test_open_decoders_are_refused_with_the_way_out():
    class Decoder:
        metadata: Any = None

        def get_frames_at(self, indices: Any) -> Any:
            return None

    refused = decode_media(encode_media(Decoder(), no_spill))
    assert isinstance(refused, InputTypeError)
    assert "give its path or bytes" in str(refused)


def test_frames_of_several_sizes_are_spilled_and_come_back(tmp_path):
    def spill(data: bytes, suffix: str) -> str:
        path = tmp_path / f"x{suffix}"
        path.write_bytes(data)
        return str(path)

    images = [np.full((4, 6, 3), 1, np.uint8), np.full((2, 8, 3), 2, np.uint8), np.full((4, 6, 3), 3, np.uint8)]
    again = decode_media(encode_media({"frames": images, "fps": 2.0}, spill))
    assert again.fps == 2.0
    assert [image.tolist() for image in again.frames] == [image.tolist() for image in images]
