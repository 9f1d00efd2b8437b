"""Servings of DataFlow as judges: objects of their attributes here, their own classes in the DataFlow tests."""

from __future__ import annotations

import json

import pytest

from tests.judges.exhibits import exhibit, shown
from tests.servers import chat_server, completion
from vqe_core.chat.request import post
from vqe_core.errors import InputError, InputTypeError, ModelError
from vqe_core.judges import as_judge
from vqe_core.judges.questions import DEFAULT_PROMPT


class Conversing:
    """As ``APILLMServing_request``: any conversation goes to the address; None where there is no answer."""

    def __init__(self, url):
        self.api_url, self.model_name, self.max_workers = f"{url}/chat/completions", "sees", 2

    def generate_from_input(self, user_inputs, system_prompt="", json_schema=None):
        raise AssertionError("pictures must not be sent as text")

    def generate_from_conversations(self, conversations):
        return [self.ask(conversation) for conversation in conversations]

    def ask(self, messages):
        body = json.dumps({"model": self.model_name, "messages": messages}).encode()
        answer = post(self.api_url, body, {"Content-Type": "application/json"}, 10)
        return json.loads(answer.body)["choices"][0]["message"]["content"] if answer.status == 200 else None


class LocalServer:
    """As ``LocalHostLLMAPIServing_vllm``: a server on this machine that it starts itself."""

    def __init__(self, port):
        self.host, self.port, self.max_workers = "127.0.0.1", port, 3
        self.hf_model_name_or_path = "Qwen/Qwen2.5-Omni-7B"
        self.backend_initialized = False
        self.starts = 0

    def start_serving(self):
        self.backend_initialized = True
        self.starts += 1

    def generate_from_input(self, user_inputs, system_prompt=""):
        raise AssertionError("pictures must not be sent as text")


class Pictures:
    """As ``APIVLMServing_openai``."""

    api_url, model_name = "https://me:secret@example.org/v1/chat/completions?key=secret", "sees"

    def generate_from_input(self, user_inputs, system_prompt=""):
        return user_inputs


def test_a_conversing_serving_is_sent_pictures_and_sound():
    with chat_server(lambda number, request: completion('{"score": 6, "reason": "fits"}')) as chat:
        assert as_judge(Conversing(chat.url)).judge([exhibit(), exhibit(0.5)]) == [(0.6, "fits")] * 2
    texts, pictures, sound = shown(chat.requests[1])
    assert (texts[-1], len(pictures), round(float(sound[0]), 2)) == (DEFAULT_PROMPT, 2, 0.5)


def test_a_missing_answer_and_nonsense_concern_their_clip_alone():
    answers = [(500, {}, b""), completion("no idea"), completion("8")]
    with chat_server(lambda number, request: answers[number]) as chat:
        failed, bad, good = as_judge(Conversing(chat.url)).judge([exhibit()] * 3)
    assert (failed.code, bad.code, good) == ("judge_failed", "bad_judgement", (0.8, ""))
    assert "take image_url and input_audio?" in str(failed)


def test_answers_that_do_not_match_the_clips_are_an_error():
    serving = Conversing("http://127.0.0.1:1/v1")
    serving.generate_from_conversations = lambda conversations: []
    with pytest.raises(ModelError, match="Conversing gave 0 answers for 1 clips"):
        as_judge(serving).judge([exhibit()])


def test_the_signature_names_serving_server_and_words_and_no_key():
    serving = Conversing("https://me:secret@example.org/v1")
    serving.api_url += "?key=secret"
    assert as_judge(serving).signature() == {
        "judge": "Conversing",
        "judge_model": "sees",
        "judge_prompt": DEFAULT_PROMPT,
        "judge_url": "https://example.org/v1/chat/completions",
        "judge_version": "1",
    }


def test_a_local_server_is_started_once_and_asked_as_an_endpoint():
    with chat_server(lambda number, request: completion("3")) as chat:
        serving = LocalServer(int(chat.url.split(":")[2].split("/")[0]))
        judge = as_judge(serving)
        assert serving.starts == 0
        assert judge.judge([exhibit()]) == judge.judge([exhibit()]) == [(0.3, "")]
    assert serving.starts == 1
    assert chat.requests[0]["model"] == judge.signature()["judge_model"] == "Qwen/Qwen2.5-Omni-7B"
    assert "Authorization" not in chat.headers[0]
    with pytest.raises(InputError, match="api_url"):
        as_judge(LocalServer("no port"))


def test_a_serving_of_pictures_only_is_refused_with_the_line_that_can():
    with pytest.raises(InputTypeError) as raised:
        as_judge(Pictures())
    line = "use EndpointJudge(api_url='https://example.org/v1', model_name='sees') of vqe_core.judges.endpoint"
    assert "judge (Pictures) takes no conversation with pictures and sound" in str(raised.value)
    assert line in str(raised.value)
    assert "secret" not in str(raised.value)
