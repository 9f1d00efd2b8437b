"""The client of an endpoint: a good server, and servers that are slow, refuse, fail and talk nonsense.

Asked as a describer asks; what a judge asks differently is in ``test_judge.py``.
"""

from __future__ import annotations

import gzip
import logging
import multiprocessing
import pickle
import re
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from email.utils import formatdate
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vqe_core
from tests.llm.given import KEY, codes, level, sound
from tests.servers import chat_server, completion
from vqe_core.errors import InputError, MissingPackageError, VqeError
from vqe_core.llm import Describer, EndpointDescriber, EndpointJudge
from vqe_core.llm.client import run_bounded

GOOD = completion("a dog")
HERE = {"api_url": "http://localhost:8000/v1", "model_name": "m"}


def describer(chat, **options):
    usual = {"model_name": "tiny", "progress": False, "timeout": 5, "keep_answers": False}
    return EndpointDescriber(api_url=chat.url, **{**usual, **options})


def test_texts_come_back_in_order_on_one_line(serve):
    def answer(number, request):
        time.sleep(0.1 * (level(request) > 5))  # the first asked is the last to answer
        return completion(f" a sound of\n  {level(request)} ")

    found = describer(serve(answer)).describe([sound(0.9), sound(0.2), sound(0.4)])
    assert found == ["a sound of 9", "a sound of 2", "a sound of 4"]


def test_no_more_than_max_workers_requests_run_at_a_time(serve):
    def answer(number, request):
        time.sleep(0.05)
        return GOOD

    chat = serve(answer)
    assert codes(describer(chat, max_workers=3).describe([sound()] * 12)) == ["ok"] * 12
    assert 2 <= chat.most_at_once <= 3


def test_the_full_address_serves_as_well_as_the_short_one(serve):
    for url in ("http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/chat/completions"):
        assert EndpointDescriber(api_url=url, model_name="m").url == "http://h:1/v1/chat/completions"
    chat = serve(lambda n, r: GOOD)
    for url in (chat.url, f"{chat.url}/", f"{chat.url}/chat/completions"):
        asked = EndpointDescriber(api_url=url, model_name="m", progress=False, keep_answers=False)
        assert asked.describe([sound()]) == ["a dog"]
    assert chat.paths == ["/v1/chat/completions"] * 3


def test_passing_failures_are_tried_again(serve):
    passing = dict(enumerate([408, 425, 429, 500, 502, 503], 1))
    times = defaultdict(list)

    def answer(number, request):
        times[level(request)].append(time.monotonic())
        return (passing[level(request)], {}, b"busy") if len(times[level(request)]) == 1 else GOOD

    chat = serve(answer)
    assert describer(chat).describe([sound(tenth / 10) for tenth in passing]) == ["a dog"] * 6
    assert len(chat.requests) == 12
    assert all(second - first >= 0.5 for first, second in times.values())


@pytest.mark.parametrize("date", [False, True], ids=["seconds", "date"])
def test_retry_after_is_honoured(serve, date):
    def answer(number, request):
        when = formatdate(time.time() + 2, usegmt=True) if date else "1.2"
        return (429, {"Retry_After": when}, b"slow down") if number == 0 else GOOD

    chat = serve(answer)
    assert describer(chat).describe([sound()]) == ["a dog"]
    assert chat.times[1] - chat.times[0] >= (0.9 if date else 1.2)  # a date has whole seconds


@pytest.mark.parametrize("after", ["3600", "inf", "1e400"])
def test_a_retry_after_beyond_the_deadline_is_not_waited_for(serve, after):
    start = time.monotonic()
    chat = serve(lambda n, r: (429, {"Retry_After": after}, b""))
    (error,) = describer(chat, deadline=20).describe([sound()])
    assert time.monotonic() - start < 5
    assert (error.code, len(chat.requests)) == ("describer_failed", 1)
    assert "answered 429" in str(error)


