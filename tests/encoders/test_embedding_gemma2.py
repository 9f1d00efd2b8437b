"""EmbeddingGemma 2 through its real class with tiny random weights."""

import numpy as np
import pytest
import torch

from tests.tiny_audio import declare, random_videos, tones
from tests.tiny_joint import tiny_embedding_gemma2
from vqe_core.encoders.audio_loading import load_joint_encoder
from vqe_core.errors import InputError, ModelError


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tiny_embedding_gemma2(tmp_path_factory.mktemp("gemma"), dither=1e-2)
    return load_joint_encoder(str(folder), device="cpu")


def test_its_rates_and_windows(encoder):
    assert (encoder.sampling_rate, encoder.window, encoder.longest) == (16_000, 10.0, 30.0)


def test_embeddings_are_raw_and_the_logit_is_the_cosine(encoder):
    audio, video = encoder.embed_audio(tones(0.5, 0.7)), encoder.embed_video(random_videos(2, 3, 2))
    assert audio.shape == (2, 24) and video.shape == (3, 24)
    assert audio.dtype == video.dtype == torch.float32
    expected = torch.nn.functional.cosine_similarity(video[:, None], audio[None], dim=-1)
    torch.testing.assert_close(encoder.logits(video, audio), expected)


def test_every_frame_and_every_second_counts(encoder):
    (frames,) = random_videos(4)
    changed = frames.copy()
    changed[3] = 255 - changed[3]
    assert not torch.allclose(encoder.embed_video([frames]), encoder.embed_video([changed]), atol=1e-4)
    (sound,) = tones(1.0)
    cut = sound.copy()
    cut[-4000:] = 0
    assert not torch.allclose(encoder.embed_audio([sound]), encoder.embed_audio([cut]), atol=1e-4)


def test_what_its_extractor_would_cut_off_is_refused(encoder):
    with pytest.raises(InputError, match="at most 480000"):
        encoder.embed_audio([np.zeros(480_002, np.float32)])
    with pytest.raises(InputError, match="must be mono"):
        encoder.embed_audio([np.zeros((2, 16_000), np.float32)])


def test_float16_and_a_checkpoint_without_sound_are_refused(encoder, tmp_path):
    with pytest.raises(InputError, match=r"'float16'.*gives NaN"):
        load_joint_encoder(encoder.checkpoint.name, device="cpu", dtype="float16")
    folder = declare(tiny_embedding_gemma2(tmp_path), audio_config=None)
    with pytest.raises(ModelError, match="has no audio_config"):
        load_joint_encoder(str(folder), device="cpu")
