"""Servings of DataFlow as describers and judges: objects of their attributes here, their own classes in the DataFlow
tests."""

from __future__ import annotations

import numpy as np
import pytest
import transformers

from tests.llm.given import Conversing, LocalServer, TextOnly, clip, heard, shown
from tests.servers import completion
from tests.sounds import tone
from tests.tiny_audio import tiny_qwen2_audio
from vqe_core.errors import InputError, InputTypeError, ModelError
from vqe_core.llm import as_describer, as_judge
from vqe_core.llm.describer import LocalServerDescriber, ServingDescriber
from vqe_core.llm.judge_prompt import DEFAULT_PROMPT

SOUND = (tone(0.5, rate=16_000), 16_000)


def ask(serving, role, count):
    """Answers about ``count`` sounds or clips."""
    if role == "describer":
        return as_describer(serving).describe([SOUND] * count)
    return as_judge(serving).judge([clip()] * count)


def test_a_conversing_serving_is_sent_the_sound(serve):
    chat = serve(lambda number, request: completion(f"a bell, number {number}"))
    describer = as_describer(Conversing(chat.url))
    assert describer.describe([SOUND, SOUND]) == ["a bell, number 0", "a bell, number 1"]
    audio, question = chat.requests[0]["messages"][0]["content"]
    waveform, rate = heard(chat.requests[0])
    assert (audio["type"], rate) == ("input_audio", 16_000)
    np.testing.assert_allclose(waveform, SOUND[0][0], atol=1e-4)
    assert question == {"type": "text", "text": describer.prompt}


def test_a_conversing_serving_is_sent_images_and_sound(serve):
    chat = serve(lambda number, request: completion('{"score": 6, "reason": "fits"}'))
    assert as_judge(Conversing(chat.url)).judge([clip(), clip(0.5)]) == [(0.6, "fits")] * 2
    texts, images, sound = shown(chat.requests[1])
    assert (texts[-1], len(images), round(float(sound[0]), 2)) == (DEFAULT_PROMPT, 2, 0.5)


def test_a_missing_answer_and_a_bad_sound_concern_their_sound_alone(serve):
    chat = serve(lambda number, request: (500, {}, b"") if number == 1 else completion("a drum"))
    silent = (np.full(10, np.nan, np.float32), 16_000)
    first, broken, failed, last = as_describer(Conversing(chat.url)).describe([SOUND, silent, SOUND, SOUND])
    assert (first, last) == ("a drum", "a drum")
    assert broken.code == "bad_samples"
    assert failed.code == "describer_failed"
    assert "Conversing gave no answer for this sound" in str(failed)


def test_a_missing_answer_and_nonsense_concern_their_clip_alone(serve):
    answers = [(500, {}, b""), completion("no idea"), completion("8")]
    chat = serve(lambda number, request: answers[number])
    failed, bad, good = as_judge(Conversing(chat.url)).judge([clip()] * 3)
    assert (failed.code, bad.code, good) == ("judge_failed", "bad_judgement", (0.8, ""))
    assert "take image_url and input_audio?" in str(failed)


@pytest.mark.parametrize(("role", "items"), [("describer", "sounds"), ("judge", "clips")])
def test_answers_that_do_not_match_what_was_asked_are_an_error(role, items):
    serving = Conversing("http://127.0.0.1:1/v1")
    serving.generate_from_conversations = lambda conversations: []
    with pytest.raises(ModelError, match=f"Conversing gave 0 answers for 1 {items}"):
        ask(serving, role, 1)


def test_the_signature_names_serving_server_and_words_and_no_key():
    serving = Conversing("https://me:secret@example.org/v1")
    serving.api_url += "?key=secret"
    describer = as_describer(serving)
    assert describer.signature() == {
        "describer": "Conversing",
        "describer_model": "senses",
        "describer_prompt": describer.prompt,
        "describer_url": "https://example.org/v1/chat/completions",
    }
    assert as_judge(serving).signature() == {
        "judge": "Conversing",
        "judge_model": "senses",
        "judge_prompt": DEFAULT_PROMPT,
        "judge_url": "https://example.org/v1/chat/completions",
        "judge_version": "1",
    }
    assert "secret" not in repr(describer)


@pytest.mark.parametrize(("role", "made", "answer"), [("describer", as_describer, "3"), ("judge", as_judge, (0.3, ""))])
def test_a_local_server_is_started_once_and_asked_as_an_endpoint(serve, role, made, answer):
    chat = serve(lambda number, request: completion("3"))
    serving = LocalServer(int(chat.url.split(":")[2].split("/")[0]))
    asked = made(serving)
    assert serving.starts == 0
    assert ask(serving, role, 1) == ask(serving, role, 1) == [answer]
    assert serving.starts == 1
    assert chat.requests[0]["model"] == asked.signature()[f"{role}_model"] == "Qwen/Qwen2.5-Omni-7B"
    assert asked.endpoint.max_workers == 3
    assert "Authorization" not in chat.headers[0]
    with pytest.raises(InputError, match="api_url"):
        made(LocalServer("no port"))


def test_a_local_server_is_a_describer_of_its_own():
    assert isinstance(as_describer(LocalServer(8000)), LocalServerDescriber)


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


@pytest.mark.parametrize(
    ("made", "why", "kind"),
    [
        (as_describer, "describer (TextOnly) sends text only", "EndpointDescriber"),
        (as_judge, "judge (TextOnly) takes no conversation with pictures and sound", "EndpointJudge"),
    ],
)
def test_a_serving_that_cannot_play_the_role_is_refused_with_the_line_that_can(made, why, kind):
    serving = TextOnly()
    serving.api_url = "https://me:secret@example.org/v1/chat/completions?key=secret"
    serving.model_name, serving.max_workers = "gpt-audio", 10
    line = f"use {kind}(api_url='https://example.org/v1', model_name='gpt-audio', max_workers=10) of vqe_core.llm with"
    with pytest.raises(InputTypeError) as raised:
        made(serving)
    assert why in str(raised.value)
    assert line in str(raised.value)
    assert "secret" not in str(raised.value)
    with pytest.raises(InputTypeError, match=rf"{kind}\(api_url=\.\.\., model_name=\.\.\.\)"):
        made(TextOnly())
