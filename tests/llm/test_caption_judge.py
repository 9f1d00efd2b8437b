"""Judges of captions: what a chat model is sent, a user's function, and servings."""

from __future__ import annotations

import base64
import io
import json
import pickle
import re

import numpy as np
import pytest
from PIL import Image

from tests.llm.given import Conversing, LocalServer, TextOnly, codes
from tests.servers import completion
from vqe_core.errors import InputError, InputTypeError
from vqe_core.llm import (
    CaptionJudge,
    EndpointCaptionJudge,
    EndpointJudge,
    FunctionCaptionJudge,
    JudgedCaption,
    as_caption_judge,
    as_judge,
)
from vqe_core.llm.caption_judge import LocalServerCaptionJudge, ServingCaptionJudge
from vqe_core.llm.judge_prompt import CAPTION_PROMPTS, caption_prompt


def caption(text="a dog runs", *references, count=3, clock=True):
    """Grey images half a second apart, each lighter than the one before."""
    frames = np.stack([np.full((24, 32, 3), 40 * (i + 1), np.uint8) for i in range(count)])
    return JudgedCaption(frames, np.arange(count) / 2 if clock else None, text, references)


def judge(chat, **options):
    return EndpointCaptionJudge(api_url=chat.url, **{"model_name": "tiny", "progress": False, "timeout": 5, **options})


def parts_of(request):
    return request["messages"][0]["content"]


def texts_of(request):
    return [part["text"] for part in parts_of(request) if part["type"] == "text"]


def test_the_request_holds_each_image_after_its_time_the_words_and_the_prompt(serve):
    chat = serve(lambda n, r: completion('{"reason": "no dog", "score": 2}'))
    asked = caption('a "dog"\nruns', "a cat", "eine Kätzin")
    assert judge(chat).judge([asked]) == [(0.2, "no dog")]
    (request,) = chat.requests
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("tiny", 0.0, 300)
    kinds = [part["type"] for part in parts_of(request)]
    assert kinds == [*["text", "image_url"] * 3, "text", "text", "text"]
    assert texts_of(request) == [
        "Picture at 0.00 s:",
        "Picture at 0.50 s:",
        "Picture at 1.00 s:",
        'Caption: "a \\"dog\\"\\nruns"',
        'References: ["a cat", "eine Kätzin"]',
        CAPTION_PROMPTS["zero-shot"],
    ]
    images = [part["image_url"]["url"].partition(";base64,")[2] for part in parts_of(request) if "image_url" in part]
    shades = [round(float(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).mean())) for data in images]
    assert shades == [40, 80, 120]


def test_without_a_clock_pictures_are_counted_and_without_references_none_are_named(serve):
    chat = serve(lambda n, r: completion("7"))
    assert judge(chat, prompt="Rate it from 0 to 10.").judge([caption(count=2, clock=False)]) == [(0.7, "")]
    assert texts_of(chat.requests[0]) == [
        "Picture 1 of 2:",
        "Picture 2 of 2:",
        'Caption: "a dog runs"',
        "Rate it from 0 to 10.",
    ]


@pytest.mark.parametrize("name", CAPTION_PROMPTS)
def test_every_template_asks_for_what_is_read(name):
    words = CAPTION_PROMPTS[name]
    assert caption_prompt(name) == words
    assert all(term in words for term in ('"reason"', '"score"', "0 to 10", "JSON", "References"))


@pytest.mark.parametrize("chosen", ["vc_inspector", "", "zeroshot", None, 3])
def test_a_name_that_is_none_is_not_sent_as_the_prompt(chosen):
    with pytest.raises(InputError, match=re.escape(f"judge_prompt ({chosen!r}) must be zero-shot or vc-inspector")):
        caption_prompt(chosen)


def test_failures_have_their_status_and_concern_their_caption_alone(serve):
    def answer(number, request):
        message = {"role": "assistant", "content": None, "refusal": "I cannot judge people."}
        bad = {
            "1": (500, {}, b"broken"),
            "2": (400, {}, b"no pictures"),
            "3": completion("I cannot say"),
            "4": (200, {}, json.dumps({"choices": [{"message": message}]}).encode()),
            "5": (200, {}, b'{"choices": [{"finish_reason": "content_filter", "message": {"content": ""}}]}'),
        }
        return bad.get(texts_of(request)[-2][-2], completion("8"))

    found = judge(serve(answer), retries=0).judge([caption(f"dog {i}") for i in range(7)])
    refused = ["judge_refused", "bad_judgement", "judge_refused", "judge_refused"]
    assert codes(found) == ["ok", "judge_failed", *refused, "ok"]
    assert "refused: 'I cannot judge people.'" in str(found[4])


