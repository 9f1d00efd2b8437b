"""Options of an endpoint describer."""

import pickle

import pytest

from tests.servers import chat_server, completion
from tests.tiny_audio import tones
from vqe_core.describers import Describer
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


def test_it_is_a_describer_that_pickles_small_and_compares_by_options():
    judge = EndpointDescriber(api_url="http://localhost:8000/v1", model_name="m")
    assert isinstance(judge, Describer)
    copy = pickle.loads(pickle.dumps(judge))
    assert copy == judge
    assert hash(copy) == hash(judge)
    assert len(pickle.dumps(judge)) < 1000
    assert judge.signature()["describer_url"] == "http://localhost:8000/v1/chat/completions"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"api_url": "localhost:8000"}, r"api_url \('localhost:8000'\) must be the http address"),
        ({"api_url": "file:///etc/passwd"}, "must be the http address"),
        ({"api_url": "http://"}, "must be the http address"),
        ({"api_url": "http://h:99999/v1"}, "must be the http address"),
        ({"api_url": 3}, "must be the http address"),
        ({"model_name": " "}, "model_name"),
        ({"prompt": ""}, "prompt"),
        ({"max_workers": 0}, r"max_workers \(0\) must be a whole number of at least 1"),
        ({"max_workers": True}, "max_workers"),
        ({"retries": -1}, r"retries \(-1\) must be a whole number of at least 0"),
        ({"timeout": 0}, r"timeout \(0\) must be a number of seconds above 0"),
        ({"timeout": float("nan")}, "timeout"),
        ({"deadline": -1}, "deadline"),
        ({"max_tokens": 1.5}, "max_tokens"),
    ],
)
def test_wrong_options_are_told_at_once(options, message):
    with pytest.raises(InputError, match=message):
        EndpointDescriber(**{"api_url": "http://localhost:8000/v1", "model_name": "m", **options})


@pytest.mark.parametrize(
    "url", ["https://me:sk-1@h/v1", "https://sk-1@h/v1", "https://h/v1?key=sk-1", "https://h/v1#sk-1"]
)
def test_a_key_in_the_address_is_refused_without_being_shown(url):
    with pytest.raises(InputError, match="must be a bare address") as raised:
        EndpointDescriber(api_url=url, model_name="m")
    assert "sk-1" not in str(raised.value)


def test_progress_shows_only_where_wanted(capsys):
    with chat_server(lambda n, r: completion("a dog")) as chat:
        describer(chat, progress=None).describe(sounds(2))  # the captured stream is no terminal
        assert "describing" not in capsys.readouterr().err
        EndpointDescriber(api_url=chat.url, model_name="m", progress=True).describe(sounds(2))
        assert "describing" in capsys.readouterr().err
