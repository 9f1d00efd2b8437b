"""A user's function as describer."""

import re

import numpy as np
import pytest

from vqe_core.describers import Describer, as_describer
from vqe_core.describers.endpoint import EndpointDescriber
from vqe_core.describers.function import FunctionDescriber
from vqe_core.errors import InputError, InputTypeError, VqeError
from vqe_core.types import AudioSamples

RATE = 8000


def loudness(waveform, sampling_rate):
    return f"a sound of {waveform.mean():.2f} at {sampling_rate} Hz"


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

    error, text = FunctionDescriber(fails, name="mine", progress=False).describe(
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


@pytest.mark.parametrize(
    ("sound", "code"),
    [
        ((np.zeros(0, np.float32), RATE), "no_sound"),
        ((np.array([np.inf], np.float32), RATE), "bad_samples"),
        ((np.zeros(4, np.int16), RATE), "bad_type"),
        ((np.zeros((4, 2), np.float32), RATE), "not_mono"),
        ((np.zeros(4, np.float32), 0), "bad_input"),
        ((np.zeros(4, np.float32), 8000.5), "bad_input"),
        (np.zeros(4, np.float32), "bad_type"),
        (None, "bad_type"),
    ],
)
def test_what_is_no_sound_is_told(sound, code):
    (error,) = FunctionDescriber(loudness, progress=False).describe([sound])
    assert error.code == code


def test_a_wanted_rate_is_checked():
    (error,) = FunctionDescriber(loudness, sampling_rate=RATE, progress=False).describe([(np.ones(4), 44_100)])
    assert error.code == "wrong_sampling_rate"


def test_the_signature_names_the_function():
    assert FunctionDescriber(loudness).signature()["describer_name"].endswith("test_function.loudness")
    assert FunctionDescriber(loudness, name="v2").signature() == {"describer": "function", "describer_name": "v2"}


def test_as_describer_takes_describers_and_functions():
    endpoint = EndpointDescriber(api_url="http://localhost:8000/v1", model_name="m")
    assert as_describer(endpoint) is endpoint
    wrapped = as_describer(loudness)
    assert isinstance(wrapped, Describer)
    assert wrapped == FunctionDescriber(loudness)


def test_a_serving_that_takes_text_only_is_refused():
    class APILLMServing:
        def generate_from_input(self, user_inputs, system_prompt=""):
            return user_inputs

        def __call__(self):
            return None

    with pytest.raises(InputTypeError, match=r"sends text only, .* use EndpointDescriber"):
        as_describer(APILLMServing())


@pytest.mark.parametrize("value", [None, "gpt", 3])
def test_anything_else_is_refused(value):
    with pytest.raises(InputTypeError, match=re.escape(f"describer ({value!r}) must be a function")):
        as_describer(value)
    with pytest.raises(InputError, match="must be callable"):
        FunctionDescriber(value)
