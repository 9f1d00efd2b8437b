"""Servings of DataFlow as describers: objects of their attributes here, their own classes in the DataFlow tests."""

import base64
import io
import json

import numpy as np
import pytest
import soundfile
import transformers

from tests.servers import chat_server, completion
from tests.sounds import tone
from tests.tiny_audio import tiny_qwen2_audio
from vqe_core.chat.request import post
from vqe_core.describers import as_describer
from vqe_core.describers.serving import LocalServerDescriber, ServingDescriber
from vqe_core.errors import InputError, InputTypeError, ModelError

SOUND = (tone(0.5, rate=16_000), 16_000)


class Conversing:
    """As ``APILLMServing_request``: any conversation goes to the address; None where there is no answer."""

    def __init__(self, url):
        self.api_url, self.model_name, self.max_workers = f"{url}/chat/completions", "hears", 2

    def generate_from_input(self, user_inputs, system_prompt="", json_schema=None):
        raise AssertionError("sounds must not be sent as text")

    def generate_from_conversations(self, conversations):
        return [self.ask(conversation) for conversation in conversations]

    def ask(self, messages):
        body = json.dumps({"model": self.model_name, "messages": messages}).encode()
        answer = post(self.api_url, body, {"Content-Type": "application/json"}, 10)
        return json.loads(answer.body)["choices"][0]["message"]["content"] if answer.status == 200 else None


def test_a_conversing_serving_is_sent_the_sound():
    with chat_server(lambda number, request: completion(f"a bell, number {number}")) as chat:
        describer = as_describer(Conversing(chat.url))
        assert describer.describe([SOUND, SOUND]) == ["a bell, number 0", "a bell, number 1"]
    audio, question = chat.requests[0]["messages"][0]["content"]
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(audio["input_audio"]["data"])), dtype="float32")
    assert rate == 16_000
    np.testing.assert_allclose(heard, SOUND[0][0], atol=1e-4)
    assert question == {"type": "text", "text": describer.prompt}


def test_a_missing_answer_and_a_bad_sound_concern_their_sound_alone():
    def answer(number, request):
        return (500, {}, b"") if number == 1 else completion("a drum")

    with chat_server(answer) as chat:
        silent = (np.full(10, np.nan, np.float32), 16_000)
        first, broken, failed, last = as_describer(Conversing(chat.url)).describe([SOUND, silent, SOUND, SOUND])
    assert (first, last) == ("a drum", "a drum")
    assert broken.code == "bad_samples"
    assert failed.code == "describer_failed"
    assert "Conversing gave no answer for this sound" in str(failed)


def test_answers_that_do_not_match_the_sounds_are_an_error():
    serving = Conversing("http://127.0.0.1:1/v1")
    serving.generate_from_conversations = lambda conversations: []
    with pytest.raises(ModelError, match="Conversing gave 0 answers for 1 sounds"):
        as_describer(serving).describe([SOUND])


def test_the_signature_names_the_server_and_no_key():
    serving = Conversing("https://me:secret@example.org/v1")
    serving.api_url += "?key=secret"
    signature = as_describer(serving).signature()
    assert signature["describer_url"] == "https://example.org/v1/chat/completions"
    assert (signature["describer"], signature["describer_model"]) == ("Conversing", "hears")


class LocalServer:
    """As ``LocalHostLLMAPIServing_vllm``: a server on this machine that it starts itself."""

    def __init__(self, port):
        self.host, self.port, self.max_workers = "127.0.0.1", port, 3
        self.hf_model_name_or_path = "Qwen/Qwen2-Audio-7B-Instruct"
        self.backend_initialized = False
        self.starts = 0

    def start_serving(self):
        self.backend_initialized = True
        self.starts += 1

    def generate_from_input(self, user_inputs, system_prompt=""):
        raise AssertionError("sounds must not be sent as text")


def test_a_local_server_is_started_once_and_asked_as_an_endpoint():
    with chat_server(lambda number, request: completion("rain")) as chat:
        serving = LocalServer(int(chat.url.split(":")[2].split("/")[0]))
        describer = as_describer(serving)
        assert isinstance(describer, LocalServerDescriber)
        assert serving.starts == 0
        assert describer.describe([SOUND]) == describer.describe([SOUND]) == ["rain"]
    assert serving.starts == 1
    assert chat.requests[0]["model"] == "Qwen/Qwen2-Audio-7B-Instruct"
    assert describer.endpoint.max_workers == 3
    assert "Authorization" not in chat.headers[0]


def test_an_address_that_cannot_be_used_is_told_at_once():
    with pytest.raises(InputError, match="api_url"):
        as_describer(LocalServer("no port"))


class Hearing:
    """As DataFlow-MM's ``LocalModelVLMServing_vllm``: one prompt and one list of sounds each, to a local model.

    Stands on transformers in place of vLLM; the model hears.
    """

    def __init__(self, folder):
        self.model_name = "tiny"
        self.processor = transformers.AutoProcessor.from_pretrained(folder)
        self.model = transformers.Qwen2AudioForConditionalGeneration.from_pretrained(folder)
        self.prompts = []

    def generate_from_input(
        self, user_inputs, system_prompt="", image_inputs=None, video_inputs=None, audio_inputs=None
    ):
        self.prompts += user_inputs
        return [self.answer(prompt, *sounds[0]) for prompt, sounds in zip(user_inputs, audio_inputs, strict=True)]

    def answer(self, prompt, waveform, rate):
        inputs = self.processor(text=prompt, audio=waveform, sampling_rate=rate, return_tensors="pt")
        output = self.model.generate(**inputs, max_new_tokens=8, do_sample=False)
        return "said " + self.processor.tokenizer.decode(output[0, inputs["input_ids"].shape[1] :])


def test_a_local_model_that_takes_sounds_gets_prompt_and_sound_in_its_own_form(tmp_path):
    serving = Hearing(tiny_qwen2_audio(tmp_path))
    describer = as_describer(serving)
    assert isinstance(describer, ServingDescriber)
    answers = describer.describe([SOUND, (tone(0.5, rate=16_000, frequency=200), 16_000)])
    assert all(answer.startswith("said ") for answer in answers)
    assert "<|AUDIO|>" in serving.prompts[0]
    assert describer.prompt in serving.prompts[0]
    assert describer.signature()["describer_model"] == "tiny"


class TextOnly:
    """As ``APIVLMServing_openai`` and ``LocalModelLLMServing_vllm``."""

    def generate_from_input(self, user_inputs, system_prompt=""):
        return user_inputs


def test_a_serving_that_cannot_hear_is_refused_with_the_line_that_can():
    serving = TextOnly()
    serving.api_url = "https://me:secret@example.org/v1/chat/completions?key=secret"
    serving.model_name, serving.max_workers = "gpt-audio", 10
    line = "EndpointDescriber(api_url='https://example.org/v1', model_name='gpt-audio', max_workers=10)"
    with pytest.raises(InputTypeError) as raised:
        as_describer(serving)
    assert line in str(raised.value)
    assert "secret" not in str(raised.value)
    with pytest.raises(InputTypeError, match=r"EndpointDescriber\(api_url=\.\.\., model_name=\.\.\.\)"):
        as_describer(TextOnly())
