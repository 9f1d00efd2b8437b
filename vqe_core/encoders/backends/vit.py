"""The vision transformer of CLIP-type models, computing what their own forward does with less work.

Normalisation is folded into the patch embedding, queries, keys and values come from one matrix product, and the last
layer computes only the class token, all that is read of it. Each step is exact but for float rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqe_core.encoders.backends.linear import Kernel, Layer, TorchLinear, linear
from vqe_core.encoders.image_processing import Preprocessing
from vqe_core.errors import ModelError

# Pixels are shifted to around zero before the product: small sums round less, and half precision holds them exactly.
MIDDLE = 128

TOWER_PARTS = {"embeddings", "pre_layrnorm", "encoder", "post_layernorm"}
EMBEDDING_PARTS = {"class_embedding", "patch_embedding", "position_embedding"}
LAYER_PARTS = {"self_attn", "layer_norm1", "mlp", "layer_norm2"}
ATTENTION_PARTS = {"q_proj", "k_proj", "v_proj", "out_proj"}
MLP_PARTS = {"activation_fn", "fc1", "fc2"}


class UnknownStructureError(ModelError):
    """A model whose structure is not the expected one; its own forward serves instead."""


class VisionTower(nn.Module):
    """uint8 images (B, 3, h, w) -> projected class token (B, D), as ``get_image_features`` pools it.

    Takes the weights out of ``model`` layer by layer, so that they are never held twice: its own vision tower is gone
    afterwards.

    Args:
        model: CLIP-type, float32, on the CPU; its parts must have passed ``check_structure``.
        preprocessing: whose normalisation is folded into the weights.
        dtype: to compute in.
        kernel: of the linear layers.
    """

    def __init__(self, model: Any, preprocessing: Preprocessing, dtype: torch.dtype, kernel: Kernel) -> None:
        super().__init__()
        vision = model.vision_model
        self.patch = int(vision.embeddings.patch_size)
        self.grid = int(vision.embeddings.image_size) // self.patch
        self.patches, positions = _folded_patches(vision.embeddings, preprocessing, dtype, kernel)
        self.register_buffer("positions", positions)
        self.before, self.after = vision.pre_layrnorm.to(dtype), vision.post_layernorm.to(dtype)
        layers, blocks = vision.encoder.layers, []
        while len(layers):
            blocks.append(Block(layers[0], dtype, kernel))
            del layers[0]
        self.blocks = nn.ModuleList(blocks)
        self.projection = TorchLinear(model.visual_projection.weight.detach().to(dtype))
        del model.vision_model, model.visual_projection

    positions: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Embed uint8 (B, 3, h, w) as (B, D) in the tower's dtype."""
        hidden = self.before(self._embedded(images))
        for block in self.blocks[:-1]:
            hidden = block(hidden)
        return self.projection(self.after(self.blocks[-1](hidden, only_class=True)[:, 0]))

    def _embedded(self, images: Tensor) -> Tensor:
        rows, grid, patch = images.shape[0], self.grid, self.patch
        if not torch.jit.is_tracing() and images.shape[1:] != (3, grid * patch, grid * patch):
            raise ModelError(
                f"images are prepared as {tuple(images.shape[1:])}, but the model takes {grid * patch} x "
                f"{grid * patch} pixels; the checkpoint's preprocessor_config.json belongs to another model"
            )
        cut = images.reshape(-1, 3, grid, patch, grid, patch).permute(0, 2, 4, 1, 3, 5)
        pixels = cut.to(self.positions.dtype, memory_format=torch.contiguous_format) - MIDDLE
        patches = self.patches(pixels.view(-1, grid * grid, 3 * patch * patch))
        first = self.positions[:1].expand(rows, 1, -1)
        return torch.cat([first, patches + self.positions[1:]], dim=1)


