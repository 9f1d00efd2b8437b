"""Descriptions from an endpoint: a good server, and servers that are slow, refuse, fail and talk nonsense."""

import base64
import io
import socket
import threading
import time
from email.utils import formatdate

import numpy as np
import pytest
import soundfile

from tests.servers import chat_server, completion
from tests.tiny_audio import tones
from vqe_core.describers.endpoint import EndpointDescriber
from vqe_core.errors import VqeError
from vqe_core.types import AudioSamples

RATE = 16_000
KEY = "sk-very-secret-4711"


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def sounds(count):
    return [(waveform, RATE) for waveform in tones(*[0.05] * count)]


def describer(chat, **options):
    return EndpointDescriber(api_url=chat.url, **{"model_name": "tiny", "progress": False, "timeout": 5, **options})


def codes(results):
    return ["ok" if isinstance(result, str) else result.code for result in results]


def heard(request):
    """The waveform that a request carries."""
    (part,) = [p for p in request["messages"][0]["content"] if p["type"] == "input_audio"]
    assert part["input_audio"]["format"] == "wav"
    return soundfile.read(io.BytesIO(base64.b64decode(part["input_audio"]["data"])), dtype="float32")


def test_texts_come_back_in_order_on_one_line():
    def answer(number, request):
        loudest = float(np.abs(heard(request)[0]).max())
        time.sleep(0.1 * (loudest > 0.5))  # the first asked is the last to answer
        return completion(f" a sound of\n  {round(loudest * 10)} ")

    given = [(np.full(800, level, np.float32), RATE) for level in (0.9, 0.2, 0.4)]
    with chat_server(answer) as chat:
        found = describer(chat).describe(given)
    assert found == ["a sound of 9", "a sound of 2", "a sound of 4"]


def test_the_request_holds_model_prompt_and_a_mono_wav():
    stereo = AudioSamples(np.stack([np.full(800, 0.25, np.float32), np.full(800, 0.75, np.float32)]), 8000)
    with chat_server(lambda n, r: completion("ok then")) as chat:
        assert describer(chat, prompt="What is it?", max_tokens=7).describe([stereo]) == ["ok then"]
    (request,) = chat.requests
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("tiny", 7, 0.0)
    assert {"type": "text", "text": "What is it?"} in request["messages"][0]["content"]
    waveform, rate = heard(request)
    assert (rate, waveform.shape) == (8000, (800,))
    np.testing.assert_allclose(waveform, 0.5, atol=1e-4)
    assert chat.paths == ["/v1/chat/completions"]


def test_the_full_address_serves_as_well_as_the_short_one():
    for url in ("http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/chat/completions"):
        assert EndpointDescriber(api_url=url, model_name="m").url == "http://h:1/v1/chat/completions"


def test_no_more_than_max_workers_requests_run_at_a_time():
    def answer(number, request):
        time.sleep(0.05)
        return completion("a dog")

    with chat_server(answer) as chat:
        assert codes(describer(chat, max_workers=3).describe(sounds(12))) == ["ok"] * 12
    assert 2 <= chat.most_at_once <= 3


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_passing_failure_is_tried_again(status):
    with chat_server(lambda n, r: (status, {}, b"busy") if n == 0 else completion("a dog")) as chat:
        assert describer(chat).describe(sounds(1)) == ["a dog"]
    assert len(chat.requests) == 2
    assert chat.times[1] - chat.times[0] >= 0.5


@pytest.mark.parametrize("date", [False, True], ids=["seconds", "date"])
def test_retry_after_is_honoured(date):
    def answer(number, request):
        when = formatdate(time.time() + 2, usegmt=True) if date else "1.2"
        return (429, {"Retry_After": when}, b"slow down") if number == 0 else completion("a dog")

    with chat_server(answer) as chat:
        assert describer(chat).describe(sounds(1)) == ["a dog"]
    assert chat.times[1] - chat.times[0] >= (0.9 if date else 1.2)  # a date has whole seconds


def test_a_retry_after_beyond_the_deadline_is_not_waited_for():
    start = time.monotonic()
    with chat_server(lambda n, r: (429, {"Retry_After": "3600"}, b"")) as chat:
        (error,) = describer(chat, deadline=20).describe(sounds(1))
    assert time.monotonic() - start < 5
    assert (error.code, len(chat.requests)) == ("describer_failed", 1)
    assert "answered 429" in str(error)


