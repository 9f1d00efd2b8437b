"""Linear layers by the fastest exact kernel of the machine: torch's own, or oneDNN with weights packed once.

torch multiplies float32 matrices with MKL, which is slow on CPUs of other makers; oneDNN is fast on all of them.
Both are exact to float32 rounding, so which of them ran is no part of a score's signature.
"""

from __future__ import annotations

import os
import platform
import time
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqe_core.encoders.backends.int8 import Int8Linear
from vqe_core.runtime import one_thread, own_precision

Kernel = Literal["torch", "onednn", "int8"]

# A layer of fewer weights takes microseconds: measuring would cost more than it brings.
SMALLEST_MEASURED = 2**19
# Near a tie torch's own kernel stays, so that noise does not change the choice from run to run.
CLEARLY_FASTER = 1.15
MEASURED_ROWS = 256
# Of a comparison of dtypes, of which one may be many times slower.
FEW_ROWS = 64
USUAL_SIZES = (768, 3072)  # of ViT-B
# Time of the thread alone where the system counts it finely.
CLOCK = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-4 else time.perf_counter


class TorchLinear(nn.Module):
    """y = x W^T + b by torch, with weights that are only read.

    Args:
        weight: (out, in), any float dtype.
        bias: (out,) or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    weight: Tensor
    bias: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        return F.linear(x, self.weight, self.bias)

    def activated(self, x: Tensor, activation: str) -> Tensor:
        """Apply ``forward``, then ``"silu"`` or ``"gelu"``."""
        y = self(x)
        return F.silu(y, inplace=True) if activation == "silu" else F.gelu(y)

    def added_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """Return ``residual`` + ``forward(x)``; ``residual`` may be overwritten."""
        if self.bias is None or torch.jit.is_tracing():
            return residual + self(x)
        # In place: no copy of the bias, and no second pass over the rows.
        residual.view(-1, residual.shape[-1]).addmm_(x.reshape(-1, x.shape[-1]), self.weight.t()).add_(self.bias)
        return residual


class PackedLinear(nn.Linear):
    """y = x W^T + b by oneDNN, with weights laid out for it once; for inference on the CPU only."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), MEASURED_ROWS)
        self.offset = None if bias is None else bias.detach().clone()

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """A plain copy (out, in), for code that looks at a layer's weights."""
        return self.packed.to_dense()

    @property
    def bias(self) -> Tensor | None:  # type: ignore[override]
        """(out,) or None."""
        return self.offset

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.offset, "none", [], "")

    def activated(self, x: Tensor, activation: str) -> Tensor:
        """Apply ``forward``, then ``"silu"`` or ``"gelu"``, in one pass."""
        name = "swish" if activation == "silu" else "gelu"
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.offset, name, [], "none")

    def added_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """Return ``residual`` + ``forward(x)``, in one pass."""
        return torch.ops.mkldnn._linear_pointwise.binary(x, residual, self.packed, self.offset, "add")


Layer: TypeAlias = TorchLinear | PackedLinear | Int8Linear


def linear(weight: Tensor, bias: Tensor | None, kernel: Kernel) -> Layer:
    """Make a linear layer by ``kernel``."""
    if kernel == "int8":
        return Int8Linear(weight, bias)
    return PackedLinear(weight, bias) if kernel == "onednn" else TorchLinear(weight, bias)


def pack_linears(module: nn.Module, kernel: Literal["onednn", "int8"] = "onednn") -> None:
    """Replace every plain ``nn.Linear`` inside ``module`` by its packed form; the originals are freed."""
    packed = Int8Linear if kernel == "int8" else PackedLinear
    for name, child in list(module.named_children()):
        if type(child) is nn.Linear:  # a subclass may do more, or be read by its owner
            setattr(module, name, packed(child.weight, child.bias))
        else:
            pack_linears(child, kernel)


def choose_kernel(sizes: tuple[int, int], dtype: torch.dtype, device: str) -> Kernel:
    """Choose the kernel for a model whose largest linear layers map ``sizes`` to each other.

    Args:
        sizes: hidden and intermediate size of the transformer.
        dtype: float32 is measured, once a process; half precision is by rule, as its rounding depends on the kernel.
        device: anything but the CPU takes torch's own.
    """
    if torch.device(device).type != "cpu" or sizes[0] * sizes[1] < SMALLEST_MEASURED or not _has_onednn(dtype):
        return "torch"
    return _agreed(sizes) if dtype == torch.float32 else "onednn"


_shared_choices: Path | None = None


def share_choices(folder: Path | None) -> None:
    """Choose alike in all processes that name the same folder: the first to measure writes its choice there.

    Two kernels differ by rounding, so that workers of one run that chose by themselves could differ in the last bits.

    Args:
        folder: made where it is not there; None: this process chooses by itself.
    """
    global _shared_choices
    _shared_choices = folder


