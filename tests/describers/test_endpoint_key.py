"""The key of an endpoint: sent where it belongs, and seen nowhere."""

import logging
import pickle

import pytest

from tests.servers import chat_server, completion
from tests.tiny_audio import tones
from vqe_core.describers.endpoint import EndpointDescriber
from vqe_core.errors import InputError

RATE = 16_000
KEY = "sk-very-secret-4711"


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def sounds(count):
    return [(waveform, RATE) for waveform in tones(*[0.05] * count)]


def describer(chat, **options):
    return EndpointDescriber(api_url=chat.url, **{"model_name": "tiny", "progress": False, "timeout": 5, **options})


def test_the_key_is_read_when_asked_and_sent_as_bearer(monkeypatch):
    with chat_server(lambda n, r: completion("a dog")) as chat:
        judge = describer(chat)
        judge.describe(sounds(1))
        monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")  # as read from a file
        judge.describe(sounds(1))
        monkeypatch.setenv("OTHER", "k2")
        describer(chat, key_name="OTHER").describe(sounds(1))
        describer(chat, key_name=None).describe(sounds(1))
    assert [h.get("Authorization") for h in chat.headers] == [None, f"Bearer {KEY}", "Bearer k2", None]


def test_the_key_is_nowhere_but_in_the_request(monkeypatch, caplog, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    echoes = [
        lambda n, r: (401, {}, f"wrong key {KEY}".encode()),
        lambda n, r: (200, {}, KEY.encode()),
        lambda n, r: completion(f"your key is {KEY}"),
    ]
    for echo in echoes:
        with chat_server(echo) as chat:
            judge = describer(chat)
            (found,) = judge.describe(sounds(1))
            assert chat.headers[0]["Authorization"] == f"Bearer {KEY}"
        seen = [str(found), repr(found), repr(judge), str(judge.signature()), caplog.text, *capsys.readouterr()]
        assert not any(KEY in text for text in seen)
        assert "***" in str(found)
        for thing in (judge, found):
            assert KEY.encode() not in pickle.dumps(thing)


def test_a_key_that_no_header_may_have_is_refused_without_being_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a\nb")
    with pytest.raises(InputError, match="variable OPENAI_API_KEY holds characters") as raised:
        EndpointDescriber(api_url="http://localhost:1/v1", model_name="m").describe(sounds(1))
    assert "sk-a" not in str(raised.value)


def test_the_usual_key_does_not_go_over_plain_http_to_another_machine(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("SERVER_KEY", "k2")

    def key(url, **options):
        return EndpointDescriber(api_url=url, model_name="m", **options)._key()

    assert key("http://gpu-7:8000/v1") is None
    assert key("https://gpu-7:8000/v1") == KEY
    assert key("http://localhost:8000/v1") == KEY
    assert key("http://[::1]:8000/v1") == KEY
    assert key("http://gpu-7:8000/v1", key_name="SERVER_KEY") == "k2"  # named for this server by the user
