"""Skip loudly where there is no GPU, or not what runs on it, and fail instead where one was promised."""

from __future__ import annotations

from types import ModuleType

import torch

from tests.required import absent, required_package

SWITCH = "VQE_REQUIRE_GPU"


def required_gpu() -> str:
    """The torch device, or a skip; a failure where ``VQE_REQUIRE_GPU=1``."""
    if not torch.cuda.is_available():
        absent("torch finds no CUDA device", SWITCH)
    return "cuda"


def required_gpu_package(name: str) -> ModuleType:
    """The module that only machines with a card have, or a skip; a failure where ``VQE_REQUIRE_GPU=1``."""
    return required_package(name, SWITCH)
