"""One number for a clip from its windows.

Task: how well does the sound of a whole clip fit its image, given both window by window?
Conventions: ``similarity[i, j]`` is that of video window i and audio window j, cut at the same times; NaN marks
what was not measured (the column of a silent window) and is left out; axes Tv and Ta windows, N frames,
D embedding size.
Metrics: mean, max, min, median and bottomk of the diagonal (``reduce_windows``); ``pooled_similarity``;
``avh_similarity``; precision, recall and F1 (``window_match``).
Source: AVHScore: Mao et al., "TAVGBench", 2024. The lowest 40 %: JavisScore, Liu et al., "JavisDiT", 2025.
Precision and recall over windows after ``greedy_match``.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from vqe_core.errors import InputError
from vqe_core.functional.matching import harmonic_mean
from vqe_core.functional.shapes import check_shapes
from vqe_core.functional.similarity import cosine_matrix, unit_rows

WindowReduction = Literal["mean", "max", "min", "median", "bottomk"]

# The share JavisScore takes (Liu et al. 2025); a fraction, because 0.4 * n is not exact in floating point.
BOTTOM_SHARE = Fraction(2, 5)


def reduce_windows(similarity: Tensor, mode: WindowReduction = "mean") -> Tensor:
    """Return one number from the windows of the same time: the diagonal.

    ``"mean"`` is the usual score. ``"min"`` is the worst moment, ``"bottomk"`` the mean of the lowest 40 % of
    the windows (rounded up, at least one), ``"median"`` the middle one or the mean of the middle two.

    Args:
        similarity: float (T, T), T >= 1. NaN on the diagonal is left out.
        mode: the reduction. Default ``"mean"``.

    Returns:
        Float scalar within the range of the diagonal; NaN if all of it is NaN.

    Raises:
        InputError: not square, no window, or an unknown mode.

    Only the diagonal counts, and its order does not.

    Source:
        ``"bottomk"``: JavisScore takes the lowest 40 % of the frames within each window; here of the windows.

    Example:
        >>> reduce_windows(torch.diag(torch.tensor([0.1, 0.5, 0.3])), "bottomk")
        tensor(0.2000)
    """
    diagonal = aligned_windows(similarity)
    measured = diagonal[~diagonal.isnan()].sort().values
    count = len(measured)
    if mode not in ("mean", "max", "min", "median", "bottomk"):
        raise InputError(f"mode ({mode!r}) must be 'mean', 'max', 'min', 'median' or 'bottomk'")
    if count == 0:
        return diagonal.new_tensor(torch.nan)
    if mode == "max":
        return measured[-1]
    if mode == "min":
        return measured[0]
    if mode == "median":
        return (measured[(count - 1) // 2] + measured[count // 2]) / 2
    if mode == "bottomk":
        return measured[: math.ceil(BOTTOM_SHARE * count)].mean()
    return measured.mean()


def aligned_windows(similarity: Tensor) -> Tensor:
    """Return the similarities of the windows of the same time.

    Args:
        similarity: float (T, T), T >= 1.

    Returns:
        Float (T,), the diagonal, a copy.

    Raises:
        InputError: not square, or no window.

    Example:
        >>> aligned_windows(torch.tensor([[0.3, 0.1], [0.0, 0.4]]))
        tensor([0.3000, 0.4000])
    """
    check_shapes(similarity=(similarity, "T T"))
    if len(similarity) == 0:
        raise InputError("similarity has no windows; a clip has at least one, see window_bounds")
    return similarity.diagonal().clone()


def pooled_similarity(visual: Tensor, audio: Tensor) -> Tensor:
    """Return cosine of the mean image with the mean sound.

    The means are of un-normalised window embeddings, so a window the encoder is sure of (a long vector) counts
    more, and times play no part. This is not the mean of the windows' cosines.

    Args:
        visual: float (Tv, D), as the encoder gave them, before normalising.
        audio: float (Ta, D), likewise, of the same space.

    Returns:
        Float scalar in [-1, 1]; 0 where a mean is exactly zero.

    Raises:
        InputError: axes disagree, or a side has no windows.

    The order of the windows does not matter.

    Example:
        >>> pooled_similarity(torch.tensor([[3.0, 0.0], [0.0, 4.0]]), torch.tensor([[1.0, 0.0]]))
        tensor(0.6000)
    """
    check_shapes(visual=(visual, "V D"), audio=(audio, "A D"))
    _check_filled(visual=visual, audio=audio)
    return cosine_matrix(visual.mean(dim=0, keepdim=True), audio.mean(dim=0, keepdim=True))[0, 0]


def avh_similarity(visual: Tensor, audio: Tensor) -> Tensor:
    """AVHScore: the mean cosine of every frame with the whole sound.

    Args:
        visual: float (N, D), one a frame, any length.
        audio: float (D,), the whole sound as one embedding of the same space, any length.

    Returns:
        Float scalar in [-1, 1].

    Raises:
        InputError: axes disagree, or no frame.

    The order of the frames does not matter.

    Source:
        Mao et al., "TAVGBench", 2024, with any joint encoder in place of ImageBind.

    Example:
        >>> avh_similarity(torch.tensor([[2.0, 0.0], [3.0, 4.0]]), torch.tensor([1.0, 0.0]))
        tensor(0.8000)
    """
    check_shapes(visual=(visual, "N D"), audio=(audio, "D"))
    _check_filled(visual=visual)
    return (unit_rows(visual, audio.dtype) * unit_rows(audio, visual.dtype)).sum(dim=-1).clamp(-1, 1).mean()


class WindowMatch(NamedTuple):
    """Result of ``window_match``: float scalars in [-1, 1]."""

    precision: Tensor
    recall: Tensor
    f1: Tensor


def window_match(similarity: Tensor) -> WindowMatch:
    """Does every image find a sound somewhere in the clip, and every sound a image?

    Precision is the mean over video windows of the best audio window, recall the mean over audio windows of the
    best video window. Times play no part: both are at least the mean of the diagonal.

    Args:
        similarity: float (Tv, Ta), at least one window each. NaN is left out, and so is a window that is all NaN.

    Returns:
        ``WindowMatch``; f1 as in ``harmonic_mean``. All NaN if every value is NaN.

    Raises:
        InputError: a side has no windows.

    The order of the windows does not matter.

    Source:
        EMScore's fine-grained matching (Shi et al., CVPR 2022) with windows in place of tokens and frames.

    Example:
        >>> match = window_match(torch.tensor([[0.9, 0.1], [0.5, 0.2]]))
        >>> [round(x.item(), 3) for x in match]
        [0.7, 0.55, 0.616]
    """
    check_shapes(similarity=(similarity, "V A"))
    if similarity.numel() == 0:
        raise InputError(f"similarity must have windows on both sides, got shape {tuple(similarity.shape)}")
    known = similarity.masked_fill(similarity.isnan(), -torch.inf)
    precision, recall = (_mean_where_known(known.amax(dim=dim)) for dim in (1, 0))
    return WindowMatch(precision, recall, harmonic_mean(precision, recall))


def _mean_where_known(best: Tensor) -> Tensor:
    return best[best > -torch.inf].mean()


def _check_filled(**embeddings: Tensor) -> None:
    for name, values in embeddings.items():
        if len(values) == 0:
            raise InputError(f"{name} must have at least one row, got shape {tuple(values.shape)}")
