"""Judges: what a chat model is sent, and a user's function."""

from __future__ import annotations

import pickle
import re
import socket
import time

import numpy as np
import pytest

from tests.llm.given import KEY, RATE, clip, codes, level, shown
from tests.servers import completion
from vqe_core.errors import InputError, InputTypeError
from vqe_core.llm import EndpointJudge, FunctionJudge, Judge, JudgedClip, as_judge
from vqe_core.llm.judge_prompt import DEFAULT_PROMPT


def judge(chat, **options):
    return EndpointJudge(api_url=chat.url, **{"model_name": "tiny", "progress": False, "timeout": 5, **options})


def test_the_request_holds_each_image_after_its_time_the_sound_and_the_prompt(serve):
    chat = serve(lambda n, r: completion('{"reason": "a bell", "score": 7}'))
    assert judge(chat).judge([clip(0.5, count=3)]) == [(0.7, "a bell")]
    (request,) = chat.requests
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("tiny", 0.0, 300)
    assert set(request) == {"model", "temperature", "max_tokens", "messages"}  # nothing that servers ignore
    kinds = [part["type"] for part in request["messages"][0]["content"]]
    assert kinds == [*["text", "image_url"] * 3, "text", "input_audio", "text"]
    texts, images, sound = shown(request)
    assert texts[:4] == [
        "Picture at 0.00 s:",
        "Picture at 1.00 s:",
        "Picture at 2.00 s:",
        "Sound from 0.00 s to 0.50 s:",
    ]
    assert texts[4] == DEFAULT_PROMPT
    assert [round(float(image.mean())) for image in images] == [40, 80, 120]
    np.testing.assert_allclose(sound, 0.5, atol=1e-4)


def test_judgements_come_back_in_order_whichever_is_first(serve):
    def answer(number, request):
        time.sleep(0.1 * (level(request) > 5))  # the first asked is the last to answer
        return completion(f"{level(request)}")

    chat = serve(answer)
    found = judge(chat, max_workers=3).judge([clip(loud) for loud in (0.9, 0.2, 0.4)])
    assert [round(10 * score) for score, _ in found] == [9, 2, 4]
    assert chat.most_at_once <= 3


def test_a_passing_failure_is_tried_again(serve):
    chat = serve(lambda n, r: (429, {}, b"busy") if n == 0 else completion("8"))
    assert judge(chat).judge([clip()]) == [(0.8, "")]
    assert len(chat.requests) == 2


def test_failures_have_their_status_and_concern_their_clip_alone(serve):
    def answer(number, request):
        bad = {1: (500, {}, b"broken"), 2: (400, {}, b"no pictures"), 3: completion("I cannot say")}
        return bad.get(level(request), completion("8"))

    found = judge(serve(answer), retries=0).judge([clip(loud) for loud in (0.1, 0.2, 0.3, 0.4)])
    assert codes(found) == ["judge_failed", "judge_refused", "bad_judgement", "ok"]
    assert "answered 500 at once: 'broken'" in str(found[0])
    assert "no score from 0 to 10 in the answer 'I cannot say'" in str(found[2])


def test_a_slow_server_and_no_server_have_their_status(serve):
    def answer(number, request):
        time.sleep(1.5)
        return completion("8")

    chat = serve(answer)
    assert codes(judge(chat, timeout=0.3, retries=0).judge([clip()])) == ["judge_timeout"]
    (late,) = judge(chat, timeout=30, deadline=0.3).judge([clip()])
    assert late.code == "judge_timeout"
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    gone = EndpointJudge(api_url=url, model_name="m", retries=0, progress=False)
    assert codes(gone.judge([clip()])) == ["judge_unreachable"]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b'{"choices": [{"message": {"content": null}}]}', b"x" * (2 << 20)]
)
def test_nonsense_is_never_a_number(serve, body):
    (error,) = judge(serve(lambda n, r: (200, {}, body))).judge([clip()])
    assert error.code == "bad_judgement"