def test_a_retry_after_that_says_nothing_is_a_pause_like_any_other(serve):
    words = ["soon", "-3", "nan", "Wed, 21 Oct 99999 07:28:00 GMT", ""]
    asked = defaultdict(int)

    def answer(number, request):
        asked[level(request)] += 1
        return GOOD if asked[level(request)] == 2 else (503, {"Retry_After": words[level(request) - 1]}, b"")

    assert describer(serve(answer)).describe([sound(i / 10) for i in range(1, 6)]) == ["a dog"] * 5


def test_what_the_server_says_of_retries_in_another_way_decides_nothing(serve):
    """openai's own retries obey this header, and status 409."""
    chat = serve(lambda n, r: (500, {"x_should_retry": "false"}, b"") if n == 0 else GOOD)
    assert describer(chat).describe([sound()]) == ["a dog"]
    chat = serve(lambda n, r: ({1: 400, 2: 409}[level(r)], {"x_should_retry": "true"}, b""))
    assert codes(describer(chat).describe([sound(0.1), sound(0.2)])) == ["describer_refused"] * 2
    assert len(chat.requests) == 2


def test_a_lasting_failure_ends_after_the_retries_and_concerns_its_sound_alone(serve):
    chat = serve(lambda n, r: (500, {}, b"broken") if level(r) > 5 else GOOD)
    found = describer(chat, retries=1).describe([sound(0.2), sound(0.9), sound(0.3)])
    assert codes(found) == ["ok", "describer_failed", "ok"]
    assert "answered 500 after 2 attempts: 'broken'" in str(found[1])
    assert len(chat.requests) == 4


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (201, "'no'"),
        (204, ""),
        (400, "'no'"),
        (401, "no key is sent; set OPENAI_API_KEY"),
        (403, "no key is sent"),
        (404, "check api_url, which ends in /v1 on most servers, and model_name"),
        (413, "'no'"),
        (422, "'no'"),
    ],
)
def test_a_refusal_is_not_tried_again(serve, status, advice):
    chat = serve(lambda n, r: (status, {}, b"no"))
    (error,) = describer(chat).describe([sound()])
    assert (error.code, len(chat.requests)) == ("describer_refused", 1)
    assert f"answered {status} at once" in str(error)
    assert advice in str(error)


def test_a_slow_server_times_out_and_is_tried_again(serve):
    def answer(number, request):
        time.sleep(1.5 if number == 0 else 0)
        return GOOD

    chat = serve(answer)
    assert describer(chat, timeout=0.4).describe([sound()]) == ["a dog"]
    assert len(chat.requests) == 2


def test_the_deadline_bounds_the_whole_call_and_keeps_what_is_done(serve):
    def answer(number, request):
        time.sleep(0 if level(request) < 5 else 20)
        return GOOD

    start = time.monotonic()
    found = describer(serve(answer), timeout=30, deadline=1.5).describe([sound(i) for i in (0.2, 0.9, 0.3, 0.9)])
    assert time.monotonic() - start < 8
    assert codes(found) == ["ok", "describer_timeout", "ok", "describer_timeout"]
    assert "deadline (1.5 s for 4 sounds)" in str(found[1]) or "gave up" in str(found[1])


def test_no_server_at_all_is_told():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    (error,) = EndpointDescriber(api_url=url, model_name="m", retries=0, progress=False).describe([sound()])
    assert error.code == "describer_unreachable"
    assert "check api_url and that the server runs" in str(error)


@pytest.mark.parametrize("host", ["exa mple", "a" * 70 + ".de", "xn--a.invalid", "\u00ad.invalid", "a_b.invalid"])
def test_a_host_that_cannot_be_is_told_as_one_that_is_not_there(host):
    asked = EndpointDescriber(api_url=f"http://{host}/v1", model_name="m", retries=0, progress=False)
    assert codes(asked.describe([sound()])) == ["describer_unreachable"]


