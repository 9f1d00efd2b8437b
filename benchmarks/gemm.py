"""The rate of matrix products on this machine: the bound that encoders are measured against."""

from __future__ import annotations

import time
from typing import Any

# (rows, inner, columns): a large square, and what ViT-B/32 multiplies in batches of 32: 1,600 tokens.
SHAPES = ((2048, 2048, 2048), (1600, 768, 3072), (1600, 3072, 768), (1600, 768, 2304))
# On a GPU larger ones: what batches of 256 multiply, and a square that fills it.
GPU_SHAPES = ((8192, 8192, 8192), (12800, 768, 3072), (12800, 3072, 768), (12800, 768, 2304))
SECONDS = 0.6  # a shape and library


def best_rates(device: str, quick: bool) -> dict[str, float]:
    """Measure the GFLOP/s of the fastest shape and library, ``float32`` and ``bfloat16``.

    Each is the median over repeated calls, with the machine's usual number of threads: torch's own product, and
    on a CPU the same product by oneDNN as a 1x1 convolution, which is faster on some processors.
    """
    import torch

    shapes = ((256, 256, 256),) if quick else GPU_SHAPES if device == "cuda" else SHAPES
    seconds = 0.05 if quick else SECONDS
    return {
        name: max(_rate(call, device, seconds) for shape in shapes for call in _products(shape, dtype, device))
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
    }


def _products(shape: tuple[int, int, int], dtype: Any, device: str) -> list[tuple[Any, float]]:
    """Return calls that multiply matrices of ``shape``, each with its number of operations."""
    import torch

    rows, inner, columns = shape
    left = torch.randn(rows, inner, dtype=dtype, device=device)
    right = torch.randn(columns, inner, dtype=dtype, device=device)
    operations = 2.0 * rows * inner * columns
    calls = [(lambda: torch.nn.functional.linear(left, right), operations)]
    if device == "cpu":
        image = left.view(1, rows, 1, inner).permute(0, 3, 1, 2)
        kernel = right.view(columns, inner, 1, 1).contiguous(memory_format=torch.channels_last)
        calls.append((lambda: torch.nn.functional.conv2d(image, kernel), operations))
    return calls


def _rate(product: tuple[Any, float], device: str, seconds: float) -> float:
    import torch

    call, operations = product
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    times: list[float] = []
    with torch.inference_mode():
        call()
        wait()
        while sum(times) < seconds or len(times) < 3:
            start = time.perf_counter()
            call()
            wait()
            times.append(time.perf_counter() - start)
    return operations / sorted(times)[len(times) // 2] / 1e9
