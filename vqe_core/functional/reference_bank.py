"""A saved bank of other clips' sounds, so that one pair alone has a percentile.

Task: does this sound fit its video better than unrelated sounds do, when the batch has no others?
Conventions: bank rows are unit audio embeddings of one space, of clips that are not being scored; axes N videos,
M bank sounds, D embedding size.
Metrics: ``bank_percentile``: percentile and p-value of a score among its mismatches.
Source: rank p-value with the score itself counted in, as for permutation tests: Phipson and Smyth, "Permutation
P-values should never be zero", 2010.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vqe_core.errors import InputError
from vqe_core.functional.shapes import check_shapes
from vqe_core.functional.similarity import cosine_matrix, unit_rows

# Half-precision encoders give unit rows to about three digits.
UNIT_TOLERANCE = 1e-2


@dataclass(frozen=True, eq=False)
class ReferenceBank:
    """Sounds of other clips to compare with.

    Attributes:
        embeddings: float (M, D) unit vectors, M >= 1.
        space: name of the encoder's space; a cosine between two spaces means nothing.
        made_by: what else its sounds were heard with, fields of a signature; empty where that was not noted.
    """

    embeddings: Tensor = field(repr=False)
    space: str
    made_by: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        check_shapes(embeddings=(self.embeddings, "M D"))
        if len(self.embeddings) == 0:
            raise InputError("a reference bank needs at least one sound, got none; build it from other clips")
        if not self.space:
            raise InputError("a reference bank needs the name of its encoder's space, got an empty one")
        lengths = self.embeddings.norm(dim=-1)
        wrong = ((lengths - 1).abs() <= UNIT_TOLERANCE).logical_not()
        if bool(wrong.any()):
            row = int(wrong.nonzero()[0])
            raise InputError(
                f"embeddings of a reference bank must be unit vectors, row {row} has length {float(lengths[row]):g}; "
                "leave silent sounds out and normalise the others"
            )

    def __len__(self) -> int:
        return len(self.embeddings)

    def differing(self, signature: Mapping[str, Any]) -> list[str]:
        """Return the fields in which a signature differs from what the bank was made by.

        Example:
            >>> ReferenceBank(torch.eye(2), "toy", {"window": 1.0}).differing({"window": 2.0, "seed": 0})
            ['window']
        """
        return [name for name, value in self.made_by.items() if signature.get(name) != value]

    def mismatched_scores(self, visual: Tensor, space: str) -> Tensor:
        """Cosines of videos with every sound of the bank: the mismatches of each video.

        Compare them only with a score made the same way: one embedding of the whole video against one of the
        whole sound. A reduction over windows (such as ``"min"``) has another scale.

        Args:
            visual: float (N, D), one row a video, any length.
            space: name of the space of ``visual``.

        Returns:
            Float (N, M) in [-1, 1].

        Raises:
            InputError: another space, or another embedding size.

        Example:
            >>> bank = ReferenceBank(torch.eye(2), space="toy")
            >>> bank.mismatched_scores(torch.tensor([[3.0, 4.0]]), space="toy")
            tensor([[0.6000, 0.8000]])
        """
        if space != self.space:
            raise InputError(
                f"the reference bank is of space {self.space!r}, the videos of {space!r}; "
                "build a bank with the encoder in use"
            )
        check_shapes(visual=(visual, "N D"), embeddings=(self.embeddings, "M D"))
        return cosine_matrix(visual, self.embeddings)

    def digest(self) -> str:
        """Twelve hex digits that change when a sound, their order, the space or what it was made by does."""
        values = self.embeddings.flatten().tolist()
        made_by = json.dumps(sorted(self.made_by.items())) if self.made_by else ""
        header = f"{self.space}|{tuple(self.embeddings.shape)}|{made_by}".encode()
        return hashlib.sha256(header + struct.pack(f"<{len(values)}f", *values)).hexdigest()[:12]


def make_bank(audio: Tensor, space: str, made_by: Mapping[str, Any] | None = None) -> ReferenceBank:
    """Return a bank from audio embeddings of any length.

    Args:
        audio: float (M, D), one row a sound; silent ones left out.
        space: name of the encoder's space.
        made_by: what else the sounds were heard with, fields of a signature. Default: not noted.

    Returns:
        The bank, its rows scaled to length 1.

    Raises:
        InputError: no sound, a row of zeros, or an empty name.

    Example:
        >>> make_bank(torch.tensor([[3.0, 4.0]]), space="toy").embeddings
        tensor([[0.6000, 0.8000]])
    """
    check_shapes(audio=(audio, "M D"))
    return ReferenceBank(unit_rows(audio), space, made_by or {})


class BankPercentile(NamedTuple):
    """Result of ``bank_percentile``, two float64 tensors of the scores' shape.

    Attributes:
        percentile: share of the bank that scores lower, ties half, [0, 1]; chance 0.5.
        p_value: (1 + number of bank scores at least as high) / (1 + M), never below 1 / (1 + M).
    """

    percentile: Tensor
    p_value: Tensor


def bank_percentile(scores: Tensor, bank_scores: Tensor) -> BankPercentile:
    """Return where a score stands among the scores of unrelated sounds.

    Args:
        scores: float, any shape; one number of a true pair each. NaN gives NaN.
        bank_scores: float, the shape of ``scores`` and one more axis of M >= 1 mismatched scores, finite.

    Returns:
        ``BankPercentile``.

    Raises:
        InputError: the shapes do not fit, the bank is empty, or a bank score is not finite.

    Any rising transformation of scores and bank alike changes nothing.

    Source:
        Phipson and Smyth 2010, equation for a p-value from random draws.

    Example:
        >>> result = bank_percentile(torch.tensor(0.3), torch.tensor([0.1, 0.2, 0.3, 0.4]))
        >>> round(result.percentile.item(), 3), round(result.p_value.item(), 3)
        (0.625, 0.6)
    """
    if bank_scores.ndim == 0 or bank_scores.shape[:-1] != scores.shape or bank_scores.shape[-1] == 0:
        raise InputError(
            f"bank_scores must have the shape of scores {tuple(scores.shape)} and one axis of at least one bank "
            f"score, got {tuple(bank_scores.shape)}"
        )
    if not bool(bank_scores.isfinite().all()):
        raise InputError("bank_scores must be finite; leave sounds without an embedding out of the bank")
    own = scores[..., None]
    size = bank_scores.shape[-1]
    below = (bank_scores < own).sum(dim=-1).double()
    equal = (bank_scores == own).sum(dim=-1).double()
    percentile = (below + equal / 2) / size
    p_value = (1 + size - below) / (1 + size)
    unknown = scores.isnan()
    return BankPercentile(percentile.masked_fill(unknown, torch.nan), p_value.masked_fill(unknown, torch.nan))
