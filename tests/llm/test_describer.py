"""Describers: what a chat model is sent, and a user's function."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.llm.given import TextOnly, heard
from tests.servers import completion
from vqe_core.errors import InputError, InputTypeError, VqeError
from vqe_core.llm import Describer, EndpointDescriber, FunctionDescriber, as_describer
from vqe_core.llm.describer import DEFAULT_PROMPT
from vqe_core.types import AudioSamples

RATE = 8000


def loudness(waveform, sampling_rate):
    return f"a sound of {waveform.mean():.2f} at {sampling_rate} Hz"


def test_the_request_holds_model_prompt_and_a_mono_wav(serve):
    stereo = AudioSamples(np.stack([np.full(800, 0.25, np.float32), np.full(800, 0.75, np.float32)]), RATE)
    chat = serve(lambda n, r: completion("ok then"))
    given = {"api_url": chat.url, "model_name": "tiny", "progress": False}
    assert EndpointDescriber(**given, prompt="What is it?", max_tokens=7).describe([stereo]) == ["ok then"]
    assert EndpointDescriber(**given).describe([stereo]) == ["ok then"]
    request, usual = chat.requests
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("tiny", 7, 0.0)
    assert set(request) == {"model", "temperature", "max_tokens", "messages"}  # nothing that servers ignore
    (message,) = request["messages"]
    assert message["role"] == "user"
    assert [part["type"] for part in message["content"]] == ["input_audio", "text"]
    assert message["content"][1] == {"type": "text", "text": "What is it?"}
    assert usual["messages"][0]["content"][1] == {"type": "text", "text": DEFAULT_PROMPT}
    waveform, rate = heard(request)
    assert (rate, waveform.shape) == (RATE, (800,))
    np.testing.assert_allclose(waveform, 0.5, atol=1e-4)


def test_the_signature_names_server_model_and_words():
    signature = EndpointDescriber(api_url="http://localhost:8000/v1", model_name="m", max_workers=3).signature()
    assert signature == {
        "describer": "endpoint",
        "describer_url": "http://localhost:8000/v1/chat/completions",
        "describer_model": "m",
        "describer_prompt": DEFAULT_PROMPT,
        "describer_max_tokens": "100",
    }


def test_it_gets_mono_float32_and_the_rate_and_keeps_the_order():
    stereo = np.stack([np.full(9, 0.2, np.float32), np.full(9, 0.6, np.float32)])
    found = FunctionDescriber(loudness, progress=False).describe(
        [AudioSamples(stereo, RATE), (np.full(9, 0.1), 16_000), (stereo, 4000)]
    )
    assert found == ["a sound of 0.40 at 8000 Hz", "a sound of 0.10 at 16000 Hz", "a sound of 0.40 at 4000 Hz"]

    def kind(waveform, sampling_rate):
        return f"{waveform.dtype} {waveform.shape} {type(sampling_rate).__name__}"

    assert FunctionDescriber(kind, progress=False).describe([(np.zeros(5), np.int64(8000))]) == ["float32 (5,) int"]


@pytest.mark.parametrize(
    ("result", "message"),
    [(None, "got NoneType"), ("", "empty"), (" . ", "empty"), (b"dog", "got bytes"), ("x" * 3000, "3000 letters")],
)
def test_what_is_no_text_is_an_error_of_its_sound(result, message):
    found = FunctionDescriber(lambda w, r: result if w[0] else "a dog", progress=False).describe(
        [(np.ones(4, np.float32), RATE), (np.zeros(4, np.float32), RATE)]
    )
    assert found[1] == "a dog"
    assert isinstance(found[0], VqeError)
    assert found[0].code == "bad_description"
    assert message in str(found[0])


def test_an_exception_of_the_function_concerns_its_sound_alone():
    def fails(waveform, sampling_rate):
        if waveform[0]:
            raise KeyError("no such thing")
        return "a dog"

    error, text = FunctionDescriber(fails, "mine", progress=False).describe(
        [(np.ones(4, np.float32), RATE), (np.zeros(4, np.float32), RATE)]
    )
    assert text == "a dog"
    assert error.code == "describer_failed"
    assert str(error) == "describer mine failed on sound 0: KeyError: 'no such thing'"


def test_an_interrupt_is_not_swallowed():
    def interrupted(waveform, sampling_rate):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FunctionDescriber(interrupted, progress=False).describe([(np.ones(4, np.float32), RATE)])


def test_what_is_no_sound_is_an_error_of_its_own():
    bad, good = FunctionDescriber(loudness, progress=False).describe([None, (np.zeros(4, np.float32), RATE)])
    assert (bad.code, "sound 0 must be AudioSamples" in str(bad)) == ("bad_type", True)
    assert good == "a sound of 0.00 at 8000 Hz"


def test_a_wanted_rate_is_checked():
    (error,) = FunctionDescriber(loudness, sampling_rate=RATE, progress=False).describe([(np.ones(4), 44_100)])
    assert error.code == "wrong_sampling_rate"


def test_the_signature_names_the_function():
    assert FunctionDescriber(loudness).signature()["describer_name"].endswith("test_describer.loudness")
    assert FunctionDescriber(loudness, function_name="v2").signature() == {
        "describer": "function",
        "describer_name": "v2",
    }


def test_as_describer_takes_describers_and_functions():
    endpoint = EndpointDescriber(api_url="http://localhost:8000/v1", model_name="m")
    assert as_describer(endpoint) is endpoint
    wrapped = as_describer(loudness)
    assert isinstance(wrapped, Describer)
    assert wrapped == FunctionDescriber(loudness)


def test_a_serving_that_takes_text_only_is_refused():
    with pytest.raises(InputTypeError, match=r"sends text only, .* use EndpointDescriber"):
        as_describer(TextOnly())


@pytest.mark.parametrize("value", [None, "gpt", 3])
def test_anything_else_is_refused(value):
    with pytest.raises(InputTypeError, match=re.escape(f"describer ({value!r}) must be a function")):
        as_describer(value)
    with pytest.raises(InputError, match="must be callable"):
        FunctionDescriber(value)
