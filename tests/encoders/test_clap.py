"""CLAP through its real class with tiny random weights."""

import numpy as np
import pytest
import torch

from tests.tiny_audio import declare, global_state, set_seed, tiny_clap, tones
from vqe_core.encoders.audio_labels import SOUND_LABELS
from vqe_core.encoders.audio_loading import load_audio_encoder, load_tagger, unload_audio_models
from vqe_core.encoders.base import AudioTextEncoder, Tagger
from vqe_core.errors import InputError
from vqe_core.types import AudioSamples

TOLERANCE = 1e-5  # a batch's matrix products may add in another order


@pytest.fixture(scope="module", params=[False, True], ids=["unfused", "fused"])
def clap(request, tmp_path_factory):
    folder = tiny_clap(tmp_path_factory.mktemp("clap"), fused=request.param)
    yield load_audio_encoder(str(folder), device="cpu")
    unload_audio_models()


def test_it_is_an_audio_encoder_and_a_tagger(clap):
    assert isinstance(clap, AudioTextEncoder) and isinstance(clap, Tagger)
    assert clap.embed_audio(tones(0.3)).shape == clap.embed_texts(["a dog"]).shape == (1, 16)
    assert (clap.sampling_rate, clap.window, clap.shared_space) == (16_000, 1.0, None)
    assert clap.labels == SOUND_LABELS
    assert clap.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)


def test_the_seed_of_numpy_changes_nothing_and_is_not_moved(clap):
    waveforms, found = tones(0.3, 1, 0.7), []
    for seed in range(4):
        state = set_seed(seed)
        found.append(clap.embed_audio(waveforms))
        np.testing.assert_array_equal(global_state(), state)
    assert all(torch.equal(rows, found[0]) for rows in found)


def test_it_agrees_with_the_model_called_by_its_own_processor(clap):
    """The official path, with its chance settled: no sound of the batch is marked as long."""
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(clap.checkpoint.folder)
    waveforms, texts = tones(0.3, 1, 0.7), ["a dog", "rain on a roof"]
    inputs = processor(audio=waveforms, sampling_rate=16_000, return_tensors="pt")
    words = processor(text=texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        is_longer = torch.zeros(3, 1, dtype=torch.bool)
        sounds = clap.model.get_audio_features(input_features=inputs["input_features"], is_longer=is_longer)
        written = clap.model.get_text_features(**words)
    torch.testing.assert_close(clap.embed_audio(waveforms), sounds.pooler_output, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(clap.embed_texts(texts), written.pooler_output, atol=TOLERANCE, rtol=0)


def test_a_window_with_one_sample_too_many_equals_the_cut_one(clap):
    (waveform,) = tones(1)
    longer = np.append(waveform, np.float32(0.7))
    assert torch.equal(clap.embed_audio([longer]), clap.embed_audio([waveform]))


def test_longer_stereo_and_other_rates_are_refused(clap):
    with pytest.raises(InputError, match="cut it into windows"):
        clap.embed_audio(tones(1.1))
    with pytest.raises(InputError, match="must be mono"):
        clap.embed_audio([np.zeros((16_000, 2), np.float32)])
    with pytest.raises(InputError, match="44100 Hz, the model hears 16000 Hz"):
        clap.embed_audio([AudioSamples(np.zeros((1, 44_100), np.float32), 44_100)])


@pytest.mark.parametrize("waveform", [np.zeros(16_000, np.float32), np.ones(1, np.float32)], ids=["silence", "one"])
def test_silence_and_a_single_sample_give_numbers(clap, waveform):
    assert torch.isfinite(clap.embed_audio([waveform])).all()


def test_tags_are_a_softmax_over_the_prompts_of_the_labels(clap):
    waveforms, labels = tones(0.3, 0.6), ["a dog", "rain", "a car"]
    found = clap.tag(waveforms, labels)
    texts = clap.embed_texts([f"This is a sound of {label}." for label in labels])
    expected = (clap.logit_scale * clap.embed_audio(waveforms) @ texts.T).softmax(-1)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(-1), torch.ones(2))
    assert clap.tag(waveforms).shape == (2, len(SOUND_LABELS))


def test_a_text_beyond_the_context_and_wrong_labels_are_refused(clap):
    with pytest.raises(InputError) as raised:
        clap.embed_texts(["x" * 200])
    assert raised.value.code == "text_too_long"
    for labels in ([], ["rain", "rain"], ["rain", " "]):
        with pytest.raises(InputError, match="labels must be distinct, non-empty strings"):
            clap.tag(tones(1), labels)
    with pytest.raises(InputError, match="give \\[text\\]"):
        clap.embed_texts("a dog")


def test_the_signature_names_model_revision_dtype_device_and_prompt(clap):
    assert clap.signature() == {
        "audio_model": clap.checkpoint.title,
        "audio_revision": clap.checkpoint.revision,
        "audio_dtype": "float32",
        "audio_device": "cpu",
        "sound_prompt": "This is a sound of {label}.",
    }


def test_a_checkpoint_may_declare_its_space_and_its_words(tmp_path):
    folder = declare(
        tiny_clap(tmp_path),
        vqe_space="toy-1",
        vqe_labels=["a bell", "a drum"],
        vqe_sound_prompt="{label}",
        vqe_photo_prompt="{label}",
    )
    clap = load_tagger(str(folder), device="cpu")
    assert (clap.shared_space, clap.labels) == ("toy-1", ("a bell", "a drum"))
    assert clap.sound_prompt == clap.photo_prompt == "{label}"
    assert clap.tag(tones(1)).shape == (1, 2)
    assert load_audio_encoder(str(folder), device="cpu") is clap


def test_the_texts_of_the_same_labels_are_embedded_once(clap, monkeypatch):
    waveforms, labels = tones(0.3), ["a goat", "a tractor"]
    found = clap.tag(waveforms, labels)
    monkeypatch.setattr(type(clap), "embed_texts", lambda *_: pytest.fail("embedded again"))
    torch.testing.assert_close(clap.tag(waveforms, labels), found)


def test_a_checkpoint_saved_in_half_precision_runs_in_float32(tmp_path):
    from transformers import ClapModel

    folder = tiny_clap(tmp_path)
    ClapModel.from_pretrained(folder).half().save_pretrained(folder)
    clap = load_audio_encoder(str(folder), device="cpu")
    assert clap.model.dtype is torch.float32
    assert clap.embed_audio(tones(0.3)).dtype is torch.float32
