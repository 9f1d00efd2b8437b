"""PE-AV through its real class with tiny random weights. The class needs timm."""

import re
import sys

import numpy as np
import pytest
import torch

from tests.required import required_package
from tests.tiny_audio import assert_same_direction, random_videos, tones
from tests.tiny_joint import tiny_pe_av
from vqe_core.encoders.audio_loading import load_joint_encoder, unload_audio_models
from vqe_core.errors import InputError, MissingPackageError
from vqe_core.types import AudioSamples

RATE = 48_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    required_package("timm")
    return tiny_pe_av(tmp_path_factory.mktemp("pe_av"))


@pytest.fixture(scope="module")
def encoder(folder):
    return load_joint_encoder(str(folder), device="cpu")


def test_its_rates_and_windows(encoder):
    assert (encoder.sampling_rate, encoder.window, encoder.frames_per_window) == (RATE, 10.0, 16)
    assert encoder.longest == pytest.approx(399.96)  # 9999 positions of 40 ms
    assert encoder.signature()["revision"].startswith("local-")


def test_each_half_equals_the_models_own_joint_call(encoder):
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(encoder.checkpoint.folder)
    sounds, windows = tones(0.1, 0.1, rate=RATE), random_videos(4, 4)
    inputs = processor(
        videos=windows, audio=sounds, sampling_rate=RATE, return_tensors="pt", padding=True, do_sample_frames=False
    )
    with torch.inference_mode():
        expected = encoder.model.get_audio_video_embeds(**inputs, return_audio_embeds=True, return_video_embeds=True)
        forward = encoder.model(**inputs)
    audio, video = encoder.embed_audio(sounds), encoder.embed_video(windows)
    assert_same_direction(audio, expected.audio_embeds)
    assert_same_direction(video, expected.video_embeds)
    torch.testing.assert_close(encoder.logits(video, audio), forward.logits_audio_video.T, atol=1e-3, rtol=1e-4)


def test_the_loaded_weights_are_the_saved_ones(encoder):
    """Its two video towers are tied by patterns, which newer timm breaks; see ``_loadable_class``."""
    from safetensors.torch import load_file

    saved, held = load_file(encoder.checkpoint.folder / "model.safetensors"), encoder.model.state_dict()
    assert all(torch.equal(held[name], value) for name, value in saved.items())
    both = encoder.model.audio_video_encoder.embedder.video_encoder.state_dict()
    assert all(
        torch.equal(value, both[name]) for name, value in encoder.model.video_model.video_encoder.state_dict().items()
    )


def test_embeddings_are_raw_and_logits_are_scaled_and_shifted_products(encoder):
    audio, video = encoder.embed_audio(tones(0.1, 0.15, rate=RATE)), encoder.embed_video(random_videos(3, 3, 5))
    assert audio.shape == (2, 24) and video.shape == (3, 24)
    assert audio.dtype == video.dtype == torch.float32
    assert not torch.allclose(audio.norm(dim=-1), torch.ones(2), atol=0.1)
    torch.testing.assert_close(encoder.logits(video, audio), video @ audio.T * 2.0 - 1.5)


def test_wrong_sounds_are_refused(encoder):
    for waveform, message in [
        (np.zeros((2, 9000), np.float32), "must be mono"),
        (np.zeros(0, np.float32), "at least 2"),
        (AudioSamples(np.zeros((1, 9000), np.float32), 16_000), "16000 Hz, the model hears 48000 Hz"),
    ]:
        with pytest.raises(InputError, match=message):
            encoder.embed_audio([waveform])


@pytest.mark.parametrize("length", [2, 100, 1920, 1921])
def test_very_short_sounds_give_numbers(encoder, length):
    assert torch.isfinite(encoder.embed_audio([np.full(length, 0.1, np.float32)])).all()


def test_a_checkpoint_of_fixed_frames_picks_them_as_its_processor_does(tmp_path):
    required_package("timm")
    encoder = load_joint_encoder(str(tiny_pe_av(tmp_path, num_frames=4)), device="cpu")
    assert encoder.frames_per_window == 4
    (frames,) = random_videos(10)
    chosen = encoder.video_processor.sample_frames(type("Metadata", (), {"total_num_frames": 10})(), num_frames=4)
    expected = encoder.embed_video([frames[list(chosen)]])
    torch.testing.assert_close(encoder.embed_video([frames]), expected)
    single = encoder.embed_video([frames[:1]])
    torch.testing.assert_close(single, encoder.embed_video([frames[[0, 0, 0, 0]]]))


def test_a_missing_timm_is_asked_for_by_its_pip_line(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)  # what an import sees where it is not installed
    unload_audio_models()
    with pytest.raises(MissingPackageError, match=re.escape("needs timm: pip install vqe-core[pe-av]")):
        load_joint_encoder(str(folder), device="cpu")


def test_a_transformers_that_is_too_old_is_told_with_its_pip_line(folder, monkeypatch):
    monkeypatch.setattr("transformers.__version__", "5.12.1")
    unload_audio_models()
    with pytest.raises(MissingPackageError, match=re.escape("needs transformers 5.20 or newer, this is 5.12.1")):
        load_joint_encoder(str(folder), device="cpu")
