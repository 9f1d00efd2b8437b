"""CLIPScore and RefCLIPScore.

Task: score a caption against an image, or the mean frame of a video, and against reference captions.
Conventions: similarities are cosines of embeddings of one space; axes B rows, R references.
Metrics: clip_score, in [0, 2.5]; ref_clip_score, in [0, 2.5 x 2 / 3.5].
Source: Hessel et al., "CLIPScore: A Reference-free Evaluation Metric for Image Captioning", EMNLP 2021, section 3.
"""

from __future__ import annotations

from torch import Tensor

WEIGHT = 2.5  # section 3: stretches the usual range of cosines of CLIP to about 0 to 1


def clip_score(similarity: Tensor, weight: float = WEIGHT) -> Tensor:
    """Rescale the cosine of a caption and an image; a negative one is 0.

    Args:
        similarity: float, any shape, cosines.
        weight: positive factor. Default 2.5; PAC-S (Sarto et al., CVPR 2023) has 2.

    Returns:
        Float tensor of that shape, in [0, weight].

    Example:
        >>> import torch
        >>> clip_score(torch.tensor([0.3, -0.1]))
        tensor([0.7500, 0.0000])
    """
    return weight * similarity.clamp(min=0)


def ref_clip_score(score: Tensor, reference_similarities: Tensor) -> Tensor:
    """Return the harmonic mean of a CLIPScore and the cosine with the best reference; 0 where either is 0.

    Args:
        score: float, (...), as ``clip_score`` gives it.
        reference_similarities: float, (..., R), cosines of the caption with each reference, at least one.

    Returns:
        Float tensor, (...).

    Example:
        >>> import torch
        >>> ref_clip_score(torch.tensor([0.75]), torch.tensor([[0.5, 0.75]]))
        tensor([0.7500])
    """
    best = reference_similarities.max(dim=-1).values.clamp(min=0)
    total = score + best
    return (2 * score * best / total.clamp(min=1e-30)).where(total > 0, total * 0)
