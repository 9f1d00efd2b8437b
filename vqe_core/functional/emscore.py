"""EMScore: does a caption fit a video?

Task: score a caption against a video, against reference captions, or both, from embeddings alone.
Conventions: embeddings are unit vectors of one space; masks True where real; axes B rows, L caption tokens,
N frames or reference tokens, D embedding size. Scores are cosines, [-1, 1]; real CLIP gives about 0.2 to 0.35
for (X,V) and 0.6 to 1 for (X,X*).
Metrics: figr_P, figr_R, figr_F (fine-grained: token by token), cogr (coarse-grained: whole by whole), and
full_P, full_R, full_F, the weighted mean of the two.
Source: Shi et al., "EMScore: Evaluating Video Captioning via Coarse-Grained and Fine-Grained Embedding
Matching", CVPR 2022, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from vqe_core.errors import InputError
from vqe_core.functional.matching import greedy_match
from vqe_core.functional.shapes import check_shapes
from vqe_core.options import MultiReference


class EMScores(NamedTuple):
    """The seven EMScore metrics, float tensors of one shape; the fields are the published names."""

    figr_P: Tensor
    figr_R: Tensor
    figr_F: Tensor
    cogr: Tensor
    full_P: Tensor
    full_R: Tensor
    full_F: Tensor


METRICS: tuple[str, ...] = EMScores._fields
FINE_GRAINED_METRICS = tuple(name for name in METRICS if name != "cogr")

# Of a batch of ``emscore_of_pairs``: a call of a kernel costs as much for 32 pairs as for one, and several threads
# that wait for so little work cost more than the work.
MOST_PAIRS = 32
MOST_NUMBERS = 2**22  # of a batch in memory: 16 MiB
LENGTH_STEP = 16  # numbers of parts are padded to multiples of it: few shapes, and full batches of each


class EmbeddedBatch(NamedTuple):
    """One side of a comparison.

    Attributes:
        parts: float (B, L, D) unit vectors: tokens of a caption, or frames of a video. None where the model
            has no token-level space; then only cogr is defined and the other metrics are NaN.
        mask: bool (B, L), True for real parts, or None with ``parts``.
        whole: float (B, D) unit vectors: the pooled caption, or ``mean_direction`` of the frames.
        weights: float (B, L), for example IDF, or None for equal weights.
    """

    parts: Tensor | None
    mask: Tensor | None
    whole: Tensor
    weights: Tensor | None = None


COGR_WEIGHT = REFERENCE_WEIGHT = 0.5  # the paper's means


def emscore(candidate: EmbeddedBatch, reference: EmbeddedBatch, cogr_weight: float = COGR_WEIGHT) -> EMScores:
    """EMScore of captions against videos (X,V) or against reference captions (X,X*).

    Args:
        candidate: the captions X.
        reference: the videos V, or the reference captions X*.
        cogr_weight: share of cogr in full_P, full_R and full_F, in [0, 1]. Default: half, the paper's.

    Returns:
        Seven float (B,) tensors in [-1, 1].

    Raises:
        InputError: axes disagree, or a row has no real part.

    A row's scores do not depend on the other rows or on the amount of padding.

    Source:
        CVPR 2022, equations 1 to 8; deliberate differences: see ``greedy_match`` and ``harmonic_mean``.

    Example:
        >>> every = torch.ones(1, 2, dtype=torch.bool)
        >>> caption = EmbeddedBatch(torch.eye(2)[None], every, torch.tensor([[0.0, 1.0]]))
        >>> frames = torch.tensor([[[1.0, 0.0], [0.6, 0.8]]])
        >>> video = EmbeddedBatch(frames, every, mean_direction(frames, every))
        >>> {name: round(value.item(), 3) for name, value in emscore(caption, video)._asdict().items()}
        {'figr_P': 0.9, 'figr_R': 0.9, 'figr_F': 0.9, 'cogr': 0.447, 'full_P': 0.674, 'full_R': 0.674, 'full_F': 0.674}
    """
    check_shapes(candidate_whole=(candidate.whole, "B D"), reference_whole=(reference.whole, "B D"))
    coarse = (candidate.whole * reference.whole).sum(dim=-1)
    if candidate.parts is None or candidate.mask is None or reference.parts is None or reference.mask is None:
        unknown = torch.full_like(coarse, torch.nan)
        return _with_full(unknown, unknown, unknown, coarse, cogr_weight)
    fine = greedy_match(
        candidate.parts, candidate.mask, reference.parts, reference.mask, candidate.weights, reference.weights
    )
    return _with_full(fine.precision, fine.recall, fine.f1, coarse, cogr_weight)


def _with_full(precision: Tensor, recall: Tensor, f1: Tensor, coarse: Tensor, cogr_weight: float) -> EMScores:
    full = [(1 - cogr_weight) * fine + cogr_weight * coarse for fine in (precision, recall, f1)]
    return EMScores(precision, recall, f1, coarse, *full)


class Embedded(NamedTuple):
    """One caption or one video.

    Attributes:
        parts: float (L, D) unit vectors: tokens of the caption, or frames of the video. None where the model has no
            token-level space.
        whole: float (D,) unit vector: the pooled caption, or ``mean_direction`` of the frames.
        weights: float (L,), for example IDF, or None for equal weights.
    """

    parts: Tensor | None
    whole: Tensor
    weights: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int, bool]:
        """Padded number of parts (-1: none defined), size of an embedding, and whether there are weights."""
        count = -1 if self.parts is None else len(self.parts)
        padded = count if count <= 1 else -(-count // LENGTH_STEP) * LENGTH_STEP
        return padded, len(self.whole), self.weights is not None


def emscore_of_pairs(pairs: Sequence[tuple[Embedded, Embedded]], cogr_weight: float = COGR_WEIGHT) -> EMScores:
    """EMScore of any number of pairs of any lengths, a caption and its video or reference caption each.

    Pairs of one shape are scored together. A product of matrices rounds by its shape, so a batch has a number of
    pairs, and each pair a padded length, that depend on that pair alone.

    Args:
        pairs: candidate and reference; see ``Embedded``.
        cogr_weight: as for ``emscore``.

    Returns:
        Seven float (P,) tensors in [-1, 1]: row i is that of pair i, as ``emscore`` scores it but for rounding.

    Raises:
        InputError: embeddings of two sizes.

    A pair's scores are the same bits whatever the other pairs.

    Source:
        See ``emscore``.

    Example:
        >>> caption = Embedded(torch.eye(2), torch.tensor([0.0, 1.0]))
        >>> other = Embedded(torch.tensor([[0.6, 0.8]]), torch.tensor([0.6, 0.8]))
        >>> emscore_of_pairs([(caption, caption), (caption, other)]).cogr
        tensor([1.0000, 0.8000])
    """
    found = torch.empty(len(METRICS), len(pairs), dtype=pairs[0][0].whole.dtype if pairs else None)

    def shape(i: int) -> tuple[tuple[int, int, bool], tuple[int, int, bool]]:
        return pairs[i][0].shape, pairs[i][1].shape

    for shapes, group in groupby(sorted(range(len(pairs)), key=shape), shape):
        numbers, rows = list(group), _pairs_a_batch(*shapes)
        for start in range(0, len(numbers), rows):
            chosen = numbers[start : start + rows]
            candidate, reference = (_stacked([pairs[i][side] for i in chosen], rows) for side in (0, 1))
            found[:, chosen] = torch.stack(emscore(candidate, reference, cogr_weight))[:, : len(chosen)]
    return EMScores(*found)


def _pairs_a_batch(candidate: tuple[int, int, bool], reference: tuple[int, int, bool]) -> int:
    """Return a power of two that fits ``MOST_NUMBERS``."""
    (length, size, _), (other, _, _) = candidate, reference
    most = min(MOST_PAIRS, MOST_NUMBERS // max(1, length * other + (length + other) * size))
    return 1 << (max(1, most).bit_length() - 1)


def _stacked(sides: Sequence[Embedded], rows: int) -> EmbeddedBatch:
    """Return a batch of ``rows`` of one shape; what ``sides`` lack are zeros, each with a part that is real."""
    (length, size, weighted), whole = sides[0].shape, torch.stack([side.whole for side in sides])
    wholes = torch.nn.functional.pad(whole, (0, 0, 0, rows - len(sides)))
    if sides[0].parts is None:
        return EmbeddedBatch(None, None, wholes)
    parts = wholes.new_zeros(rows, length, size)
    weights = wholes.new_zeros(rows, length) if weighted else None
    counts = torch.ones(rows, dtype=torch.int64)
    for i, side in enumerate(sides):
        assert side.parts is not None  # of one shape
        counts[i] = len(side.parts)
        parts[i, : len(side.parts)] = side.parts
        if weights is not None and side.weights is not None:
            weights[i, : len(side.parts)] = side.weights
    return EmbeddedBatch(parts, torch.arange(length) < counts[:, None], wholes, weights)


def mean_direction(parts: Tensor, mask: Tensor) -> Tensor:
    """Unit vector along the mean of the real parts: a video's global embedding.

    Args:
        parts: float (B, N, D) unit vectors.
        mask: bool (B, N).

    Returns:
        Float (B, D), unit length; zeros where the parts cancel out.

    Example:
        >>> mean_direction(torch.eye(2)[None], torch.ones(1, 2, dtype=torch.bool))
        tensor([[0.7071, 0.7071]])
    """
    check_shapes(parts=(parts, "B N D"), mask=(mask, "B N"))
    real = mask.to(parts.dtype)[:, :, None]
    mean = (parts * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)
    return torch.nn.functional.normalize(mean, dim=-1)


def combine(video: EMScores, reference: EMScores, reference_weight: float = REFERENCE_WEIGHT) -> EMScores:
    """EMScore(X,V,X*): the weighted mean of EMScore(X,V) and EMScore(X,X*), metric by metric.

    Args:
        video, reference: scores of one shape.
        reference_weight: share of EMScore(X,X*), in [0, 1]. Default: half, the paper's.

    Example:
        >>> half = EMScores(*[torch.tensor(0.5)] * 7)
        >>> combine(half, EMScores(*[torch.tensor(1.0)] * 7)).full_F
        tensor(0.7500)
    """
    weighted = [
        (1 - reference_weight) * one + reference_weight * other for one, other in zip(video, reference, strict=True)
    ]
    return EMScores(*weighted)


def over_references(
    scores: EMScores, multi_reference: MultiReference = "max_component", cogr_weight: float = COGR_WEIGHT
) -> EMScores:
    """Return one result from the scores against each of K reference captions.

    ``"max_component"`` takes the best P, R, F and cogr separately (the published rule: they may come from
    different references, and F may then lie outside P and R). ``"best_reference"`` takes all metrics from
    the one reference with the highest full_F.

    Args:
        scores: seven float (K,) tensors.
        multi_reference: the rule.
        cogr_weight: as for ``emscore``.

    Returns:
        Seven float scalars.

    Raises:
        InputError: no reference, or an unknown rule.

    Example:
        >>> two = EMScores(*[torch.tensor([0.2, 0.8])] * 7)
        >>> over_references(two).cogr
        tensor(0.8000)
    """
    if scores.cogr.ndim != 1 or len(scores.cogr) == 0:
        raise InputError(f"scores must be (K,) with K >= 1 references, got shape {tuple(scores.cogr.shape)}")
    if multi_reference == "max_component":
        return _with_full(scores.figr_P.max(), scores.figr_R.max(), scores.figr_F.max(), scores.cogr.max(), cogr_weight)
    if multi_reference == "best_reference":
        best = int(scores.full_F.argmax())
        return EMScores(*[value[best] for value in scores])
    raise InputError(f"multi_reference ({multi_reference!r}) must be 'max_component' or 'best_reference'")
