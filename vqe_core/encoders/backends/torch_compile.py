"""The vision tower compiled by torch: fused kernels for this device. Their numbers are their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from vqe_core.errors import InputError
from vqe_core.runtime import check_not_forked


@dataclass(frozen=True)
class CompiledVisionTower:
    """uint8 images (B, 3, h, w) -> pooled (B, D), of any batch size."""

    compiled: Any = field(repr=False)
    process: int = field(default_factory=os.getpid, repr=False)

    @classmethod
    def compile(cls, tower: nn.Module, example: Tensor) -> CompiledVisionTower:
        """Compile ``tower`` for the device of ``example``; on a CPU that takes a minute.

        Args:
            tower: uint8 images to pooled embeddings, on that device.
            example: uint8 (1, 3, h, w), the shape of the images.

        Raises:
            InputError: nothing can be compiled here, mostly for want of a compiler.
        """
        options: dict[str, Any] = {"freezing": example.device.type == "cpu"}
        # fullgraph: what torch cannot compile is an error here, not run as it is under the name of compiled.
        compiled: Any = torch.compile(_own_function(tower), dynamic=True, fullgraph=True, options=options)
        try:
            with torch.inference_mode():
                for batch in (torch.cat([example, example]), example):  # a batch of one is compiled by itself
                    compiled(batch)
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"backend 'compile' cannot compile the model here ({type(error).__name__}: {reason}); it needs a C++ "
                "compiler on a CPU, and Triton on a GPU. Install that, or use backend='torch'"
            ) from error
        return cls(compiled)

    def __call__(self, images: Tensor) -> Tensor:
        """Embed uint8 (B, 3, h, w) as (B, D) in the tower's dtype."""
        check_not_forked(self.process, "backend 'compile'")
        pooled: Tensor = self.compiled(images)
        return pooled


def _own_function(tower: nn.Module) -> Callable[[Tensor], Tensor]:
    """Wrap ``tower`` in a function with code of its own: torch compiles one piece of code for a few models only."""

    def forward(images: Tensor) -> Tensor:
        pooled: Tensor = tower(images)
        return pooled

    code = forward.__code__.replace(co_name=f"forward_{id(tower)}")
    return FunctionType(code, forward.__globals__, code.co_name, None, forward.__closure__)
