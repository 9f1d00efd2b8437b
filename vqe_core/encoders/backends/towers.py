"""The towers of an image-text model, made fast without changing the model's own numbers.

The vision tower is rebuilt (``vit``), compiled or converted; linear layers are packed where that is faster. A tower
that does not give the model's own embedding of a noise image is not used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from vqe_core.encoders.backends.linear import Kernel, choose_kernel, pack_linears
from vqe_core.encoders.backends.torch_compile import CompiledVisionTower
from vqe_core.encoders.backends.vit import UnknownStructureError, VisionTower, check_structure
from vqe_core.encoders.image_processing import Preprocessing
from vqe_core.options import Computing
from vqe_core.runtime import own_precision

# Of unit embeddings: in float32 rounding, in half precision near enough to tell rounding from another computation.
AGREEMENT = {torch.float32: 1e-5, torch.bfloat16: 0.1, torch.float16: 0.1}
AGREEMENT_INT8 = 0.1


@dataclass(frozen=True)
class Towers:
    """A model ready to encode.

    Attributes:
        model: encodes texts; its own vision tower is gone where ``vision_tower`` took its weights.
        vision_tower: uint8 (B, 3, h, w) on the device -> pooled (B, D).
        signature: what of the way of computing can change an embedding by more than float32 rounding.
    """

    model: Any = field(repr=False)
    vision_tower: Callable[[Tensor], Tensor] = field(repr=False)
    signature: dict[str, str]


class PlainVisionTower(nn.Module):
    """uint8 images (B, 3, h, w) -> pooled (B, D) by the forward of transformers itself."""

    def __init__(self, model: Any, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.model, self.preprocessing = model, preprocessing

    def forward(self, images: Tensor) -> Tensor:
        """Embed uint8 (B, 3, h, w) as (B, D) in the model's dtype."""
        pixel_values = self.preprocessing.normalise(images, self.model.dtype)
        pooled: Tensor = self.model.get_image_features(pixel_values=pixel_values).pooler_output
        return pooled


@torch.inference_mode()
@own_precision()
def build_towers(
    model: Any,
    load_again: Callable[[], Any],
    preprocessing: Preprocessing,
    device: str,
    dtype: torch.dtype,
    backend: Computing,
) -> Towers:
    """Build the fastest towers that give the model's own numbers.

    A model of unknown structure, or one whose rebuilt tower gives other numbers, keeps its own forward.

    Args:
        model: in float32 on the CPU; it is taken apart.
        load_again: gives the same model anew, where the first was taken apart in vain.
        preprocessing: of the checkpoint.
        device: where to encode.
        dtype: to encode in.
        backend: ``"torch"``; for images also ``"compile"``, ``"openvino"`` or ``"int8"``.

    Raises:
        MissingPackageError, InputError: the backend is not there, or cannot do this.
    """
    kernels = {tower: _kernel(model.config, tower, dtype, device) for tower in ("vision", "text")}
    if backend == "compile":
        kernels["vision"] = "torch"  # compiling chooses kernels itself
    if backend == "int8":
        kernels["vision"] = "int8"
    name = "quantize" if backend == "int8" else "backend"
    signature: dict[str, str] = {} if backend in ("auto", "torch") else {name: backend}
    if dtype != torch.float32 and "onednn" in kernels.values():
        signature["linear"] = "onednn"
    vision: Callable[[Tensor], Tensor]
    if backend == "openvino":
        model, tower, noise = _with_tower(model, load_again, preprocessing, torch.float32, "torch")
        vision = _by_openvino(model, tower or PlainVisionTower(model, preprocessing), noise, dtype)
    else:
        model, tower, noise = _with_tower(model, load_again, preprocessing, dtype, kernels["vision"])
        vision = tower.to(device) if tower is not None else PlainVisionTower(model, preprocessing)
    model.to(device=device, dtype=dtype)
    if backend == "compile" and isinstance(vision, nn.Module):
        vision = CompiledVisionTower.compile(vision, noise.to(device))
    for name, part in model.named_children():
        kernel = kernels["vision" if "vis" in name else "text"]
        if kernel != "torch":
            pack_linears(part, kernel)
    return Towers(model, vision, signature)


def _by_openvino(model: Any, tower: nn.Module, noise: Tensor, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    from vqe_core.encoders.backends.openvino import OpenVinoVisionTower

    converted = OpenVinoVisionTower.convert(tower, noise, dtype)
    if hasattr(model, "vision_model"):
        del model.vision_model
    return converted


def _kernel(config: Any, tower: str, dtype: torch.dtype, device: str) -> Kernel:
    own = getattr(config, f"{tower}_config")
    sizes = (int(getattr(own, "hidden_size", 0)), int(getattr(own, "intermediate_size", 0)))
    return choose_kernel(sizes, dtype, device)


def _with_tower(
    model: Any, load_again: Callable[[], Any], preprocessing: Preprocessing, dtype: torch.dtype, kernel: Kernel
) -> tuple[Any, VisionTower | None, Tensor]:
    """Return the model and its rebuilt tower, or the whole model and None where the tower would not agree with it."""
    size = int(model.config.vision_config.image_size)
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    noise = preprocessing.prepare(pixels)[None]
    try:
        check_structure(model)
        own = normalize(PlainVisionTower(model, preprocessing)(noise), dim=-1)
    except (UnknownStructureError, ValueError):  # of transformers: images of another size, told when one is encoded
        return model, None, noise
    tower = VisionTower(model, preprocessing, dtype, kernel).eval()
    agreement = AGREEMENT_INT8 if kernel == "int8" else AGREEMENT[dtype]
    if (normalize(tower(noise).float(), dim=-1) - own).abs().max() <= agreement:
        return model, tower, noise
    return load_again(), None, noise
