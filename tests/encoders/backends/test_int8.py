"""Images by products of integers: near float32, a row alone as in any batch, refused where they cannot be."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests import tiny
from tests.encoders.backends.near_torch import prepared
from vqe_core.encoders import load_image_text_encoder, text_signature
from vqe_core.encoders.backends import int8
from vqe_core.encoders.backends.int8 import Int8Linear
from vqe_core.errors import InputError
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity

FAMILIES = [tiny.tiny_clip, tiny.tiny_metaclip_2, tiny.tiny_chinese_clip, tiny.tiny_altclip, tiny.tiny_siglip]


@pytest.fixture(autouse=True)
def _able():
    if not int8.multiplies_integers():
        pytest.skip("this CPU and torch do not multiply integers exactly")


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def in_integers(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """The same layer written out: rounded numbers of 7 and 8 bits, multiplied in 64."""
    scales = weight.abs().amax(dim=1) / 64
    levels = (weight / scales[:, None]).round().long()
    steps = x.abs().amax(dim=-1, keepdim=True) / 127
    sums = (x / steps).round().long() @ levels.T
    return sums * steps.double() * scales.double() + (0 if bias is None else bias)


@torch.inference_mode()
@pytest.mark.parametrize("rows", [1, 7, 50, 400])
@pytest.mark.parametrize("biased", [False, True])
def test_a_layer_is_the_product_of_rounded_numbers(rows, biased):
    weight, x = random(48, 32), random(rows, 32)
    bias = random(48) if biased else None
    layer, expected = Int8Linear(weight, bias), in_integers(x, weight, bias).float()
    assert torch.allclose(layer(x), expected, atol=1e-5)
    assert torch.allclose(layer.activated(x, "silu"), F.silu(expected), atol=1e-5)
    assert torch.allclose(layer.activated(x, "gelu"), F.gelu(expected), atol=1e-5)
    residual = random(rows, 48)
    assert torch.allclose(layer.added_to(residual.clone(), x), residual + expected, atol=1e-5)
    assert torch.allclose(layer.weight, weight, atol=float(weight.abs().max()) / 128 + 1e-6)


@torch.inference_mode()
def test_a_row_is_the_same_bits_alone_and_beside_much_larger_ones():
    layer, x = Int8Linear(random(48, 32), random(48)), random(9, 32)
    x[4] *= 1000
    alone = torch.cat([layer(row[None]) for row in x])
    assert torch.equal(layer(x), alone)
    assert torch.equal(layer(x[None, 2:5])[0], alone[2:5])


@torch.inference_mode()
def test_a_row_of_zeros_gives_the_bias():
    bias = random(48)
    assert torch.equal(Int8Linear(random(48, 32), bias)(torch.zeros(2, 32)), bias.expand(2, -1))
    assert torch.equal(Int8Linear(torch.zeros(48, 32))(random(2, 32)), torch.zeros(2, 48))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_family_is_near_float32_and_its_texts_are_equal(family, tmp_path):
    folder = str(family(tmp_path))
    plain, quick = (load_image_text_encoder(folder, "cpu", quantize=how) for how in (None, "int8"))
    images = prepared(plain, 5)
    moved = (plain.embed_images(images) - quick.embed_images(images)).abs().max()
    assert 1e-5 < moved < 0.05
    alone = torch.cat([quick.embed_images(images[i : i + 1]) for i in range(5)])
    # Attention between the layers may differ by rounding from batch to batch, which moves an input to the next level.
    torch.testing.assert_close(alone, quick.embed_images(images), atol=0.02, rtol=0)
    for one, other in zip(plain.embed_texts(["a dog"]), quick.embed_texts(["a dog"]), strict=True):
        assert torch.equal(one.pooled, other.pooled)
    assert quick.signature() == {**plain.signature(), "quantize": "int8"}
    assert text_signature(quick) == text_signature(plain)


def test_the_signature_names_it_and_stored_frames_are_kept_apart(clip_folder, tmp_path):
    video = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    found = {}
    for how in (None, "int8", None):
        scorer = EMScore(clip_model_path=clip_folder, quantize=how, cache_dir=str(tmp_path / "cache"))
        report = scorer.score(predictions=["a dog"], videos=[video])
        assert report.signature.get("quantize") == how
        score = report.rows["EMScore(X,V)_full_F"][0]
        assert found.setdefault(how, score) == score
    assert found[None] != found["int8"]
    assert found[None] == pytest.approx(found["int8"], abs=0.05)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"dtype": "bfloat16"}, "quantize ('int8') works beside float32, not beside dtype ('bfloat16')"),
        ({"backend": "openvino"}, "quantize ('int8') is computed by torch, not by backend ('openvino')"),
        ({"backend": "compile"}, "quantize ('int8') is computed by torch, not by backend ('compile')"),
        ({"device": "meta"}, "quantize ('int8') is for CPUs, and device is 'meta' here"),
    ],
)
def test_what_excludes_it_is_named(how, words, clip_folder):
    with pytest.raises(InputError, match=re.escape(words)):
        load_image_text_encoder(clip_folder, **{"device": "cpu", **how}, quantize="int8")


def test_a_cpu_without_exact_products_refuses_it(clip_folder, monkeypatch):
    monkeypatch.setattr(int8, "multiplies_integers", lambda: False)
    with pytest.raises(InputError, match=re.escape("quantize ('int8') cannot be computed by this CPU and this torch")):
        load_image_text_encoder(clip_folder, "cpu", quantize="int8")


def test_other_names_ready_encoders_and_joint_models_are_refused(clip_folder):
    with pytest.raises(InputError, match="quantize"):
        EMScore(clip_model_path=clip_folder, quantize="int4")
    ready = load_image_text_encoder(clip_folder)
    with pytest.raises(InputError, match=re.escape("an encoder of type ClipEncoder is ready; leave it out")):
        load_image_text_encoder(ready, quantize="int8")
    with pytest.raises(InputError, match=re.escape("is for image-text models, and method 'joint' has none")):
        video = np.zeros((2, 32, 32, 3), np.uint8)
        VideoAudioSimilarity(hf_clip="toy", method="joint", quantize="int8").score(videos=[video])
