"""An answer that came once is not asked for again, whatever became of the run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.llm.given import Conversing, clip, codes, level, sound
from tests.servers import Answer, ChatServer, completion
from vqe_core.errors import ModelError
from vqe_core.llm.describer import EndpointDescriber, ServingDescriber
from vqe_core.llm.judge import EndpointJudge, Judgement, ServingJudge

ROOT = Path(__file__).parents[2]
LEVELS = [0.1, 0.2, 0.3, 0.4]
Serve = Callable[[Answer], ChatServer]


def describer(chat: ChatServer, **options: Any) -> EndpointDescriber:
    return EndpointDescriber(api_url=chat.url, model_name="senses", progress=False, retries=0, **options)


def by_level(number: int, request: Any) -> Any:
    return completion(f"sound {level(request)}")


def test_an_answer_is_sent_for_once(serve: Serve):
    chat = serve(by_level)
    said = [f"sound {i}" for i in (1, 2, 3, 4)]
    assert describer(chat).describe([sound(each) for each in LEVELS[:2]]) == said[:2]
    assert describer(chat).describe([sound(each) for each in LEVELS]) == said
    assert len(chat.requests) == 4


def test_other_words_models_sounds_and_lengths_are_asked_about_anew(serve: Serve):
    chat = serve(by_level)
    describer(chat).describe([sound()])
    for options in ({"prompt": "What is it?"}, {"max_tokens": 7}):
        describer(chat, **options).describe([sound()])
    EndpointDescriber(api_url=chat.url, model_name="other", progress=False).describe([sound()])
    describer(chat).describe([sound(0.26)])
    assert len(chat.requests) == 5
    describer(chat, max_workers=1, timeout=5, deadline=9).describe([sound()])  # which change no answer
    assert len(chat.requests) == 5


def test_nothing_is_kept_where_that_is_switched_off(serve: Serve, tmp_path):
    chat = serve(by_level)
    for _ in range(2):
        describer(chat, keep_answers=False, cache_dir=tmp_path / "cache").describe([sound()])
    assert len(chat.requests) == 2
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((500, {}, b"busy"), "describer_failed"),
        ((400, {}, b"no"), "describer_refused"),
        ((200, {}, b"no completion"), "bad_description"),
        (completion("..."), "bad_description"),
        (completion(7), "bad_description"),
    ],
)
def test_refusals_errors_and_answers_without_a_meaning_are_not_kept(serve: Serve, answer, code):
    chat = serve(lambda number, request: answer if number == 0 else completion("a bell"))
    assert codes(describer(chat).describe([sound()])) == [code]
    assert describer(chat).describe([sound()]) == ["a bell"]
    assert describer(chat).describe([sound()]) == ["a bell"]
    assert len(chat.requests) == 2


def test_judgements_are_kept_with_their_reasons(serve: Serve):
    chat = serve(lambda number, request: completion('{"reason": "a bell", "score": 7}'))
    judge = EndpointJudge(api_url=chat.url, model_name="senses", progress=False)
    for _ in range(2):
        assert judge.judge([clip(), clip(0.5)]) == [Judgement(0.7, "a bell")] * 2
    assert len(chat.requests) == 2
    judge.judge([clip(count=3)])
    assert len(chat.requests) == 3


def test_no_key_is_written(serve: Serve, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-4711")
    chat = serve(lambda number, request: completion("a bell sk-very-secret-4711"))
    assert describer(chat, cache_dir=tmp_path / "cache").describe([sound()]) == ["a bell ***"]
    (stored,) = (tmp_path / "cache").glob("*/*.answer")
    assert b"4711" not in stored.read_bytes()
    assert b"a bell" in stored.read_bytes()


def test_an_answer_that_comes_after_the_deadline_is_kept_too(serve: Serve):
    came = threading.Event()

    def slow(number: int, request: Any) -> Any:
        came.wait(10)
        return completion("a bell")

    chat = serve(slow)
    (late,) = describer(chat, deadline=0.3, timeout=10).describe([sound()])
    assert isinstance(late, ModelError)
    came.set()
    folder = Path(os.environ["VQE_CACHE_DIR"])
    for _ in range(200):
        if list(folder.glob("*/*.answer")):
            break
        threading.Event().wait(0.05)
    assert describer(chat).describe([sound()]) == ["a bell"]
    assert len(chat.requests) == 1


KILLED = """
import sys
import numpy as np
from vqe_core.llm.describer import EndpointDescriber
describer = EndpointDescriber(api_url=sys.argv[1], model_name="senses", max_workers=int(sys.argv[2]), progress=False)
sounds = [(np.full(800, i / 20, np.float32), 16_000) for i in range(1, 13)]
print(describer.describe(sounds))
"""


@pytest.mark.parametrize("workers", [1, 3])
def test_a_run_that_is_killed_sends_no_answered_request_twice(serve: Serve, workers):
    """Killed while every worker waits for an answer: each stored its last one before it sent the next request."""
    go, all_wait = threading.Event(), threading.Barrier(workers + 1)

    def answer(number: int, request: Any) -> Any:
        if number >= 6 and not go.is_set():
            all_wait.wait(120)
            go.wait(30)
        return completion("a bell")

    chat = serve(answer)
    command = [sys.executable, "-c", KILLED, chat.url, str(workers)]
    run = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
    all_wait.wait(120)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    go.set()
    assert len(list(Path(os.environ["VQE_CACHE_DIR"]).glob("*/*.answer"))) == 6
    before = [json.dumps(request) for request in chat.requests]
    assert len(before) == 6 + workers
    again = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert again.stdout.strip() == str(["a bell"] * 12)
    after = [json.dumps(request) for request in chat.requests[len(before) :]]
    assert len(after) == len(set(after)) == 6
    assert not set(after) & set(before[:6])


def test_two_processes_may_ask_at_once(serve: Serve):
    chat = serve(lambda number, request: completion("a bell"))
    command = [sys.executable, "-c", KILLED, chat.url, "3"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    runs = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [run.communicate()[0].strip() for run in runs] == [str(["a bell"] * 12)] * 2
    assert 12 <= len(chat.requests) <= 24


class Counting(Conversing):
    """Notes how many conversations came at a time."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sizes: list[int] = []

    def generate_from_conversations(self, conversations: list[Any]) -> list[Any]:
        self.sizes.append(len(conversations))
        return super().generate_from_conversations(conversations)