def _agreed(sizes: tuple[int, int]) -> Kernel:
    if _shared_choices is None:
        return _measured(sizes)
    path = _shared_choices / f"linear-{sizes[0]}x{sizes[1]}"
    if not path.exists():
        _shared_choices.mkdir(parents=True, exist_ok=True)
        own = path.with_name(f".{path.name}-{os.getpid()}")
        own.write_text(_measured(sizes))
        try:
            os.link(own, path)  # fails where another was first
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            os.replace(own, path)
        own.unlink(missing_ok=True)
    return "onednn" if path.read_text() == "onednn" else "torch"


@cache
def _has_onednn(dtype: torch.dtype) -> bool:
    """Tell whether packed layers of ``dtype`` run here and give what torch's give."""
    # On other processors torch's own kernels are the makers', and packed layers are untried.
    if platform.machine().lower() not in ("x86_64", "amd64") or not torch.backends.mkldnn.is_available():
        return False
    supported = {torch.bfloat16: "_is_mkldnn_bf16_supported", torch.float16: "_is_mkldnn_fp16_supported"}
    try:
        if dtype in supported and not getattr(torch.ops.mkldnn, supported[dtype])():
            return False
        return _agrees(dtype)
    except (AttributeError, RuntimeError, NotImplementedError):
        return False


def _agrees(dtype: torch.dtype) -> bool:
    """Check on a small layer that every form of a packed layer does what its name says."""
    generator = torch.Generator().manual_seed(0)
    weight, x, residual = (torch.randn(n, 64, generator=generator).to(dtype) for n in (64, 8, 8))
    bias = weight[0].clone()
    tolerance = 1e-4 if dtype == torch.float32 else 0.2
    with torch.inference_mode():
        ours, plain = PackedLinear(weight, bias), TorchLinear(weight, bias)
        pairs = [(ours(x), plain(x))]
        pairs += [(ours.activated(x, name), plain.activated(x, name)) for name in ("silu", "gelu")]
        pairs += [(ours.added_to(residual, x), residual + plain(x)), (ours.weight, weight)]
    return all(torch.allclose(a.float(), b.float(), atol=tolerance) for a, b in pairs)


@cache
def _measured(sizes: tuple[int, int]) -> Kernel:
    """Return the faster kernel on a block's two large layers, by one thread's own time: other load cannot sway it."""
    with one_thread():
        seconds = _seconds(sizes, ("torch", "onednn"))
    return "onednn" if seconds["torch"] > CLEARLY_FASTER * seconds["onednn"] else "torch"


def warn_of_slow_dtype(dtype: torch.dtype, device: str) -> None:
    """Warn, with the measured ratio, where a CPU takes longer in half precision than in float32.

    Without instructions for it products are emulated, which takes many times as long; a fourth of a second tells.
    """
    if dtype == torch.float32 or torch.device(device).type != "cpu":
        return
    ratio = times_float32(dtype)
    if ratio > CLEARLY_FASTER:
        name = str(dtype).removeprefix("torch.")
        warnings.warn(
            f"dtype {name!r} takes {ratio:.1f} times as long as float32 on this CPU (measured); it has no instructions "
            "for it, or slow ones. Use dtype='float32'",
            stacklevel=3,
        )


@cache
def times_float32(dtype: torch.dtype) -> float:
    """Return how many times as long the layers of a model of usual size take in ``dtype`` as in float32, measured once.

    Each by the kernel that would run, and by one thread's own time.
    """
    kernels: tuple[Kernel, ...] = ("torch", "onednn") if _has_onednn(torch.float32) else ("torch",)
    with one_thread():
        fast = min(_seconds(USUAL_SIZES, kernels, rows=FEW_ROWS).values())
        chosen = choose_kernel(USUAL_SIZES, dtype, "cpu")
        return _seconds(USUAL_SIZES, (chosen,), dtype, rows=FEW_ROWS)[chosen] / fast


@torch.inference_mode()
@own_precision()
def _seconds(
    sizes: tuple[int, int],
    kernels: Sequence[Kernel],
    dtype: torch.dtype = torch.float32,
    *,
    rounds: int = 3,
    rows: int = MEASURED_ROWS,
) -> dict[Kernel, float]:
    """Time each kernel: the layers' shortest seconds, added; in turn, so that a slow moment falls on both."""
    generator = torch.Generator().manual_seed(0)
    total: dict[Kernel, float] = dict.fromkeys(kernels, 0.0)
    for columns, outputs in (sizes, sizes[::-1]):
        weight = torch.randn(outputs, columns, generator=generator).to(dtype)
        bias, x = weight[:, 0].clone(), torch.randn(rows, columns, generator=generator).to(dtype)
        layers: dict[Kernel, Any] = {kernel: linear(weight, bias, kernel) for kernel in kernels}
        times: dict[Kernel, list[float]] = {kernel: [] for kernel in kernels}
        for kernel in [*layers] * rounds:
            start = CLOCK()
            layers[kernel](x)
            times[kernel].append(CLOCK() - start)
        total = {kernel: total[kernel] + min(times[kernel]) for kernel in layers}
    return total
