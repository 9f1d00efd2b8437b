"""Decoded frames in any of the usual forms -> one uint8 (N, H, W, 3) array."""

from __future__ import annotations

from typing import Any

import numpy as np

from vqe_core.errors import InputError, InputTypeError, MediaError


def is_tensor(value: Any) -> bool:
    """True for a torch tensor, told by its methods, so that torch is not imported."""
    return hasattr(value, "detach") and hasattr(value, "cpu")


def is_picture(value: Any) -> bool:
    """True for a PIL image, told by its methods, so that PIL is not imported."""
    return hasattr(value, "convert") and hasattr(value, "mode") and hasattr(value, "size")


def stack_frames(value: Any) -> np.ndarray:
    """Turn an array, a tensor, or a list of arrays, tensors or PIL images into frames.

    Args:
        value: uint8 (N, H, W, 3) RGB, or a list of N uint8 (H, W, 3) arrays or tensors, or of PIL images
            (converted to RGB). All of one list have one size.

    Returns:
        uint8 (N, H, W, 3), contiguous.

    Raises:
        InputTypeError: the items are of other types.
        InputError: wrong dtype or shape, or sizes differ.
        MediaError: code ``no_frames``, there are none.
    """
    if isinstance(value, (list, tuple)):
        if not value:
            raise InputTypeError("videos: an empty list is not a video; give frames, a path or bytes")
        value = _nested_numbers(value) if isinstance(value[0], (list, tuple)) else _stack_list(value)
    frames = _as_array(value)
    _check_frames(frames)
    return np.ascontiguousarray(frames)


def _stack_list(items: list[Any] | tuple[Any, ...]) -> np.ndarray:
    arrays = []
    for number, item in enumerate(items):
        if is_picture(item):
            arrays.append(np.asarray(item.convert("RGB")))
        elif isinstance(item, np.ndarray) or is_tensor(item):
            arrays.append(_as_array(item))
        else:
            raise InputTypeError(
                f"videos: item {number} of a list of frames is a {type(item).__name__}; "
                "use uint8 (H, W, 3) arrays or tensors, or PIL images"
            )
    sizes = {(array.dtype.name, array.shape) for array in arrays}
    if len(sizes) > 1:
        shown = ", ".join(f"{dtype} {shape}" for dtype, shape in sorted(sizes))
        raise InputError(f"videos: the frames of one list must have one size and dtype, got {shown}; resize them first")
    if arrays[0].ndim != 3:
        raise InputError(f"videos: each frame of a list must have shape (H, W, 3), got {arrays[0].shape}")
    return np.stack(arrays)


def _nested_numbers(value: Any) -> np.ndarray:
    """Nested lists of whole numbers in 0..255, as tables keep arrays, to uint8."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"videos: nested lists of a video must be of one shape ({error})") from error
    if array.dtype.kind in "iu" and array.size and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8)
    return array


def _as_array(value: Any) -> np.ndarray:
    if not is_tensor(value):
        return np.asarray(value)
    try:
        return value.detach().cpu().numpy()
    except TypeError as error:  # numpy has no bfloat16
        raise InputError(f"videos: frames must be uint8 in 0..255, got a tensor of {value.dtype}") from error


def _check_frames(frames: np.ndarray) -> None:
    shape = frames.shape
    if frames.dtype != np.uint8:
        raise InputError(
            f"videos: frames must be uint8 in 0..255, got {frames.dtype}; "
            "convert frames in 0..1 with (frames * 255).round().astype('uint8')"
        )
    if frames.ndim == 4 and shape[-1] != 3 and shape[1] == 3:
        raise InputError(
            f"videos: frames must be (N, H, W, 3), got (N, 3, H, W) {shape}; "
            "use frames.permute(0, 2, 3, 1) or frames.transpose(0, 2, 3, 1)"
        )
    if frames.ndim == 3 and shape[-1] == 3:
        raise InputError(f"videos: frames must be (N, H, W, 3), got one picture {shape}; use frames[None]")
    if frames.ndim != 4 or shape[-1] != 3:
        raise InputError(f"videos: frames must be (N, H, W, 3) RGB, got {shape}; repeat or drop channels to have 3")
    if 0 in shape:
        raise MediaError(f"videos: no frames in an array of shape {shape}", code="no_frames")
