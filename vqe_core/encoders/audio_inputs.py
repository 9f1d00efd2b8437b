"""Waveforms and windows of video, checked before a model sees them, and grouped into batches."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqe_core.encoders.base import Waveform
from vqe_core.errors import InputError, InputTypeError
from vqe_core.runtime import one_thread
from vqe_core.types import AudioSamples, Frames, are_frames


def check_waveforms(
    waveforms: Sequence[Waveform], *, sampling_rate: int, longest: float, fewest_samples: int = 1
) -> list[np.ndarray]:
    """Return the waveforms as float32 (T,) arrays that a model can take.

    Args:
        waveforms: mono float arrays (T,) at ``sampling_rate``, or ``AudioSamples``, whose rate is checked.
        sampling_rate: Hz, the model's.
        longest: seconds. One sample more is dropped, as resampling may round up; more is an error, as several
            models would cut it at random, or without a word.
        fewest_samples: a model's shortest input.

    Returns:
        One float32 (T,) array a waveform.

    Raises:
        InputTypeError: not a list of float arrays.
        InputError: several channels, another rate, empty, too short, too long, or not finite.
    """
    if isinstance(waveforms, np.ndarray | AudioSamples | str | bytes) or not isinstance(waveforms, Sequence):
        raise InputTypeError(
            f"waveforms must be a list of float32 (T,) arrays, got {type(waveforms).__name__}; "
            "for a single sound give [waveform]"
        )
    limit = round(longest * sampling_rate)
    return [
        _check_waveform(_bare_array(item, f"waveform {i}", sampling_rate), f"waveform {i}", limit, fewest_samples)
        for i, item in enumerate(waveforms)
    ]


def _bare_array(item: Waveform, name: str, sampling_rate: int) -> np.ndarray:
    if not isinstance(item, AudioSamples):
        return item
    if item.sampling_rate != sampling_rate:
        raise InputError(
            f"{name} has {item.sampling_rate} Hz, the model hears {sampling_rate} Hz; resample it first",
            code="wrong_sampling_rate",
        )
    return item.waveform[0] if item.waveform.shape[0] == 1 else item.waveform


def _check_waveform(waveform: np.ndarray, name: str, limit: int, fewest: int) -> np.ndarray:
    if not isinstance(waveform, np.ndarray) or waveform.dtype.kind != "f":
        got = f"{waveform.dtype} array" if isinstance(waveform, np.ndarray) else type(waveform).__name__
        raise InputTypeError(
            f"{name} must be a float array in [-1, 1], got {got}; convert 16-bit samples with "
            "samples.astype('float32') / 32768"
        )
    if waveform.ndim != 1:
        raise InputError(
            f"{name} must be mono, shape (samples,), got {waveform.shape}; average the channels first, for "
            "(channels, samples) with waveform.mean(axis=0)",
            code="not_mono",
        )
    if len(waveform) < fewest:
        raise InputError(f"{name} has {len(waveform)} samples, the model needs at least {fewest}", code="no_sound")
    if len(waveform) > limit + 1:
        raise InputError(
            f"{name} has {len(waveform)} samples, the model hears at most {limit}; cut it into windows first",
            code="sound_too_long",
        )
    if not np.isfinite(waveform).all():
        raise InputError(f"{name} holds NaN or infinity; decode or resample it again", code="bad_samples")
    return np.ascontiguousarray(waveform[:limit], dtype=np.float32)


def check_windows(windows: Sequence[Frames]) -> list[Frames]:
    """Return the windows of video, each uint8 (N, H, W, 3) RGB with N at least 1, or N images of any sizes.

    Raises:
        InputError: another shape or type, or no frame.
    """
    for i, window in enumerate(windows):
        if isinstance(window, tuple) and are_frames(window):
            continue
        shape = getattr(window, "shape", None)
        if getattr(window, "dtype", None) != np.uint8 or shape is None or len(shape) != 4 or shape[3] != 3:
            got = f"{getattr(window, 'dtype', type(window).__name__)} {shape or ''}".strip()
            raise InputError(
                f"window {i} must be uint8 (N, H, W, 3) RGB frames, got {got}; "
                "for a single stretch of video give [frames]"
            )
        if 0 in shape:
            raise InputError(f"window {i} has no frame, shape {tuple(shape)}; leave it out", code="no_frames")
    return list(windows)


def embed_side_by_side(
    items: Sequence[Any],
    prepare: Callable[[list[Any]], Any],
    embed: Callable[[Any], Tensor],
    batch_size: int,
    device: str,
    *,
    alike: Callable[[Any], Hashable] | None = None,
) -> Tensor:
    """Embed items, on a CPU each on one thread and as many at once as torch has threads.

    For towers of many small products, as spectrogram transformers with windows are: there threads that share one
    product wait for each other longer than they work, and batches save nothing. So no item's embedding depends on
    others, nor on the number of threads. A GPU takes batches; where all items are alike, of one size, filled up with
    copies.

    Args:
        items, batch_size: see ``embed_in_groups``.
        prepare: items to model inputs, always on the calling thread, as two threads that use the BLAS of numpy at once
            have its own threads wait for each other.
        embed: model inputs to embeddings.
        device: of the model.
        alike: items with equal keys can be stacked; None: all can.

    Returns:
        float32 (len(items), D) on the CPU.
    """
    if torch.device(device).type != "cpu":

        def together(some: list[Any]) -> Tensor:
            lacking = batch_size - len(some) if alike is None else 0
            return embed(prepare([*some, *[some[-1]] * lacking]))[: len(some)]

        return embed_in_groups(items, alike or (lambda _: None), together, batch_size)

    @one_thread()
    def alone(inputs: Any) -> Tensor:
        return embed(inputs).float()

    threads = min(torch.get_num_threads(), len(items))
    if threads <= 1:
        return embed_in_groups(items, lambda _: None, lambda some: alone(prepare(some)), 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="vqe-sound") as pool:
        return torch.cat(list(pool.map(alone, (prepare([item]) for item in items))))


def embed_in_groups(
    items: Sequence[Any], alike: Callable[[Any], Hashable], embed: Callable[[list[Any]], Tensor], batch_size: int
) -> Tensor:
    """Embed items in batches whose items are ``alike``, and give the rows back in order.

    No item is padded for the sake of another, so that its embedding does not depend on its batch.

    Args:
        items: at least one.
        alike: items with equal keys can be stacked, for example by their length.
        embed: n items -> (n, D).
        batch_size: most items a call of ``embed``.

    Returns:
        float32 (len(items), D) on the CPU.
    """
    if not len(items):
        raise InputError("nothing to embed: the list is empty")
    if batch_size < 1:
        raise InputError(f"batch_size ({batch_size}) must be at least 1")
    groups: dict[Hashable, list[int]] = {}
    for i, item in enumerate(items):
        groups.setdefault(alike(item), []).append(i)
    rows: list[Tensor | None] = [None] * len(items)
    for members in groups.values():
        for start in range(0, len(members), batch_size):
            chosen = members[start : start + batch_size]
            for i, row in zip(chosen, embed([items[i] for i in chosen]).float().cpu(), strict=True):
                rows[i] = row
    return torch.stack([row for row in rows if row is not None])
