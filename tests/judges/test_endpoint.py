"""Judgements from an endpoint: what it is sent, and servers that are slow, refuse, fail and talk nonsense."""

from __future__ import annotations

import pickle
import socket
import time

import numpy as np
import pytest

from tests.judges.exhibits import exhibit, shown
from tests.servers import chat_server, completion
from vqe_core.errors import InputError
from vqe_core.judges import Judge
from vqe_core.judges.endpoint import EndpointJudge
from vqe_core.judges.questions import DEFAULT_PROMPT

KEY = "sk-very-secret-4711"


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def judge(chat, **options):
    return EndpointJudge(api_url=chat.url, **{"model_name": "tiny", "progress": False, "timeout": 5, **options})


def codes(results):
    return ["ok" if isinstance(result, tuple) else result.code for result in results]


def test_the_request_holds_each_picture_after_its_time_the_sound_and_the_prompt():
    with chat_server(lambda n, r: completion('{"reason": "a bell", "score": 7}')) as chat:
        assert judge(chat).judge([exhibit(0.5, count=3)]) == [(0.7, "a bell")]
    (request,) = chat.requests
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("tiny", 0.0, 300)
    assert set(request) == {"model", "temperature", "max_tokens", "messages"}  # nothing that servers ignore
    kinds = [part["type"] for part in request["messages"][0]["content"]]
    assert kinds == [*["text", "image_url"] * 3, "text", "input_audio", "text"]
    texts, pictures, sound = shown(request)
    assert texts[:4] == [
        "Picture at 0.00 s:",
        "Picture at 1.00 s:",
        "Picture at 2.00 s:",
        "Sound from 0.00 s to 0.50 s:",
    ]
    assert texts[4] == DEFAULT_PROMPT
    assert [round(float(picture.mean())) for picture in pictures] == [40, 80, 120]
    np.testing.assert_allclose(sound, 0.5, atol=1e-4)


def test_judgements_come_back_in_order_whichever_is_first():
    def answer(number, request):
        loudest = float(np.abs(shown(request)[2]).max())
        time.sleep(0.1 * (loudest > 0.5))  # the first asked is the last to answer
        return completion(f"{round(loudest * 10)}")

    with chat_server(answer) as chat:
        found = judge(chat, max_workers=3).judge([exhibit(level) for level in (0.9, 0.2, 0.4)])
    assert [round(10 * score) for score, _ in found] == [9, 2, 4]
    assert chat.most_at_once <= 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_tried_again(status):
    with chat_server(lambda n, r: (status, {}, b"busy") if n == 0 else completion("8")) as chat:
        assert judge(chat).judge([exhibit()]) == [(0.8, "")]
    assert len(chat.requests) == 2


def test_failures_have_their_status_and_concern_their_clip_alone():
    def answer(number, request):
        loudest = round(10 * float(np.abs(shown(request)[2]).max()))
        return {1: (500, {}, b"broken"), 2: (400, {}, b"no pictures"), 3: completion("I cannot say")}.get(
            loudest, completion("8")
        )

    with chat_server(answer) as chat:
        found = judge(chat, retries=0).judge([exhibit(level) for level in (0.1, 0.2, 0.3, 0.4)])
    assert codes(found) == ["judge_failed", "judge_refused", "bad_judgement", "ok"]
    assert "answered 500 at once: 'broken'" in str(found[0])
    assert "no score from 0 to 10 in the answer 'I cannot say'" in str(found[2])


def test_a_slow_server_and_no_server_have_their_status():
    def answer(number, request):
        time.sleep(1.5)
        return completion("8")

    with chat_server(answer) as chat:
        assert codes(judge(chat, timeout=0.3, retries=0).judge([exhibit()])) == ["judge_timeout"]
        (late,) = judge(chat, timeout=30, deadline=0.3).judge([exhibit()])
    assert late.code == "judge_timeout"
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    gone = EndpointJudge(api_url=url, model_name="m", retries=0, progress=False)
    assert codes(gone.judge([exhibit()])) == ["judge_unreachable"]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b'{"choices": [{"message": {"content": null}}]}', b"x" * (2 << 20)]
)
def test_nonsense_is_never_a_number(body):
    with chat_server(lambda n, r: (200, {}, body)) as chat:
        (error,) = judge(chat).judge([exhibit()])
    assert error.code == "bad_judgement"


def test_the_key_is_sent_and_nowhere_else(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with chat_server(lambda n, r: completion(f"your key is {KEY}")) as chat:
        asked = judge(chat)
        (found,) = asked.judge([exhibit()])
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


@pytest.mark.parametrize("options", [{"api_url": "localhost"}, {"max_workers": 0}, {"prompt": " "}, {"retries": -1}])
def test_wrong_options_are_told_at_once(options):
    with pytest.raises(InputError, match=next(iter(options))):
        EndpointJudge(**{"api_url": "http://localhost:8000/v1", "model_name": "m", **options})