def test_the_key_is_sent_and_nowhere_else(serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    chat = serve(lambda n, r: completion(f"your key is {KEY}"))
    asked = judge(chat)
    (found,) = asked.judge([clip()])
    assert chat.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert not any(KEY in text for text in (str(found), repr(asked), str(asked.signature())))
    assert KEY.encode() not in pickle.dumps((asked, found))


def test_the_signature_names_server_model_words_and_their_version():
    asked = EndpointJudge(api_url="http://localhost:8000/v1", model_name="m")
    assert isinstance(asked, Judge)
    assert asked.signature() == {
        "judge": "endpoint",
        "judge_url": "http://localhost:8000/v1/chat/completions",
        "judge_model": "m",
        "judge_prompt": DEFAULT_PROMPT,
        "judge_max_tokens": "300",
        "judge_temperature": "0",
        "judge_version": "1",
    }
    other = EndpointJudge(api_url="http://localhost:8000/v1", model_name="m", prompt="Rate it.")
    assert other.signature()["judge_prompt"] == "Rate it."
    assert pickle.loads(pickle.dumps(asked)) == asked != other


def loudness(frames, timestamps, waveform, sampling_rate):
    return float(waveform.mean()), f"{len(frames)} frames,\nto {timestamps[-1]:g} s, {sampling_rate} Hz"


def test_it_gets_what_is_shown_and_keeps_the_order():
    found = FunctionJudge(loudness, progress=False).judge([clip(0.25), clip(0.75, count=3)])
    assert found == [(0.25, f"2 frames, to 1 s, {RATE} Hz"), (0.75, f"3 frames, to 2 s, {RATE} Hz")]


@pytest.mark.parametrize("result", [0.5, np.float32(0.5), (0.5, None), (0.5, ""), [0.5, ""]])
def test_a_number_alone_will_do(result):
    assert FunctionJudge(lambda *shown: result, progress=False).judge([clip()]) == [(0.5, "")]


@pytest.mark.parametrize("result", [None, "0.5", True, 1.5, -0.1, float("nan"), (0.5, 1), (0.5, "", ""), ("a", "b")])
def test_what_is_no_judgement_is_an_error_of_its_clip(result):
    def judge(frames, timestamps, waveform, sampling_rate):
        return result if waveform[0] > 0.5 else 1

    bad, good = FunctionJudge(judge, progress=False).judge([clip(0.9), clip(0.1)])
    assert bad.code == "bad_judgement"
    assert good == (1.0, "")


def test_an_exception_of_the_function_concerns_its_clip_alone():
    def judge(*shown):
        if shown[2][0] > 0.5:
            raise KeyError("no such thing")
        return 0

    error, good = FunctionJudge(judge, "mine", progress=False).judge([clip(0.9), clip(0.1)])
    assert (error.code, good) == ("judge_failed", (0.0, ""))
    assert str(error) == "judge mine failed on clip 0: KeyError: 'no such thing'"


def test_the_signature_names_the_function():
    assert FunctionJudge(loudness).signature()["judge_name"].endswith("test_judge.loudness")
    assert FunctionJudge(loudness, function_name="v2").signature() == {"judge": "function", "judge_name": "v2"}


def test_as_judge_takes_judges_and_functions():
    endpoint = EndpointJudge(api_url="http://localhost:8000/v1", model_name="m")
    assert as_judge(endpoint) is endpoint
    assert isinstance(as_judge(loudness), Judge)
    assert as_judge(loudness) == FunctionJudge(loudness)


@pytest.mark.parametrize("value", [None, "gpt", 3])
def test_anything_else_is_refused(value):
    with pytest.raises(InputTypeError, match=re.escape(f"judge ({value!r}) must be a function")):
        as_judge(value)
    with pytest.raises(InputError, match="must be callable"):
        FunctionJudge(value)


@pytest.mark.parametrize(
    "change",
    [
        {"frames": np.zeros((0, 4, 4, 3), np.uint8)},
        {"frames": np.zeros((2, 4, 4, 3), np.float32)},
        {"timestamps": np.zeros(3)},
        {"waveform": np.zeros((1, 4), np.float32)},
        {"waveform": np.zeros(4)},
    ],
)
def test_a_clip_checks_itself(change):
    fields = {**vars(clip()), **change}
    with pytest.raises(InputError, match="must be"):
        JudgedClip(**fields)
