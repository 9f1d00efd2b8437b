"""What a GPU computes is near what the CPU does, in every precision and by every backend that runs there."""

from __future__ import annotations

import pytest
import torch

from tests.encoders.backends.near_torch import prepared
from tests.encoders.backends.test_openvino import FAMILIES
from tests.gpu import required_gpu, required_gpu_package
from vqe_core.encoders import load_image_text_encoder
from vqe_core.errors import InputError
from vqe_core.scorers.emscore.scorer import EMScore

NEAR = {"float32": 1e-3, "bfloat16": 0.05, "float16": 0.01}


@pytest.fixture
def gpu():
    return required_gpu()


@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_family_is_near_the_cpu(gpu, family, dtype, tmp_path):
    folder = str(family(tmp_path))
    cpu, card = load_image_text_encoder(folder, "cpu"), load_image_text_encoder(folder, gpu, dtype)
    images = prepared(cpu, 5)
    found = card.embed_images(images)
    assert found.dtype == torch.float32 and found.device.type == "cpu"
    assert (cpu.embed_images(images) - found).abs().max() < NEAR[dtype]
    (one,), (two,) = (encoder.embed_texts(["a red cat"]) for encoder in (cpu, card))
    assert (one.pooled - two.pooled).abs().max() < NEAR[dtype]
    assert card.signature()["device"] == "cuda"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_compiled_images_are_near_the_cpu(gpu, dtype, clip_folder):
    required_gpu_package("triton")
    cpu, card = load_image_text_encoder(clip_folder, "cpu"), load_image_text_encoder(clip_folder, gpu, dtype, "compile")
    images = prepared(cpu, 5)
    for count in (1, 5, 3):
        found = card.embed_images(images[:count])
        assert (cpu.embed_images(images[:count]) - found).abs().max() < NEAR[dtype]


def test_a_batch_that_does_not_fit_is_halved(gpu, clip_folder):
    encoder = load_image_text_encoder(clip_folder, gpu)
    images = prepared(encoder, 8)
    expected, forward = encoder.embed_images(images), encoder.vision_tower

    def small(batch):
        if len(batch) > 2:  # more than any card has
            torch.empty(2**50, dtype=torch.uint8, device=gpu)
        return forward(batch)

    object.__setattr__(encoder, "vision_tower", small)
    try:
        with pytest.warns(UserWarning, match="memory ran out"):
            found = encoder.embed_images(images)
    finally:
        object.__setattr__(encoder, "vision_tower", forward)
    assert (found - expected).abs().max() < 1e-5


def test_openvino_does_not_run_there(gpu, clip_folder):
    with pytest.raises(InputError, match=r"backend 'openvino' runs on the CPU, but device \('cuda'\)"):
        load_image_text_encoder(clip_folder, gpu, backend="openvino")


def test_scores_are_near_those_of_the_cpu(gpu):
    from vqe_core.toy.clips import make_clip

    clips = [make_clip(seed) for seed in range(4)]
    columns = {
        "predictions": [clip.captions(1)[0] for clip in clips],
        "videos": [clip.frames for clip in clips],
        "references": [clip.captions(2) for clip in clips],
    }
    cpu = EMScore(clip_model_path="toy", device="cpu").score(**columns)
    for dtype, near in (("float32", 1e-4), ("bfloat16", 0.02), ("float16", 0.005)):
        card = EMScore(clip_model_path="toy", device=gpu, dtype=dtype).score(**columns)
        for key, column in cpu.rows.items():
            assert card.rows[key] == pytest.approx(column, abs=near)