def test_answers_of_a_serving_are_kept_as_it_gives_them(serve: Serve):
    chat = serve(by_level)
    serving = Counting(chat.url)
    sounds = [sound(each) for each in LEVELS]
    ServingDescriber(serving=serving).describe(sounds[:1])
    said = ServingDescriber(serving=serving).describe([*sounds, (np.zeros(0, np.float32), 16_000)])
    assert said[:4] == [f"sound {i}" for i in (1, 2, 3, 4)]
    assert said[4].code == "no_sound"
    assert serving.sizes == [1, 2, 1]  # as many as it has workers
    serving.temperature = 0.5
    ServingDescriber(serving=serving).describe(sounds[:1])
    ServingDescriber(serving=serving, keep_answers=False).describe(sounds[:3])
    assert serving.sizes == [1, 2, 1, 1, 3]


def test_a_serving_that_fails_half_way_keeps_what_it_gave(serve: Serve):
    chat = serve(lambda number, request: completion('{"score": 7}'))

    class Failing(Counting):
        def generate_from_conversations(self, conversations: list[Any]) -> list[Any]:
            if len(self.sizes) == 2:
                self.sizes.append(0)
                raise RuntimeError("out of money")
            return super().generate_from_conversations(conversations)

    serving = Failing(chat.url)
    clips = [clip(each) for each in LEVELS] + [clip(0.5)]
    with pytest.raises(RuntimeError, match="out of money"):
        ServingJudge(serving=serving).judge(clips)
    assert ServingJudge(serving=serving).judge(clips) == [Judgement(0.7)] * 5
    assert serving.sizes == [2, 2, 0, 1]
    assert len(chat.requests) == 5
