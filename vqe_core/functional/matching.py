"""Greedy matching of two sets of embeddings.

Task: how well do the members of one set find a counterpart in the other, both ways?
Conventions: embeddings are unit vectors of one space; masks are True where real; axes B rows, L candidate
embeddings, N reference embeddings, D embedding size.
Metrics: precision, recall and F1 of ``greedy_match``; ``harmonic_mean``.
Source: Shi et al., "EMScore", CVPR 2022, section 3; matching after Zhang et al., "BERTScore", ICLR 2020.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vqe_core.errors import InputError
from vqe_core.functional.shapes import check_shapes


class MatchScores(NamedTuple):
    """Result of ``greedy_match``: three float (B,) tensors, and int64 (B, L) indices of each best match."""

    precision: Tensor
    recall: Tensor
    f1: Tensor
    matched: Tensor


def greedy_match(
    candidate: Tensor,
    candidate_mask: Tensor,
    reference: Tensor,
    reference_mask: Tensor,
    candidate_weights: Tensor | None = None,
    reference_weights: Tensor | None = None,
) -> MatchScores:
    """Match every embedding to its most similar counterpart, both ways.

    Precision is the weighted mean, over candidate embeddings, of the best cosine similarity to any
    reference embedding; recall is the same from the reference side. In EMScore the candidate is a
    caption's tokens and the reference is a video's frames, or the tokens of a reference caption.

    Args:
        candidate: float, (B, L, D). Unit vectors where ``candidate_mask`` is True.
        candidate_mask: bool, (B, L). True for real embeddings, False for padding.
        reference: float, (B, N, D). Unit vectors where ``reference_mask`` is True.
        reference_mask: bool, (B, N).
        candidate_weights: float, (B, L), non-negative, for example IDF. Default: equal weights,
            which also replace weights that sum to 0.
        reference_weights: float, (B, N), likewise.

    Returns:
        Precision, recall and F1, float (B,) in [-1, 1] (F1: see ``harmonic_mean``), and for every
        candidate embedding the index of its best reference embedding, int64 (B, L), -1 at padding.

    Raises:
        InputError: axes disagree, a mask selects nothing in some row, or a weight is negative.

    A row's scores do not depend on the other rows or on the amount of padding.

    Source:
        Shi et al., EMScore, CVPR 2022, section 3. Two deliberate differences from the published code:
        padding never takes part in a maximum (there it counts as similarity 0 and beats negative
        ones), and F1 and weights that sum to 0 are defined instead of NaN.

    Example:
        >>> text = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
        >>> frames = torch.tensor([[[1.0, 0.0], [0.6, 0.8], [0.0, -1.0]]])
        >>> every = lambda x: torch.ones(x.shape[:2], dtype=torch.bool)
        >>> scores = greedy_match(text, every(text), frames, every(frames))
        >>> [round(s.item(), 2) for s in scores[:3]], scores.matched.tolist()
        ([0.9, 0.6, 0.72], [[0, 1]])
    """
    check_shapes(
        candidate=(candidate, "B L D"),
        candidate_mask=(candidate_mask, "B L"),
        reference=(reference, "B N D"),
        reference_mask=(reference_mask, "B N"),
    )
    similarity = candidate @ reference.transpose(1, 2)  # (B, L, N)
    to_reference = similarity.masked_fill(~reference_mask[:, None, :], -torch.inf)
    to_candidate = similarity.masked_fill(~candidate_mask[:, :, None], -torch.inf)
    best_for_candidate, matched = to_reference.max(dim=2)  # (B, L)
    best_for_reference = to_candidate.amax(dim=1)  # (B, N)
    precision = _weighted_mean("candidate", best_for_candidate, candidate_mask, candidate_weights)
    recall = _weighted_mean("reference", best_for_reference, reference_mask, reference_weights)
    matched = matched.masked_fill(~candidate_mask, -1)
    return MatchScores(precision, recall, harmonic_mean(precision, recall), matched)


def _weighted_mean(side: str, values: Tensor, mask: Tensor, weights: Tensor | None) -> Tensor:
    """Return mean of ``values`` (B, L) where ``mask``; equal weights where the given ones sum to 0."""
    if not bool(mask.any(dim=1).all()):
        row = int((~mask.any(dim=1)).nonzero()[0])
        raise InputError(f"{side}_mask selects nothing in row {row}; give every row at least one embedding")
    real = mask.to(values.dtype)
    if weights is None:
        chosen = real
    else:
        check_shapes(**{side: (mask, "B L"), f"{side}_weights": (weights, "B L")})
        chosen = weights.to(values.dtype) * real
        if bool((chosen < 0).any()):
            raise InputError(f"{side}_weights must not be negative, got {float(chosen.min())}")
        chosen = torch.where(chosen.sum(dim=1, keepdim=True) > 0, chosen, real)
    share = chosen / chosen.sum(dim=1, keepdim=True)
    return (values.masked_fill(~mask, 0) * share).sum(dim=1)


def harmonic_mean(precision: Tensor, recall: Tensor) -> Tensor:
    """F1 of two scores that may be negative.

    2PR / (P + R) where both are positive, ``min(P, R)`` elsewhere. Cosines can be negative, and there the
    published formula jumps to any size or sign; with this rule F1 lies between the two values.

    Args:
        precision, recall: float, any equal shape.

    Returns:
        Float of the same shape, between min(P, R) and max(P, R).

    Example:
        >>> harmonic_mean(torch.tensor([0.9, -0.2]), torch.tensor([0.6, 0.3]))
        tensor([ 0.7200, -0.2000])
    """
    smaller = torch.minimum(precision, recall)
    positive = smaller > 0
    total = torch.where(positive, precision + recall, torch.ones_like(precision))
    return torch.where(positive, 2 * precision * recall / total, smaller)
