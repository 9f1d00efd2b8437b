"""Cosines between images and sounds, and the direction that stands for a sound's tags.

Task: how alike are two sets of embeddings, and which one vector stands for a weighted list of labels?
Conventions: embeddings of one space, one a row; axes N and M items, S audio windows, K labels, D embedding size.
NaN marks a value that was not measured, such as the one of a silent window.
Metrics: ``cosine_matrix``; ``reduce_similarities``; ``top_tags`` and ``weighted_direction`` (the tag bridge).
Source: the cosine is the IB-score of Girdhar et al., "ImageBind", CVPR 2023; avg, max and min are the reduce
modes of Data-Juicer's similarity filters; tags as text stand for a sound as in zero-shot labelling with CLAP,
Wu et al., ICASSP 2023.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vqe_core.errors import InputError
from vqe_core.functional.shapes import check_shapes
from vqe_core.options import ReduceMode

# Float32 leaves about this share of what should cancel to exactly 0.
ROUNDING = 1e-6


def cosine_matrix(visual: Tensor, audio: Tensor) -> Tensor:
    """Return cosine similarity of every image with every sound.

    Args:
        visual: float (N, D), any length: rows are normalised here.
        audio: float (M, D), likewise, of the same space.

    Returns:
        Float (N, M) in [-1, 1], float32 or wider. A row of zeros has similarity 0 with everything, never NaN.

    Raises:
        InputError: axes disagree.

    Scaling a row by a positive number changes nothing.

    Example:
        >>> cosine_matrix(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
        tensor([[0.6000],
                [0.0000]])
    """
    check_shapes(visual=(visual, "N D"), audio=(audio, "M D"))
    return (unit_rows(visual, audio.dtype) @ unit_rows(audio, visual.dtype).T).clamp(-1, 1)


def unit_rows(embeddings: Tensor, at_least: torch.dtype = torch.float32) -> Tensor:
    """Return every row scaled to length 1.

    Args:
        embeddings: float (..., D), any length.
        at_least: the result is no narrower than this, nor than float32.

    Returns:
        Float (..., D); a row of zeros stays zeros.

    Example:
        >>> unit_rows(torch.tensor([[1e-30, 1e-30], [0.0, 0.0]]))
        tensor([[0.7071, 0.7071],
                [0.0000, 0.0000]])
    """
    dtype = torch.promote_types(torch.promote_types(embeddings.dtype, at_least), torch.float32)
    values = embeddings.to(dtype)
    # The square of a very small or large number leaves float32, so each row is first brought to size 1.
    largest = values.abs().amax(dim=-1, keepdim=True)
    return torch.nn.functional.normalize(values / torch.where(largest > 0, largest, torch.ones_like(largest)), dim=-1)


def reduce_similarities(values: Tensor, mode: ReduceMode = "avg") -> Tensor:
    """Return one number for a row from the similarities of its frames or windows.

    Args:
        values: float, any shape, at least one value. NaN values are left out.
        mode: ``"avg"`` (mean), ``"max"`` or ``"min"``.

    Returns:
        Float scalar between the smallest and the largest value; NaN if every value is NaN.

    Raises:
        InputError: no value, or an unknown mode.

    The order of the values does not matter.

    Example:
        >>> reduce_similarities(torch.tensor([0.1, 0.3, torch.nan]), "avg")
        tensor(0.2000)
    """
    if values.numel() == 0:
        raise InputError(f"values must hold at least one similarity, got shape {tuple(values.shape)}")
    if mode not in ("avg", "max", "min"):
        raise InputError(f"reduce_mode ({mode!r}) must be 'avg', 'max' or 'min'")
    measured = values[~values.isnan()]
    if measured.numel() == 0:
        return values.new_tensor(torch.nan)
    if mode == "avg":
        return measured.mean()
    return measured.max() if mode == "max" else measured.min()


class TopTags(NamedTuple):
    """The labels that stand for a sound, most likely first.

    Attributes:
        indices: int64 (k,), columns of the label list.
        weights: float (k,), not increasing, sum 1.
    """

    indices: Tensor
    weights: Tensor


def top_tags(probabilities: Tensor, k: int, window_weights: Tensor | None = None) -> TopTags:
    """Return the k likeliest labels of a whole sound, from the labels of its windows.

    The windows' distributions are averaged, the k largest entries kept and scaled to sum 1. A weight is the
    label's share among the kept ones, not a probability that it is heard.

    Args:
        probabilities: float (S, K), not negative: what the tagger gave each label in each window. Rows need
            not sum to 1 (a multi-label tagger's do not).
        k: labels to keep; all K if it is larger.
        window_weights: float (S,), not negative, for example each window's seconds or 0 for a silent one.
            Default: equal weights.

    Returns:
        ``TopTags``; equal entries in the order of the label list.

    Raises:
        InputError: axes disagree, k < 1, a value is negative or not finite, or nothing has a positive weight.

    The order of the windows does not matter.

    Source:
        Own; the labels of Wu et al. (CLAP) or Gong et al., "AST", Interspeech 2021, averaged over windows.

    Example:
        >>> tags = top_tags(torch.tensor([[0.6, 0.1, 0.3], [0.2, 0.1, 0.7]]), k=2)
        >>> tags.indices.tolist(), [round(w, 3) for w in tags.weights.tolist()]
        ([2, 0], [0.556, 0.444])
    """
    check_shapes(probabilities=(probabilities, "S K"))
    if k < 1:
        raise InputError(f"k ({k}) must be at least 1 label")
    _check_weights("probabilities", probabilities)
    if window_weights is None:
        pooled = probabilities.mean(dim=0)
    else:
        check_shapes(probabilities=(probabilities, "S K"), window_weights=(window_weights, "S"))
        _check_weights("window_weights", window_weights)
        share = (window_weights / window_weights.sum()).to(probabilities.dtype)
        pooled = (probabilities * share[:, None]).sum(dim=0)
        _check_weights("probabilities of the weighted windows", pooled)
    weights, indices = pooled.sort(descending=True, stable=True)
    return TopTags(indices[:k], weights[:k] / weights[:k].sum())


def weighted_direction(embeddings: Tensor, weights: Tensor) -> Tensor:
    """Unit vector along the weighted sum: one embedding for a list of tags.

    Args:
        embeddings: float (K, D) unit vectors, for example the label texts.
        weights: float (K,), not negative, for example ``top_tags(...).weights``.

    Returns:
        Float (D,), unit length; zeros where the vectors cancel out.

    Raises:
        InputError: axes disagree, a weight is negative or not finite, or all are 0.

    Scaling all weights by one positive number changes nothing.

    Example:
        >>> weighted_direction(torch.eye(2), torch.tensor([3.0, 4.0]))
        tensor([0.6000, 0.8000])
    """
    check_shapes(embeddings=(embeddings, "K D"), weights=(weights, "K"))
    _check_weights("weights", weights)
    share = (weights / weights.sum()).to(embeddings.dtype)
    total = (share[:, None] * embeddings).sum(dim=0)
    size = (share * embeddings.norm(dim=-1)).sum()
    cancelled = total.norm() <= ROUNDING * size
    return torch.where(cancelled, torch.zeros_like(total), unit_rows(total))


def _check_weights(name: str, values: Tensor) -> None:
    usable = values.isfinite() & (values >= 0)
    if not bool(usable.all()):
        raise InputError(f"{name} must be finite and not negative, got {float(values[~usable][0])}")
    if not bool((values > 0).any()):
        raise InputError(f"{name} must not all be 0; leave such a row out, it has no tags to score")