def test_a_sound_that_cannot_be_sent_costs_no_request(serve):
    given = [(np.zeros(0, np.float32), 16_000), (np.array([np.nan], np.float32), 16_000), "a.wav", sound()]
    chat = serve(lambda n, r: GOOD)
    assert codes(describer(chat).describe(given)) == ["no_sound", "bad_samples", "bad_type", "ok"]
    assert len(chat.requests) == 1


def test_no_sounds_give_no_texts():
    assert EndpointDescriber(api_url="http://localhost:1/v1", model_name="m", progress=False).describe([]) == []


def test_progress_shows_only_where_wanted(serve, capsys):
    chat = serve(lambda n, r: GOOD)
    describer(chat, progress=None).describe([sound()] * 2)  # the captured stream is no terminal
    assert "describing" not in capsys.readouterr().err
    describer(chat, progress=True).describe([sound()] * 2)
    assert "describing" in capsys.readouterr().err


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
@pytest.mark.parametrize("kind", ["application/json", "text/html; charset=nonsense"])
def test_nonsense_is_an_error_of_its_sound(serve, body, kind):
    chat = serve(lambda n, r: (200, {"Content_Type": kind}, body))
    (error,) = describer(chat).describe([sound()])
    assert isinstance(error, VqeError)
    assert error.code == "bad_description"
    assert chat.url in str(error)
    assert len(str(error)) < 600
    assert len(chat.requests) == 1


@pytest.mark.parametrize("body", [b"[" * 200_000, b"\xff\xfe bad", b"x" * (2 << 20)], ids=lambda body: repr(body[:9]))
def test_nonsense_with_a_status_keeps_the_status(serve, body):
    chat = serve(lambda n, r: (400, {"Content_Type": "text/html; charset=nonsense"}, body))
    (error,) = describer(chat).describe([sound()])
    assert (error.code, "answered 400" in str(error), len(str(error)) < 600) == ("describer_refused", True, True)


def test_an_answer_in_parts_is_joined(serve):
    parts = [{"type": "text", "text": "a dog"}, {"type": "image"}, {"type": "text", "text": "barks"}]
    assert describer(serve(lambda n, r: completion(parts))).describe([sound()]) == ["a dog barks"]


@pytest.mark.parametrize("status", [200, 500])
def test_a_compressed_answer_that_nobody_asked_for_is_not_unpacked(serve, status):
    bomb = gzip.compress(b"x" * (64 << 20))
    assert len(bomb) < 1 << 20
    chat = serve(lambda n, r: (status, {"Content_Encoding": "gzip"}, bomb))
    (error,) = describer(chat, retries=0).describe([sound()])
    assert error.code == ("bad_description" if status == 200 else "describer_failed")
    assert "xxx" not in str(error)


