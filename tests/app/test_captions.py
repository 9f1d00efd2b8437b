"""The form of a page of captions is checked before anything is scored."""

from __future__ import annotations

import pytest

from vqe_core.app.captions import CaptionRequest, read_request
from vqe_core.errors import InputError, MediaNotFoundError
from vqe_core.toy.clips import make_clip, write_clip

MODELS = {"Toy": "toy"}


def test_what_is_missing_is_said_before_the_clip_is_read():
    assert "There is no video yet" in str(read_request(MODELS, None, "a star", None, "toy", 4))
    assert "There is no caption yet" in str(read_request(MODELS, "no/clip.mp4", " \n", None, "toy", 4))


def test_what_is_typed_becomes_a_request(tmp_path):
    path = str(write_clip(make_clip(seed=7), tmp_path / "clip.mp4"))
    request = read_request(MODELS, path, "a star\n\na ring", " ", "toy", 4.0)
    assert isinstance(request, CaptionRequest)
    assert (request.video, request.captions, request.references) == (path, ["a star", "a ring"], None)
    assert request.options["frame_num"] == 4 and request.options["isolate"] is True
    with pytest.raises(InputError, match="must be one of Toy"):
        read_request(MODELS, path, "a star", None, "/etc/passwd", 4)


def test_a_clip_that_is_not_there_is_an_error():
    with pytest.raises(MediaNotFoundError, match=r"none\.mp4"):
        read_request(MODELS, "none.mp4", "a star", None, "toy", 4)
