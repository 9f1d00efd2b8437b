"""Skip loudly where there is no graphics card, and fail instead where one was promised."""

from __future__ import annotations

import os

import pytest
import torch

SWITCH = "VQE_REQUIRE_GPU"


def required_gpu() -> str:
    """The torch device, or a skip; a failure where ``VQE_REQUIRE_GPU=1``."""
    if torch.cuda.is_available():
        return "cuda"
    if os.environ.get(SWITCH) == "1":
        pytest.fail(f"torch finds no CUDA device, and {SWITCH}=1 says there must be one", pytrace=False)
    pytest.skip("torch finds no CUDA device")
