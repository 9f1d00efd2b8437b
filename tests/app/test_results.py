"""Results can be kept: as JSON, as a picture, and as a link that fills the form in again."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from vqe_core.app.captions import read_request, restored
from vqe_core.app.emscore import score_captions
from vqe_core.app.inputs import example_clips, example_number, linked_example
from vqe_core.app.results import MOST_LINKED, Result, as_json, with_actions
from vqe_core.errors import MissingPackageError
from vqe_core.toy.clips import make_clip, write_clip

MODELS = {"Toy": "toy"}


def hrefs(html: str) -> dict[str, str]:
    return dict(re.findall(r'<a (?:download="[\w.]*?\.(\w+)"|class="vqe-link") href="([^"]*)"', html))


def test_what_is_shown_can_be_downloaded_and_linked(tmp_path):
    path, clip = example_clips()[1]
    typed = f"{clip.captions(1)[0]}\n<b>two</b> red stars & a ring"
    request = read_request(MODELS, path, typed, None, "toy", 4)
    shown = with_actions(score_captions(request))
    links = hrefs(shown)
    content = json.loads(base64.b64decode(links["json"].partition(",")[2]))
    assert content["verdict"].startswith("Caption 1 fits best") or content["verdict"].startswith("No verdict")
    assert [row["caption"] for row in content["captions"]] == request.captions
    (tmp_path / "result.png").write_bytes(base64.b64decode(links["png"].partition(",")[2]))
    assert Image.open(tmp_path / "result.png").width > 500
    query = {name: values[0] for name, values in parse_qs(urlsplit(links[""].replace("&amp;", "&")).query).items()}
    assert restored(MODELS, query) == [path, "\n".join(request.captions), None, "toy", 4]
    assert "opens this example" in shown


def test_an_upload_is_not_restored_and_that_is_said(tmp_path):
    path = write_clip(make_clip(5, size=64), tmp_path / "mine.mp4")
    assert example_number(str(path)) is None
    request = read_request(MODELS, str(path), "a star", None, "toy", 4)
    assert request.link["example"] == ""
    assert "uploads the clip again" in with_actions(Result("<p></p>", "emscore", {}, link=request.link))


@pytest.mark.parametrize("query", [{"example": "0"}, {"example": "99"}, {"example": "x"}, {"example": "-1"}, {}])
def test_a_link_names_an_example_that_there_is_or_none(query):
    assert linked_example(query) is None


def test_a_link_that_is_too_long_is_left_out():
    assert "vqe-link" not in with_actions(Result("", "emscore", {}, link={"captions": "x" * MOST_LINKED}))


def test_a_picture_that_cannot_be_drawn_costs_the_picture_only():
    def picture():
        raise MissingPackageError("no matplotlib")

    shown = with_actions(Result("<p>fine</p>", "emscore", {}, picture))
    assert "fine" in shown and "Download JSON" in shown and "Download PNG" not in shown


def test_json_has_no_nan():
    text = base64.b64decode(as_json({"score": float("nan"), "rows": (1.0, float("inf"))}).partition(",")[2]).decode()
    assert json.loads(text, parse_constant=pytest.fail) == {"score": None, "rows": [1.0, None]}
