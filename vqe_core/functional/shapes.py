"""Shape checks in the words of the docstrings: one letter an axis, one size a letter."""

from __future__ import annotations

from torch import Tensor

from vqe_core.errors import InputError


def check_shapes(**arguments: tuple[Tensor, str]) -> dict[str, int]:
    """Check that axes named by the same letter have one size in all arguments.

    Args:
        arguments: ``name=(tensor, "B L D")``; letters are axis names, separated by spaces.

    Returns:
        Size of each letter.

    Raises:
        InputError: a tensor has another number of axes, or a letter two sizes.

    Example:
        >>> import torch
        >>> check_shapes(candidate=(torch.zeros(2, 3), "B D"))
        {'B': 2, 'D': 3}
    """
    sizes: dict[str, int] = {}
    for name, (tensor, axes) in arguments.items():
        letters = axes.split()
        if tensor.ndim != len(letters):
            raise InputError(f"{name} must have axes ({', '.join(letters)}), got shape {tuple(tensor.shape)}")
        for letter, size in zip(letters, tensor.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise InputError(
                    f"{name} must have {letter}={sizes[letter]} to match the other arguments, "
                    f"got shape {tuple(tensor.shape)}"
                )
    return sizes