def test_a_lasting_failure_ends_after_the_retries_and_concerns_its_sound_alone():
    def answer(number, request):
        return (500, {}, b"broken") if np.abs(heard(request)[0]).max() > 0.5 else completion("a dog")

    given = [(np.full(800, level, np.float32), RATE) for level in (0.2, 0.9, 0.3)]
    with chat_server(answer) as chat:
        found = describer(chat, retries=1).describe(given)
    assert codes(found) == ["ok", "describer_failed", "ok"]
    assert "answered 500 after 2 attempts: 'broken'" in str(found[1])
    assert len(chat.requests) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_refusal_is_not_tried_again(status):
    with chat_server(lambda n, r: (status, {}, b"no")) as chat:
        (error,) = describer(chat).describe(sounds(1))
    assert (error.code, len(chat.requests)) == ("describer_refused", 1)
    assert f"answered {status}" in str(error)
    if status == 401:
        assert "no key is sent; set OPENAI_API_KEY" in str(error)


def test_a_redirect_is_not_followed_as_it_would_take_the_key_along(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with chat_server(lambda n, r: completion("stolen")) as other:
        with chat_server(lambda n, r: (307, {"Location": other.url + "/chat/completions"}, b"")) as chat:
            (error,) = describer(chat).describe(sounds(1))
        assert other.requests == []
    assert error.code == "describer_refused"
    assert "redirects are not followed" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>It works!</html>",
        b"{}",
        b"[]",
        b"null",
        b'"a dog"',
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": {"content": null}}]}',
        b'{"choices": [{"message": {"content": 7}}]}',
        b'{"choices": [{"message": {"content": "  ...  "}}]}',
        b'{"choices": [{"message": {"content": [{"type": "text"}]}}]}',
        b'{"choices": [{"message": "a dog"}]}',
        b'{"error": {"message": "no such model"}}',
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"choices": [{"message": {"content": "' + b"dog " * 2000 + b'"}}]}',
        b"x" * (2 << 20),
    ],
    ids=lambda body: repr(body[:30]),
)
def test_nonsense_is_an_error_of_its_sound(body):
    with chat_server(lambda n, r: (200, {}, body)) as chat:
        (error,) = describer(chat).describe(sounds(1))
    assert isinstance(error, VqeError)
    assert error.code == "bad_description"
    assert chat.url in str(error)
    assert len(str(error)) < 600


def test_an_answer_in_parts_is_joined():
    parts = [{"type": "text", "text": "a dog"}, {"type": "image"}, {"type": "text", "text": "barks"}]
    with chat_server(lambda n, r: completion(parts)) as chat:
        assert describer(chat).describe(sounds(1)) == ["a dog barks"]


def test_a_slow_server_times_out_and_is_tried_again():
    def answer(number, request):
        time.sleep(1.5 if number == 0 else 0)
        return completion("a dog")

    with chat_server(answer) as chat:
        assert describer(chat, timeout=0.4).describe(sounds(1)) == ["a dog"]
    assert len(chat.requests) == 2


def test_a_server_that_never_ends_is_left_at_the_time_out():
    """It sends a byte now and then, so the socket alone would never time out."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)

    def drip():
        connection, _ = listener.accept()
        connection.recv(1 << 20)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            for _ in range(100):
                connection.sendall(b" ")
                time.sleep(0.1)
        except OSError:
            pass

    threading.Thread(target=drip, daemon=True).start()
    start = time.monotonic()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    (error,) = EndpointDescriber(api_url=url, model_name="m", timeout=0.6, retries=0, progress=False).describe(
        sounds(1)
    )
    listener.close()
    assert time.monotonic() - start < 5
    assert (error.code, "did not end in time" in str(error)) == ("describer_timeout", True)


def test_the_deadline_bounds_the_whole_call_and_keeps_what_is_done():
    def answer(number, request):
        time.sleep(0 if np.abs(heard(request)[0]).max() < 0.5 else 20)
        return completion("a dog")

    given = [(np.full(800, level, np.float32), RATE) for level in (0.2, 0.9, 0.3, 0.9)]
    start = time.monotonic()
    with chat_server(answer) as chat:
        found = describer(chat, timeout=30, deadline=1.5).describe(given)
    assert time.monotonic() - start < 8
    assert codes(found) == ["ok", "describer_timeout", "ok", "describer_timeout"]
    assert "deadline (1.5 s for 4 sounds)" in str(found[1]) or "gave up" in str(found[1])


def test_no_server_at_all_is_told():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    (error,) = EndpointDescriber(api_url=url, model_name="m", retries=0, progress=False).describe(sounds(1))
    assert error.code == "describer_unreachable"
    assert "check api_url and that the server runs" in str(error)


def test_a_sound_that_cannot_be_sent_costs_no_request():
    given = [(np.zeros(0, np.float32), RATE), (np.array([np.nan], np.float32), RATE), "a.wav", sounds(1)[0]]
    with chat_server(lambda n, r: completion("a dog")) as chat:
        found = describer(chat).describe(given)
    assert codes(found) == ["no_sound", "bad_samples", "bad_type", "ok"]
    assert len(chat.requests) == 1


def test_no_sounds_give_no_texts():
    assert EndpointDescriber(api_url="http://localhost:1/v1", model_name="m", progress=False).describe([]) == []