class Block(nn.Module):
    """One transformer layer: attention and MLP, each after a layer norm and added to what came in."""

    def __init__(self, layer: Any, dtype: torch.dtype, kernel: Kernel) -> None:
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self.heads, self.scale = int(attention.num_heads), float(attention.scale)
        self.norm1, self.norm2 = layer.layer_norm1.to(dtype), layer.layer_norm2.to(dtype)
        three = (attention.q_proj, attention.k_proj, attention.v_proj)
        self.qkv = _linear(torch.cat([p.weight for p in three]), torch.cat([p.bias for p in three]), dtype, kernel)
        self.out = _linear(attention.out_proj.weight, attention.out_proj.bias, dtype, kernel)
        kind = type(mlp.activation_fn).__name__
        # x sigmoid(a x) is silu(a x) / a: with a inside the weights it is one pass, and kernels have it built in.
        factor = 1.702 if kind == "QuickGELUActivation" else 1.0
        self.fused = {"QuickGELUActivation": "silu", "SiLUActivation": "silu", "SiLU": "silu"}.get(kind)
        self.fused = "gelu" if kind == "GELUActivation" else self.fused
        self.activation = mlp.activation_fn
        self.up = _linear(mlp.fc1.weight * factor, mlp.fc1.bias * factor, dtype, kernel)
        self.down = _linear(mlp.fc2.weight / factor, mlp.fc2.bias, dtype, kernel)

    def forward(self, hidden: Tensor, only_class: bool = False) -> Tensor:
        """Map (B, N, D) to (B, N, D), or to (B, 1, D) of the class token alone; may overwrite ``hidden``."""
        rows, tokens, width = hidden.shape
        qkv = self.qkv(self.norm1(hidden)).view(rows, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind()
        if only_class:
            query, hidden = query[:, :, :1], hidden[:, :1].contiguous()
        mixed = F.scaled_dot_product_attention(query, key, value, scale=self.scale)
        hidden = self.out.added_to(hidden, mixed.transpose(1, 2).reshape(rows, -1, width))
        normed = self.norm2(hidden)
        inner = self.up.activated(normed, self.fused) if self.fused else self.activation(self.up(normed))
        return self.down.added_to(hidden, inner)


def _linear(weight: Tensor, bias: Tensor, dtype: torch.dtype, kernel: Kernel) -> Layer:
    # clone: the result must not keep the model's own layer alive
    return linear(weight.detach().to(dtype).clone(), bias.detach().to(dtype).clone(), kernel)


def _folded_patches(
    embeddings: Any, preprocessing: Preprocessing, dtype: torch.dtype, kernel: Kernel
) -> tuple[Layer, Tensor]:
    """Return the patch embedding as a product with pixels around zero, and what is added to each position after it."""
    own = embeddings.patch_embedding.weight.detach()
    mean, std = (torch.tensor(values)[:, None, None] for values in (preprocessing.mean, preprocessing.std))
    weight = own * (preprocessing.scale / std)
    offset = -(own * ((mean - MIDDLE * preprocessing.scale) / std)).sum(dim=(1, 2, 3))
    positions = embeddings.position_embedding.weight.detach().clone()
    positions[1:] += offset
    positions[0] += embeddings.class_embedding.detach()
    return linear(weight.flatten(1).to(dtype), None, kernel), positions.to(dtype)


def check_structure(model: Any) -> None:
    """Raise UnknownStructureError unless ``model`` is built as ``VisionTower`` reads it."""
    vision: Any = getattr(model, "vision_model", None)
    _check_parts("vision_model", vision, TOWER_PARTS)
    _check_parts("embeddings", vision.embeddings, EMBEDDING_PARTS)
    patches = vision.embeddings.patch_embedding
    size = int(getattr(vision.embeddings, "patch_size", 0))
    plain = isinstance(patches, nn.Conv2d) and patches.bias is None and patches.in_channels == 3 and patches.groups == 1
    if not plain or patches.kernel_size != (size, size) or patches.stride != (size, size) or patches.padding != (0, 0):
        raise UnknownStructureError(f"patch_embedding is {patches}")
    if vision.embeddings.image_size % size or not isinstance(vision.embeddings.position_embedding, nn.Embedding):
        raise UnknownStructureError(f"patches of {size} pixels do not fill the image, or positions are computed")
    _check_parts("encoder", vision.encoder, {"layers"})
    for layer in vision.encoder.layers:
        _check_parts("layer", layer, LAYER_PARTS)
        _check_parts("self_attn", layer.self_attn, ATTENTION_PARTS)
        _check_parts("mlp", layer.mlp, MLP_PARTS)
        linears = [getattr(layer.self_attn, name) for name in ATTENTION_PARTS] + [layer.mlp.fc1, layer.mlp.fc2]
        if not all(type(part) is nn.Linear and part.bias is not None for part in linears):
            raise UnknownStructureError(f"a layer has linear layers of another kind: {linears}")
    if getattr(getattr(model, "visual_projection", None), "bias", "absent") is not None:
        raise UnknownStructureError("visual_projection is absent or has a bias")


def _check_parts(name: str, module: Any, expected: set[str]) -> None:
    if not isinstance(module, nn.Module):
        raise UnknownStructureError(f"{name} is {type(module).__name__}")
    own = {part for part, _ in module.named_children()} | {part for part, _ in module.named_parameters(recurse=False)}
    if own != expected:
        raise UnknownStructureError(f"{name} has the parts {sorted(own)}, not {sorted(expected)}")
