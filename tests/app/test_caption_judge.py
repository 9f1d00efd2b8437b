"""The page of the judge: the toy judge answers, an endpoint only where the owner names one, and so often a day."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.servers import chat_server, completion
from vqe_core.app import caption_judge
from vqe_core.app.caption_judge import Allowance, allowed_judges, daily_limit, judge_captions
from vqe_core.app.inputs import example_clips
from vqe_core.app.results import Result
from vqe_core.errors import InputError, ModelError


@pytest.fixture(autouse=True)
def no_endpoint(monkeypatch):
    for name in (caption_judge.URL, caption_judge.MODEL, caption_judge.DAILY, "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(caption_judge, "_ALLOWANCE", Allowance())


def judged(captions: str, judge: str = "toy", references: str = "", video: str | None = None):
    path, _ = example_clips()[1]
    return judge_captions(allowed_judges(), video or path, captions, references, judge, "zero-shot", 4)


def test_the_toy_judge_tells_the_right_caption():
    _, clip = example_clips()[1]
    found = judged(f"{clip.foils()[-1].text}\n{clip.captions(1)[0]}")
    assert isinstance(found, Result)
    assert found.content["verdict"] == "Caption 2 fits best, the judge says."
    assert "least seen" in found.html and found.html.count("Frame 4 of 4") == 1
    assert found.restored and found.link["judge"] == "toy"


def test_what_it_cannot_judge_is_said(tmp_path):
    from dataclasses import replace

    from vqe_core.toy.clips import write_clip

    _, clip = example_clips()[1]
    noise = np.random.default_rng(0).integers(0, 256, clip.frames.shape).astype(np.uint8)
    path = write_clip(replace(clip, frames=noise), tmp_path / "noise.mp4")
    found = judged("a star\na ring", video=str(path))
    assert found.content["verdict"] == "This model cannot judge this clip."


def test_without_an_endpoint_visitors_and_owners_read_what_they_can_do():
    shown = judged("a star", judge="endpoint")
    assert "This page has no judge" in shown and "EMScore and CLIPScore" in shown
    assert "For the owner of this page" in shown and "VQE_APP_JUDGE_URL" in shown
    assert next(iter(allowed_judges().values())) == "toy"


def test_the_owner_s_endpoint_judges_as_often_as_the_owner_pays_for(monkeypatch):
    answers = ["8", "3"]

    def answer(number, request):
        return completion(json.dumps({"score": float(answers[number % 2]), "reason": "<i>seen</i>"}))

    with chat_server(answer) as server:
        monkeypatch.setenv(caption_judge.URL, server.url)
        monkeypatch.setenv(caption_judge.MODEL, "a-model")
        monkeypatch.setenv(caption_judge.DAILY, "3")
        assert next(iter(allowed_judges().items())) == ("a-model, at the owner's endpoint", "endpoint")
        found = judged("a star\na ring", judge="endpoint", references="a big star")
        assert sorted(row["caption_judge"] for row in found.content["captions"]) == [0.3, 0.8]
        assert "&lt;i&gt;seen" in found.html
        assert "enough for today" in judged("a star\na ring", judge="endpoint")
        assert len(server.requests) == 2


def test_numbers_within_half_a_point_are_a_tie():
    best = caption_judge.rank([0.8, 0.8, 0.3], caption_judge.STEP)
    assert caption_judge.headline([0.8, 0.8, 0.3], best) == "Too close to call: captions 1 and 2."


def test_what_is_missing_or_not_on_the_list_is_said(monkeypatch):
    assert "There is no video yet" in judge_captions(allowed_judges(), None, "a", "", "toy", "zero-shot", 4)
    assert "There is no caption yet" in judged(" \n")
    with pytest.raises(InputError, match="at most 4 fit here"):
        judged("a\nb\nc\nd\ne")
    with pytest.raises(InputError, match="The judge must be one of"):
        judged("a", judge="http://elsewhere")
    monkeypatch.setenv(caption_judge.DAILY, "many")
    with pytest.raises(ModelError, match="must be a whole number"):
        daily_limit()
