"""The picture tower compiled by torch: fused kernels made for this device, whose numbers are their own."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from vqe_core.errors import InputError
from vqe_core.processes import check_not_forked


@dataclass(frozen=True)
class CompiledPictures:
    """uint8 pictures (B, 3, h, w) -> pooled (B, D), of any batch size."""

    compiled: Any = field(repr=False)
    process: int = field(default_factory=os.getpid, repr=False)

    @classmethod
    def compile(cls, tower: nn.Module, example: Tensor) -> CompiledPictures:
        """Compile ``tower`` for the device of ``example``; on a CPU that takes a minute.

        Args:
            tower: uint8 pictures to pooled embeddings, on that device.
            example: uint8 (1, 3, h, w), the shape of the pictures.

        Raises:
            InputError: nothing can be compiled here, mostly for want of a compiler.
        """
        compiled: Any = torch.compile(tower, dynamic=True, options={"freezing": example.device.type == "cpu"})
        try:
            with torch.inference_mode():
                for batch in (torch.cat([example, example]), example):  # a batch of one is compiled by itself
                    compiled(batch)
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"backend 'compile' cannot compile the model here ({type(error).__name__}: {reason}); it needs a C++ "
                "compiler on a CPU, and Triton on a graphics card. Install that, or use backend='torch'"
            ) from error
        return cls(compiled)

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (B, 3, h, w) -> (B, D) in the tower's dtype."""
        check_not_forked(self.process, "backend 'compile'")
        pooled: Tensor = self.compiled(images)
        return pooled
