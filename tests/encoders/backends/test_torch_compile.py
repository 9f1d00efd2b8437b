"""Images by a compiled model: near torch's numbers, named in the signature, refused where it cannot run."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
import torch

from tests import tiny
from tests.encoders.backends.near_torch import check_near_torch, prepared
from tests.required import required_program
from vqe_core.encoders import load_image_text_encoder, unload_encoders
from vqe_core.encoders.backends.torch_compile import CompiledVisionTower
from vqe_core.errors import InputError
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity


@pytest.fixture
def compiler():
    return required_program("g++", "clang++")


# A tower that is rebuilt, and one that keeps the forward of transformers.
@pytest.mark.slow
@pytest.mark.parametrize("family", [tiny.tiny_clip, tiny.tiny_siglip], ids=lambda family: family.__name__)
def test_it_is_near_torch_at_any_batch_size(compiler, family, tmp_path):
    own, compiled = check_near_torch(family(tmp_path), "compile")
    assert compiled.signature() == {**own.signature(), "backend": "compile"}


@pytest.mark.slow
def test_it_scores_in_bfloat16(compiler):
    from vqe_core.toy.clips import make_clip

    results = [
        EMScore(clip_model_path="toy", frame_num=2, dtype="bfloat16", backend=name).compute(
            predictions=["a red square"], videos=[make_clip(0).frames]
        )
        for name in ("torch", "compile")
    ]
    assert results[1]["signature"] == {**results[0]["signature"], "backend": "compile"}
    for key in (key for key in results[0] if key.startswith("EMScore")):
        assert results[0][key] == pytest.approx(results[1][key], abs=2e-2)


@pytest.mark.slow
def test_many_models_are_compiled_in_one_process(compiler):
    class Tower(torch.nn.Module):
        def __init__(self, width):
            super().__init__()
            self.width = width

        def forward(self, images):
            return images.float().mean((2, 3))[:, :1] * torch.arange(self.width)

    images = torch.randint(0, 256, (3, 3, 4, 4), dtype=torch.uint8)
    for width in range(1, 11):  # torch's limit is 8 for one piece of code
        tower = Tower(width)
        with torch.inference_mode():
            found = CompiledVisionTower.compile(tower, images[:1])(images)
        assert torch.allclose(found, tower(images))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_is_told_and_does_not_hang(compiler, clip_folder):
    encoder = load_image_text_encoder(clip_folder, "cpu", backend="compile")
    images = prepared(encoder, 1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            encoder.vision_tower(images)
        except InputError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    assert b"backend 'compile' was loaded before this process was forked" in os.read(reading, 1000)


def test_what_cannot_be_compiled_says_what_is_missing(clip_folder, monkeypatch):
    unload_encoders()

    def no_compiler(tower, **how):
        def call(images):
            raise RuntimeError("No working C++ compiler found")

        return call

    monkeypatch.setattr(torch, "compile", no_compiler)
    with pytest.raises(InputError, match=re.escape("RuntimeError: No working C++ compiler found); it needs a C++")):
        load_image_text_encoder(clip_folder, "cpu", backend="compile")


def test_a_joint_space_has_no_such_images():
    with pytest.raises(InputError, match="backend 'compile' encodes images of image-text models only"):
        VideoAudioSimilarity(hf_clip="toy", method="joint", backend="compile").compute(
            videos=[np.zeros((4, 64, 64, 3), np.uint8)], audios=[{"array": np.zeros(8000), "sampling_rate": 8000}]
        )
