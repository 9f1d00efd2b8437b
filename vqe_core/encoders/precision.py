"""The precision that numbers are computed in is this package's own, whatever the caller has set for training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

_DEVICES = ("cpu", "cuda", "mps")


@contextmanager
def own_precision() -> Iterator[None]:
    """Autocast of the caller is off inside: it would round what is computed on its thread, and only that.

    Also a decorator, ``@own_precision()``, of functions that compute.

    Example:
        >>> with torch.autocast("cpu", dtype=torch.bfloat16), own_precision():
        ...     torch.is_autocast_enabled("cpu")
        False
    """
    with ExitStack() as stack:
        for device in _DEVICES:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


def float32_products(device: str) -> dict[str, str]:
    """For the signature: how the caller lets a graphics card round products of float32; empty where it does not."""
    precision = torch.get_float32_matmul_precision()
    on_card = torch.device(device).type == "cuda"
    return {"float32_products": precision} if on_card and precision != "highest" else {}