def test_answers_are_kept_by_all_that_is_sent(serve):
    chat = serve(lambda n, r: completion("8"))
    for _ in range(2):
        judge(chat).judge([caption(), caption("a cat"), caption("a dog runs", "a dog")])
    assert len(chat.requests) == 3
    judge(chat, prompt="Rate it from 0 to 10.").judge([caption()])
    judge(chat, keep_answers=False).judge([caption()])
    assert len(chat.requests) == 5


def test_the_signature_tells_it_from_a_judge_of_sounds():
    asked = EndpointCaptionJudge(api_url="http://localhost:8000/v1", model_name="m")
    assert isinstance(asked, CaptionJudge)
    assert asked.signature() == {
        "judge": "endpoint",
        "judge_url": "http://localhost:8000/v1/chat/completions",
        "judge_model": "m",
        "judge_prompt": CAPTION_PROMPTS["zero-shot"],
        "judge_max_tokens": "300",
        "judge_temperature": "0",
        "judge_version": "caption 1",
    }
    assert pickle.loads(pickle.dumps(asked)) == asked


def words(frames, timestamps, text, references):
    return len(text.split()) / 10, f"{len(frames)} frames, to {timestamps[-1]:g} s, {len(references)} references"


def test_a_function_gets_what_is_shown_and_errors_concern_their_caption():
    found = as_caption_judge(words).judge([caption(), caption("dog", "a", "b", count=2), caption(clock=False)])
    assert found[:2] == [(0.3, "3 frames, to 1 s, 0 references"), (0.1, "2 frames, to 0.5 s, 2 references")]
    assert found[2].code == "judge_failed"
    assert "failed on caption 2: TypeError" in str(found[2])
    assert as_caption_judge(words) == FunctionCaptionJudge(words)
    with pytest.raises(InputTypeError, match=re.escape("callable as f(frames, timestamps, caption, references)")):
        FunctionCaptionJudge(3)


def test_a_serving_is_told_the_prompt_and_a_local_server_is_an_endpoint(serve):
    chat = serve(lambda n, r: completion('{"score": 6, "reason": "fits"}'))
    serving = as_caption_judge(Conversing(chat.url), prompt="vc-inspector")
    assert isinstance(serving, ServingCaptionJudge)
    assert serving.judge([caption(), caption("a cat")]) == [(0.6, "fits")] * 2
    assert texts_of(chat.requests[1])[-2:] == ['Caption: "a cat"', CAPTION_PROMPTS["vc-inspector"]]
    assert serving.signature()["judge_prompt"] == CAPTION_PROMPTS["vc-inspector"]
    server = LocalServer(int(chat.url.rpartition(":")[2].partition("/")[0]))
    local = as_caption_judge(server, prompt="vc-inspector")
    assert isinstance(local, LocalServerCaptionJudge)
    assert (local.judge([caption("a bird")]), server.starts) == ([(0.6, "fits")], 1)
    assert local.signature()["judge_prompt"] == CAPTION_PROMPTS["vc-inspector"]
    with pytest.raises(InputTypeError, match=r"takes no conversation with pictures; use EndpointCaptionJudge"):
        as_caption_judge(TextOnly())


@pytest.mark.parametrize("value", [None, "gpt", 3, EndpointJudge(api_url="http://localhost:1/v1", model_name="m")])
def test_anything_else_is_refused(value):
    with pytest.raises(InputTypeError, match=re.escape(f"judge ({value!r}) must be a function f(")):
        as_caption_judge(value)


def test_a_judge_of_captions_judges_no_sounds():
    with pytest.raises(InputTypeError, match="must be a function"):
        as_judge(EndpointCaptionJudge(api_url="http://localhost:1/v1", model_name="m"))


def test_a_prompt_is_for_those_who_are_told_one():
    with pytest.raises(InputError, match=re.escape("judge_prompt ('vc-inspector') is told to a model behind api_url")):
        as_caption_judge(words, prompt="vc-inspector")


@pytest.mark.parametrize("change", [{"frames": np.zeros((0, 4, 4, 3), np.uint8)}, {"timestamps": np.zeros(2)}])
def test_a_caption_checks_what_is_shown(change):
    with pytest.raises(InputError, match="must be"):
        JudgedCaption(**{**vars(caption()), **change})
