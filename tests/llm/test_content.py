"""Parts of a message: what a server decodes is what was put in."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.llm.given import heard_in
from vqe_core.errors import InputError
from vqe_core.llm.content import audio_part, image_part, text_part, to_mono, user_message
from vqe_core.types import AudioSamples


@pytest.mark.parametrize(
    ("audio", "code", "message"),
    [
        ((np.zeros(0, np.float32), 8000), "no_sound", "sound 3 has no samples"),
        ((np.array([np.inf], np.float32), 8000), "bad_samples", "sound 3 holds NaN or infinity"),
        ((np.array([np.nan], np.float32), 8000), "bad_samples", "sound 3 holds NaN or infinity"),
        ((np.zeros(4, np.int16), 8000), "bad_type", "sound 3 must be AudioSamples or"),
        ((np.zeros((4, 2), np.float32), 8000), "not_mono", "reads as 4 channels"),
        ((np.zeros((1, 1, 4), np.float32), 8000), "bad_type", "sound 3 must be AudioSamples or"),
        ((np.zeros(4, np.float32), 0), "bad_input", "sampling rate 0; it must be a whole number"),
        ((np.zeros(4, np.float32), True), "bad_input", "sampling rate True"),
        ((np.zeros(4, np.float32), 8000.5), "bad_input", "sampling rate 8000.5"),
        (np.zeros(4, np.float32), "bad_type", "got ndarray"),
        (None, "bad_type", "got NoneType"),
        ("a.wav", "bad_type", "got str"),
    ],
)
def test_what_is_no_audio_is_told(audio, code, message):
    with pytest.raises(InputError, match=message) as raised:
        to_mono(audio, "sound 3")
    assert raised.value.code == code


def test_mono_is_the_mean_of_the_channels_in_float32():
    stereo = np.stack([np.full(9, 0.2), np.full(9, 0.6)])
    for audio in ((stereo, np.int64(4000)), AudioSamples(stereo.astype(np.float32), 4000)):
        waveform, rate = to_mono(audio)
        assert (waveform.dtype, waveform.shape, rate, type(rate)) == (np.float32, (9,), 4000, int)
        np.testing.assert_allclose(waveform, 0.4, atol=1e-7)


@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=50), st.sampled_from([8000, 16_000, 44_100]))
def test_audio_comes_back_from_its_part_within_a_step_of_16_bits(samples, rate):
    given = np.array(samples, np.float32)
    part = audio_part((given, rate))
    assert part["type"] == "input_audio"
    waveform, said = heard_in(part)
    assert said == rate
    np.testing.assert_allclose(waveform, given.clip(-1, 1), atol=1.1 / 2**15)


def test_an_image_comes_back_from_its_part_nearly_as_it_was():
    pixels = np.full((24, 32, 3), (200, 60, 120), np.uint8)
    part = image_part(pixels)
    kind, _, data = part["image_url"]["url"].partition(";base64,")
    assert (part["type"], kind) == ("image_url", "data:image/jpeg")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (image.format, image.size) == ("JPEG", (32, 24))
    np.testing.assert_allclose(np.asarray(image), pixels, atol=6)


def test_a_message_is_of_the_user_and_holds_the_parts_in_order():
    parts = [text_part("first"), text_part("second")]
    assert user_message(parts) == [{"role": "user", "content": parts}]
