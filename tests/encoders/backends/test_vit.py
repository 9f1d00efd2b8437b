"""The rebuilt vision tower gives what the real classes of transformers give, or steps aside."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize
from transformers import AutoModel, CLIPConfig, CLIPModel
from transformers.models.clip.modeling_clip import CLIPEncoderLayer

from tests import tiny
from vqe_core.encoders.backends import linear as linear_kernels
from vqe_core.encoders.backends.towers import PlainVisionTower, build_towers
from vqe_core.encoders.backends.vit import UnknownStructureError, VisionTower, check_structure
from vqe_core.encoders.image_processing import Preprocessing
from vqe_core.errors import ModelError

FAMILIES = [tiny.tiny_clip, tiny.tiny_metaclip_2, tiny.tiny_chinese_clip, tiny.tiny_altclip]
PREPROCESSING = Preprocessing(32, (32, 32))


def images(count: int, size: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


@torch.inference_mode()
def unit(tower: Any, batch: torch.Tensor) -> torch.Tensor:
    return normalize(tower(batch).float(), dim=-1)


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.__name__)
def folder(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("tower"))


def altered_clip(folder: Any, **vision: Any) -> Any:
    config = CLIPConfig.from_pretrained(folder)
    config.vision_config.update(vision)
    torch.manual_seed(0)  # the class token's embedding is drawn here
    return tiny._random_weights(CLIPModel(config), seed=0)


@pytest.mark.parametrize("kernel", ["torch", "onednn"])
def test_every_family_is_the_same_to_rounding(folder, kernel):
    if kernel == "onednn" and not linear_kernels._has_onednn(torch.float32):
        pytest.skip("this torch has no oneDNN layers on this machine")
    own = unit(PlainVisionTower(AutoModel.from_pretrained(folder).eval(), PREPROCESSING), images(5))
    with torch.inference_mode():
        tower = VisionTower(AutoModel.from_pretrained(folder), PREPROCESSING, torch.float32, kernel)
    assert (unit(tower, images(5)) - own).abs().max() < 1e-5
    assert (unit(tower, images(5)[:1]) - own[:1]).abs().max() < 1e-5


@pytest.mark.parametrize("activation", ["gelu", "silu", "relu", "gelu_pytorch_tanh", "quick_gelu"])
def test_every_activation_is_the_models(clip_folder, activation):
    own = unit(PlainVisionTower(altered_clip(clip_folder, hidden_act=activation), PREPROCESSING), images(4))
    with torch.inference_mode():
        tower = VisionTower(altered_clip(clip_folder, hidden_act=activation), PREPROCESSING, torch.float32, "torch")
    assert (unit(tower, images(4)) - own).abs().max() < 1e-5


def test_other_layers_and_normalisations(clip_folder):
    preprocessing = Preprocessing(32, (32, 32), mean=(0.0, 0.5, 0.9), std=(1.0, 0.5, 0.1), scale=1 / 127)
    change = {"num_hidden_layers": 1, "patch_size": 16, "layer_norm_eps": 1e-3}
    own = unit(PlainVisionTower(altered_clip(clip_folder, **change), preprocessing), images(4))
    with torch.inference_mode():
        tower = VisionTower(altered_clip(clip_folder, **change), preprocessing, torch.float32, "torch")
    assert (unit(tower, images(4)) - own).abs().max() < 1e-5


def build(model: Any, again: Any = None, dtype: torch.dtype = torch.float32) -> Any:
    def load_again() -> Any:
        assert again is not None, "the model was taken apart in vain"
        return again

    return build_towers(model, load_again, PREPROCESSING, "cpu", dtype, "torch")


def test_the_models_weights_are_freed_and_texts_still_work(clip_folder):
    model = AutoModel.from_pretrained(clip_folder)
    layer = model.vision_model.encoder.layers[1]
    gone = [weakref.ref(part.weight) for part in (layer.self_attn.q_proj, layer.mlp.fc1, layer.mlp.fc2)]
    del layer
    towers = build(model)
    gc.collect()
    assert [reference() for reference in gone] == [None] * 3
    assert isinstance(towers.vision_tower, VisionTower)
    assert not hasattr(towers.model, "vision_model")
    assert towers.model.get_text_features(input_ids=torch.tensor([[1, 2, 3]])).pooler_output.shape == (1, 16)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_computes_in_it_and_is_near(clip_folder, dtype):
    own = unit(PlainVisionTower(AutoModel.from_pretrained(clip_folder).eval(), PREPROCESSING), images(4))
    towers = build(AutoModel.from_pretrained(clip_folder), dtype=dtype)
    with torch.inference_mode():
        assert towers.vision_tower(images(4)).dtype == dtype
    assert (unit(towers.vision_tower, images(4)) - own).abs().max() < 0.05
    assert towers.model.dtype == dtype


def changed_part(model: Any) -> None:
    model.vision_model.encoder.layers[0].extra_norm = nn.LayerNorm(32)


def changed_embedding(model: Any) -> None:
    model.vision_model.embeddings.patch_embedding = nn.Conv2d(3, 32, 8, stride=8, bias=True)


def renamed_part(model: Any) -> None:
    attention = model.vision_model.encoder.layers[1].self_attn
    attention.query = attention.q_proj
    del attention.q_proj


def missing_bias(model: Any) -> None:
    model.vision_model.encoder.layers[1].mlp.fc1.bias = None


def missing_tower(model: Any) -> None:
    model.visual = model.vision_model
    del model.vision_model


@pytest.mark.parametrize("change", [changed_part, changed_embedding, renamed_part, missing_bias, missing_tower])
def test_an_unknown_structure_is_seen_before_anything_is_taken_apart(clip_folder, change):
    model = AutoModel.from_pretrained(clip_folder)
    change(model)
    with pytest.raises(UnknownStructureError):
        check_structure(model)
    if change is not missing_tower:
        towers = build(model)
        assert isinstance(towers.vision_tower, PlainVisionTower)
        assert hasattr(towers.model, "vision_model")


class HalvedLayer(CLIPEncoderLayer):
    """Has the parts of a CLIP layer, and computes something else with them."""

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return 0.5 * super().forward(*inputs, **options) + 0.1


def test_a_model_that_computes_otherwise_keeps_its_own_forward(clip_folder):
    models = [AutoModel.from_pretrained(clip_folder) for _ in range(3)]
    for model in models:
        model.vision_model.encoder.layers[0].__class__ = HalvedLayer
    check_structure(models[0])
    towers = build(models[0], again=models[1])
    assert isinstance(towers.vision_tower, PlainVisionTower)
    assert torch.equal(
        unit(towers.vision_tower, images(3)), unit(PlainVisionTower(models[2], PREPROCESSING), images(3))
    )


def test_images_of_another_size_are_refused(clip_folder):
    towers = build(AutoModel.from_pretrained(clip_folder))
    with pytest.raises(ModelError, match="prepared as \\(3, 48, 48\\), but the model takes 32 x 32"):
        towers.vision_tower(images(2, size=48))


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["torch", "onednn"])
def test_a_full_size_model_is_the_same_to_rounding(kernel):
    if kernel == "onednn" and not linear_kernels._has_onednn(torch.float32):
        pytest.skip("this torch has no oneDNN layers on this machine")
    model = tiny._random_weights(CLIPModel(CLIPConfig()), seed=0)
    preprocessing = Preprocessing(224, (224, 224))
    own = unit(PlainVisionTower(model, preprocessing), images(3, size=224))
    with torch.inference_mode():
        tower = VisionTower(model, preprocessing, torch.float32, kernel)
    assert (unit(tower, images(3, size=224)) - own).abs().max() < 1e-5
