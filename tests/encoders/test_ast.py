"""The audio spectrogram transformer through its real class with tiny random weights."""

import json

import numpy as np
import pytest
import torch

from tests.tiny_audio import tiny_ast, tones
from vqe_core.encoders.audio_loading import load_tagger
from vqe_core.encoders.base import AudioTextEncoder
from vqe_core.errors import InputError, ModelError
from vqe_core.types import AudioSamples


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    return load_tagger(str(tiny_ast(tmp_path_factory.mktemp("ast"))), device="cpu")


def test_it_is_a_tagger_with_the_labels_of_its_config(tagger):
    assert not isinstance(tagger, AudioTextEncoder)
    assert tagger.labels == ("Speech", "Dog", "Rain", "Silence", "Engine")
    assert (tagger.sampling_rate, tagger.window) == (16_000, 1.28)


def test_tags_are_the_sigmoid_of_the_models_logits(tagger):
    waveforms = tones(0.5, 1.28)
    inputs = tagger.extractor(waveforms, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        expected = tagger.model(**inputs).logits.sigmoid()
    torch.testing.assert_close(tagger.tag(waveforms), expected, atol=1e-5, rtol=0)


def test_some_labels_pick_columns_and_unknown_ones_are_refused(tagger):
    waveforms = tones(0.5)
    torch.testing.assert_close(tagger.tag(waveforms, ["Rain", "Dog"]), tagger.tag(waveforms)[:, [2, 1]])
    with pytest.raises(InputError, match=r"\['a dog'\] are not among the 5 of .* or a CLAP tagger"):
        tagger.tag(waveforms, ["Rain", "a dog"])


def test_too_long_too_short_stereo_and_other_rates_are_refused(tagger):
    for waveform, message in [
        (np.zeros(20_490, np.float32), "at most 20480"),
        (np.zeros(399, np.float32), "at least 400"),
        (np.zeros((2, 9000), np.float32), "must be mono"),
        (AudioSamples(np.zeros((1, 9000), np.float32), 8000), "8000 Hz, the model hears 16000 Hz"),
    ]:
        with pytest.raises(InputError, match=message):
            tagger.tag([waveform])


def test_silence_gives_numbers(tagger):
    assert torch.isfinite(tagger.tag([np.zeros(16_000, np.float32)])).all()


def test_a_checkpoint_without_a_head_is_refused(tmp_path):
    folder = tiny_ast(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["ASTModel"]}))
    with pytest.raises(ModelError, match="has no classification head"):
        load_tagger(str(folder), device="cpu")
