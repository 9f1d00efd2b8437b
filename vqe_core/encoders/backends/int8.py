"""Linear layers by products of 8-bit integers, for filtering: faster than float32 on a CPU, and a little off.

Each row is scaled by itself, and sums of integers are exact, so that no row depends on those beside it, on the size of
its batch, or on the CPU. Packages for quantisation scale a whole batch at once, or by statistics of chosen images.
"""

from __future__ import annotations

import platform
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqe_core.errors import InputError

# Largest weight: two products of an unsigned 8-bit number with it fit into 16 bits, beyond which CPUs without
# instructions for products of integers cut off.
LARGEST_WEIGHT = 64
LARGEST = 127  # of a row, around the middle
MIDDLE = 128  # of unsigned numbers, which CPUs multiply faster than signed ones
ROUNDED = torch.tensor(MIDDLE + 0.5)
TINY = 1e-30  # a row of zeros stays zeros


class Int8Linear(nn.Linear):
    """y = x W^T + b, with weights of 7 bits, scaled by output, and inputs of 8, scaled by row; on the CPU only.

    Args:
        weight: float32 (out, in).
        bias: (out,) or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        plain = weight.detach().float()
        self.scales = plain.abs().amax(dim=1).clamp(min=TINY) / LARGEST_WEIGHT
        self.levels = (plain / self.scales[:, None]).round().to(torch.int8)
        self.packed = torch.ops.onednn.qlinear_prepack(self.levels, None)
        self.middles = torch.zeros(len(weight), dtype=torch.int32)
        self.offset = None if bias is None else bias.detach().clone()

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """Weights as they are multiplied with, (out, in), for code that looks at a layer's weights."""
        return self.levels * self.scales[:, None]

    @property
    def bias(self) -> Tensor | None:  # type: ignore[override]
        """(out,) or None."""
        return self.offset

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        sums, steps = self._sums(x)
        y = sums.mul_(steps) if self.offset is None else torch.addcmul(self.offset, sums, steps, out=sums)
        return y.view(*x.shape[:-1], self.out_features)

    def _sums(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return products of integers, (rows, out), and what a step of each row is worth, (rows, 1)."""
        rows = x.reshape(-1, self.in_features)
        steps = torch.linalg.vector_norm(rows, torch.inf, dim=1, keepdim=True).clamp_(min=TINY).div_(LARGEST)
        # Cutting off behind the point rounds what was raised by a half; few passes, as memory is the limit here.
        levels = torch.addcmul(ROUNDED, rows, steps.reciprocal()).to(torch.uint8)
        sums = torch.ops.onednn.qlinear_pointwise(
            *(levels, 1.0, MIDDLE, self.packed, self.scales, self.middles, None),
            *(1.0, 0, torch.float32, "none", [], ""),
        )
        return sums, steps

    def activated(self, x: Tensor, activation: str) -> Tensor:
        """Apply ``forward``, then ``"silu"`` or ``"gelu"``."""
        y = self(x)
        return F.silu(y, inplace=True) if activation == "silu" else F.gelu(y)

    def added_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """Return ``residual`` + ``forward(x)``; ``residual`` may be overwritten."""
        sums, steps = self._sums(x)
        added = residual.view(-1, self.out_features).addcmul_(sums, steps)
        if self.offset is not None:
            added.add_(self.offset)
        return residual


def check_int8(device: str, dtype: torch.dtype, backend: str) -> None:
    """Refuse what products of integers cannot be combined with.

    Raises:
        InputError: a device other than the CPU, half precision, a backend other than torch, or a CPU or torch that
            does not multiply integers exactly.
    """
    reason, way_out = "", "leave one of them out"
    if torch.device(device).type != "cpu":
        reason = f"is for CPUs, and device is {device!r} here"
        way_out = "use device='cpu', or leave it out: dtype='bfloat16' is what a GPU is fast in"
    elif dtype != torch.float32:
        reason = f"works beside float32, not beside dtype ({str(dtype).removeprefix('torch.')!r})"
    elif backend != "torch":
        reason = f"is computed by torch, not by backend ({backend!r})"
    elif not multiplies_integers():
        reason, way_out = "cannot be computed by this CPU and this torch", "leave it out"
    if reason:
        raise InputError(f"quantize ('int8') {reason}; {way_out}")


@cache
def multiplies_integers() -> bool:
    """Tell whether sums of products are exact here, with the largest numbers too."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    generator = torch.Generator().manual_seed(0)
    signs = 2 * torch.randint(0, 2, (16, 512), generator=generator) - 1
    weight = (signs * LARGEST_WEIGHT).float()
    rows = torch.cat([torch.full((1, 512), 1.0), torch.full((1, 512), -1.0), signs[:8].float()])
    expected: Any = rows.double() @ weight.double().T
    try:
        return torch.equal(Int8Linear(weight)(rows).double(), expected)
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        return False