@contextmanager
def raw_server(*pieces, more=(), pause=0.0):
    """The address of a server that reads a request and sends pieces, whatever they are."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)

    def send():
        try:
            while True:
                connection, _ = listener.accept()
                with connection, connection.makefile("rb") as request:
                    sizes = [line for line in iter(request.readline, b"\r\n") if line.lower().startswith(b"content-l")]
                    request.read(int(sizes[0].split()[1]))
                    for piece in chain(pieces, more):
                        connection.sendall(piece)
                        time.sleep(pause)
        except OSError:
            pass  # the client has gone, or the test

    threading.Thread(target=send, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        listener.close()


@pytest.mark.parametrize(
    ("status", "code"), [(b"200 OK", "describer_timeout"), (b"500 Broken", "describer_failed")], ids=["200", "500"]
)
def test_a_server_that_never_ends_is_left_at_the_time_out(status, code):
    """It sends a byte now and then, so the socket alone would never time out."""
    start = time.monotonic()
    with raw_server(b"HTTP/1.1 " + status + b"\r\n\r\n", *[b" "] * 100, pause=0.1) as url:
        asked = EndpointDescriber(api_url=url, model_name="m", timeout=0.6, retries=0, progress=False)
        (error,) = asked.describe([sound()])
    assert time.monotonic() - start < 5
    assert (error.code, "did not end in time" in str(error)) == (code, True)


def test_an_answer_without_end_is_left_when_it_is_too_long():
    sent = []

    def pieces():
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        for number in range(5000):  # 320 MB
            sent.append(number)
            yield b"x" * (1 << 16)

    with raw_server(more=pieces()) as url:
        asked = EndpointDescriber(api_url=url, model_name="m", timeout=60, retries=0, progress=False)
        (error,) = asked.describe([sound()])
    assert (error.code, "more than 1048576 bytes" in str(error)) == ("bad_description", True)
    assert len(sent) < 1000


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"\x00\x01junk\r\n\r\n"],
        [b"HTTP/1.1 abc\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + GOOD[2]],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
        [b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\n"],
        [b"HTTP/1.1 101 Switch\r\nUpgrade: h2c\r\n\r\n"],
    ],
    ids=lambda pieces: repr(pieces)[:30],
)
def test_what_is_no_http_is_a_server_out_of_reach(pieces):
    with raw_server(*pieces) as url:
        asked = EndpointDescriber(api_url=url, model_name="m", timeout=2, retries=0, progress=False)
        assert codes(asked.describe([sound()])) == ["describer_unreachable"]


def test_the_key_is_read_when_asked_and_sent_as_bearer(serve, monkeypatch):
    chat = serve(lambda n, r: GOOD)
    asked = describer(chat)
    asked.describe([sound()])
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")  # as read from a file
    asked.describe([sound()])
    monkeypatch.setenv("OTHER", "k2")
    describer(chat, key_name="OTHER").describe([sound()])
    describer(chat, key_name=None).describe([sound()])
    assert [h.get("Authorization") for h in chat.headers] == [None, f"Bearer {KEY}", "Bearer k2", None]


def test_the_key_is_nowhere_but_in_the_request(serve, monkeypatch, caplog, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    echoes = [
        lambda n, r: (401, {}, f"wrong key {KEY}".encode()),
        lambda n, r: (200, {}, KEY.encode()),
        lambda n, r: completion(f"your key is {KEY}"),
    ]
    for echo in echoes:
        chat = serve(echo)
        asked = describer(chat)
        (found,) = asked.describe([sound()])
        assert chat.headers[0]["Authorization"] == f"Bearer {KEY}"
        seen = [str(found), repr(found), repr(asked), str(asked.signature()), caplog.text, *capsys.readouterr()]
        assert not any(KEY in text for text in seen)
        assert "***" in str(found)
        for thing in (asked, found):
            assert KEY.encode() not in pickle.dumps(thing)
    chat = serve(lambda n, r: (401, {}, b"no"))
    assert "OPENAI_API_KEY is sent" in str(describer(chat).describe([sound()])[0])


def test_a_key_that_no_header_may_have_is_refused_without_being_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a\nb")
    with pytest.raises(InputError, match="variable OPENAI_API_KEY holds characters") as raised:
        EndpointDescriber(api_url="http://localhost:1/v1", model_name="m").describe([sound()])
    assert "sk-a" not in str(raised.value)


def test_the_usual_key_does_not_go_over_plain_http_to_another_machine(serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("SERVER_KEY", "k2")

    def key(url, **options):
        return EndpointDescriber(api_url=url, model_name="m", **options)._key()

    assert key("http://gpu-7:8000/v1") is None
    assert key("https://gpu-7:8000/v1") == KEY
    assert key("http://localhost:8000/v1") == KEY
    assert key("http://[::1]:8000/v1") == KEY
    assert key("http://gpu-7:8000/v1", key_name="SERVER_KEY") == "k2"  # named for this server by the user
    chat = serve(lambda n, r: GOOD)  # stands for a proxy, which hears what goes out
    monkeypatch.setenv("http_proxy", chat.url.removesuffix("/v1"))
    EndpointDescriber(api_url="http://gpu.invalid/v1", model_name="m", progress=False).describe([sound()])
    assert "Authorization" not in chat.headers[0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_as_it_would_take_the_key_along(serve, monkeypatch, status):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with chat_server(lambda n, r: completion("stolen")) as other:
        chat = serve(lambda n, r: (status, {"Location": other.url + "/chat/completions"}, b""))
        (error,) = describer(chat).describe([sound()])
        assert other.requests == []
    assert (error.code, len(chat.requests)) == ("describer_refused", 1)
    assert "redirects are not followed" in str(error)


@pytest.mark.parametrize("key", [None, KEY])
def test_variables_for_openai_change_neither_the_address_nor_a_header(serve, monkeypatch, key):
    with chat_server(lambda n, r: completion("stolen")) as other:
        monkeypatch.setenv("OPENAI_BASE_URL", other.url)
        for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
            monkeypatch.setenv(name, "of-another-server")
        lines = ["Authorization: of-another", "Host: other", "X-Mine: 1", "User-Agent: me", "Content-Length: 3"]
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "\n".join(lines))
        if key is not None:
            monkeypatch.setenv("OPENAI_API_KEY", key)
        chat = serve(lambda n, r: GOOD)
        assert describer(chat).describe([sound()]) == ["a dog"]
        assert other.requests == []
    headers = {name.lower(): value for name, value in chat.headers[0].items()}
    assert int(headers.pop("content-length")) > 1000
    assert headers == {
        "host": chat.url.split("/")[2],
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "close",
        "user-agent": "vqe-core",
        **({} if key is None else {"authorization": f"Bearer {key}"}),
    }


def test_the_proxy_of_the_scheme_is_used_and_never_for_this_machine(serve, monkeypatch):
    proxy = serve(lambda n, r: completion("by proxy"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def ask(url):
        endpoint = EndpointDescriber(api_url=url, model_name="m", retries=0, progress=False, keep_answers=False)
        (found,) = endpoint.describe([sound()])
        return found

    address = proxy.url.removesuffix("/v1")
    monkeypatch.setenv("all_proxy", address)
    assert ask("http://gpu.invalid/v1").code == "describer_unreachable"
    for value in (address, address.removeprefix("http://")):
        monkeypatch.setenv("http_proxy", value)
        assert ask("http://gpu.invalid/v1") == "by proxy"
    assert proxy.paths[-1] == "http://gpu.invalid/v1/chat/completions"
    with chat_server(lambda n, r: completion("at once")) as here:
        assert ask(here.url) == ask(here.url.replace("127.0.0.1", "localhost")) == "at once"
    monkeypatch.setenv("no_proxy", "gpu.invalid")
    assert ask("http://gpu.invalid/v1").code == "describer_unreachable"


@pytest.mark.parametrize(
    "proxy", ["socks5://u:pass-word@h:1", "http://u:pass-word@h:port", "http://", "x y://pass-word"]
)
def test_a_proxy_that_cannot_be_used_is_told_and_not_shown(monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(InputError, match="variable http_proxy must be the address of an HTTP proxy") as raised:
        EndpointDescriber(api_url="http://gpu.invalid/v1", model_name="m").describe([sound()])
    assert "pass-word" not in str(raised.value)


def test_it_is_a_describer_that_pickles_small_and_compares_by_options():
    asked = EndpointDescriber(**HERE)
    assert isinstance(asked, Describer)
    copy = pickle.loads(pickle.dumps(asked))
    assert copy == asked
    assert hash(copy) == hash(asked)
    assert len(pickle.dumps(asked)) < 1000
    assert asked.signature()["describer_url"] == "http://localhost:8000/v1/chat/completions"


def describe_into(queue, asked):
    queue.put(asked.describe([sound()]))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_it_asks_in_a_forked_process_after_it_has_asked_in_this_one(serve):
    chat = serve(lambda n, r: completion(f"answer {n}"))
    asked = describer(chat)
    assert asked.describe([sound()]) == ["answer 0"]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=describe_into, args=(queue, asked))
    process.start()
    assert queue.get(timeout=60) == ["answer 1"]
    process.join(60)
    assert asked.describe([sound()]) == ["answer 2"]


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
        ({"prompt": "a\ud800"}, "prompt .* holds half a letter"),
        ({"max_workers": 0}, r"max_workers \(0\) must be a whole number of at least 1"),
        ({"max_workers": True}, "max_workers"),
        ({"retries": -1}, r"retries \(-1\) must be a whole number of at least 0"),
        ({"timeout": 0}, r"timeout \(0\) must be a number of seconds above 0"),
        ({"timeout": float("nan")}, "timeout"),
        ({"deadline": -1}, "deadline"),
        ({"max_tokens": 1.5}, "max_tokens"),
    ],
)
@pytest.mark.parametrize("made", [EndpointDescriber, EndpointJudge])
def test_wrong_options_are_told_at_once(made, options, message):
    with pytest.raises(InputError, match=message):
        made(**{**HERE, **options})


@pytest.mark.parametrize(
    "url", ["https://me:sk-1@h/v1", "https://sk-1@h/v1", "https://h/v1?key=sk-1", "https://h/v1#sk-1"]
)
def test_a_key_in_the_address_is_refused_without_being_shown(url):
    with pytest.raises(InputError, match="must be a bare address") as raised:
        EndpointDescriber(api_url=url, model_name="m")
    assert "sk-1" not in str(raised.value)


def test_a_missing_openai_is_told_before_anything_is_decoded(monkeypatch):
    asked = EndpointDescriber(**HERE)
    monkeypatch.setitem(sys.modules, "openai", None)
    line = re.escape("pip install 'vqe-core[llm]'")
    for made in (EndpointDescriber, EndpointJudge):
        with pytest.raises(MissingPackageError, match=line):
            made(**HERE)
    for method in ("judge", "description"):
        with pytest.raises(MissingPackageError, match=line):
            vqe_core.VideoAudioSimilarity(method=method, hf_clip="toy", **HERE).compute(videos=["there is none.mp4"])
    with pytest.raises(MissingPackageError, match=line):
        pickle.loads(pickle.dumps(asked)).describe([sound()])


def test_openai_is_not_imported_before_a_server_is_asked():
    code = (
        "import sys; from vqe_core import registry; "
        "made = [registry.load(kind, 'endpoint') for kind in ('describer', 'judge')]; "
        "[kind(api_url='http://h/v1', model_name='m').signature() for kind in made]; "
        "from vqe_core.cli import main; main(['list']); "
        "print(sorted({'openai', 'httpx', 'httpx2', 'torch'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 5))
def test_results_keep_the_order_whatever_ends_first(delays, workers):
    def call(task, left):
        time.sleep(task[1] * 0.002)
        assert 0 < left <= 30
        return task[0]

    tasks = list(enumerate(delays))
    found = run_bounded(call, tasks, workers=workers, deadline=30, late=-1, progress=False)
    assert found == [i for i, _ in tasks]


def test_a_call_that_hangs_is_left_behind():
    release = threading.Event()
    start = time.monotonic()
    found = run_bounded(
        lambda task, left: release.wait(20) if task else "done", [0, 1, 1], workers=2, deadline=0.5, late="late"
    )
    release.set()
    assert time.monotonic() - start < 5
    assert found == ["done", "late", "late"]


def test_an_exception_reaches_the_caller_and_stops_the_rest():
    called = []

    def call(task, left):
        called.append(task)
        time.sleep(0.05)
        raise KeyError("a defect")

    with pytest.raises(KeyError, match="a defect"):
        run_bounded(call, list(range(100)), workers=1, deadline=30, late=None)
    assert len(called) < 100
