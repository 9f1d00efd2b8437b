"""A CLIP and a CLAP are joined only where their checkpoints declare one space."""

import pytest
import torch
from torch.nn.functional import normalize

from tests.tiny import tiny_clip
from tests.tiny_audio import declare, random_videos, tiny_clap, tones
from tests.tiny_families import tiny_clip_with_clap
from vqe_core.encoders import load_image_text_encoder
from vqe_core.encoders.audio_loading import load_audio_encoder, load_joint_encoder
from vqe_core.encoders.clip_clap import ClipClapJoint
from vqe_core.errors import ModelError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_clip_with_clap(tmp_path_factory.mktemp("both"))


@pytest.fixture(scope="module")
def joint(folder):
    return load_joint_encoder(str(folder), device="cpu")


def test_a_clip_that_brings_its_audio_model_is_a_joint_encoder(joint):
    assert (joint.space, joint.sampling_rate, joint.window) == ("toy-1", 16_000, 1.0)
    assert {"model", "revision", "audio_model", "audio_revision"} <= set(joint.signature())
    assert joint.signature()["audio_model"].endswith("/audio")


def test_video_is_the_mean_of_its_frames_and_the_logit_a_scaled_cosine(joint):
    windows, sounds = random_videos(3, 20), tones(0.3, 0.6)
    video, audio = joint.embed_video(windows, batch_size=1), joint.embed_audio(sounds)
    images = torch.stack([joint.image_encoder.prepare_image(frame) for frame in windows[1]])
    expected = joint.image_encoder.embed_images(images).mean(dim=0)
    torch.testing.assert_close(video[1], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(audio, joint.audio_encoder.embed_audio(sounds))
    cosines = normalize(video, dim=-1) @ normalize(audio, dim=-1).T
    torch.testing.assert_close(joint.logits(video, audio), joint.audio_encoder.logit_scale * cosines)


def test_the_audio_model_brought_along_is_also_found_as_encoder_and_as_plain_clip(folder, joint):
    assert load_audio_encoder(str(folder), device="cpu") is joint.audio_encoder
    assert load_image_text_encoder(str(folder), device="cpu") is joint.image_encoder


def test_a_clap_that_declares_no_space_is_refused_by_name(folder, tmp_path, joint):
    clap = load_audio_encoder(str(tiny_clap(tmp_path)), device="cpu")
    with pytest.raises(ModelError, match=r"images are in the space 'toy-1' and audio in '.*@local-") as raised:
        ClipClapJoint.pair(joint.image_encoder, clap, image_space="toy-1")
    assert raised.value.code == "different_spaces"


def test_a_clap_of_another_space_is_refused_even_where_the_clip_declares_none(tmp_path, joint):
    clap = load_audio_encoder(str(declare(tiny_clap(tmp_path), vqe_space="toy-2")), device="cpu")
    for space in ("toy-1", None):
        with pytest.raises(ModelError, match="audio in 'toy-2'"):
            ClipClapJoint.pair(joint.image_encoder, clap, image_space=space)


def test_two_checkpoints_without_a_declared_space_are_refused(tmp_path):
    clip = load_image_text_encoder(str(tiny_clip(tmp_path / "clip")), device="cpu")
    clap = load_audio_encoder(str(tiny_clap(tmp_path / "clap")), device="cpu")
    with pytest.raises(ModelError, match="means nothing, even where the sizes agree"):
        ClipClapJoint.pair(clip, clap, image_space=None)


def test_a_plain_clip_is_no_joint_encoder(tmp_path):
    folder = tiny_clip(tmp_path)
    with pytest.raises(ModelError, match=r"knows images and text but no audio.*facebook/pe-av"):
        load_joint_encoder(str(folder), device="cpu")
