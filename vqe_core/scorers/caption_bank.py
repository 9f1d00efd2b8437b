"""Captions of other clips to compare with, so that one caption alone has a percentile; kept in a file of their own."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vqe_core.errors import InputError
from vqe_core.scorers.fitted_file import FittedFile

MADE_FOR = ("model", "revision")  # fields of the signature; captions of one world say nothing about another
FEWEST = 20  # below, a share of them says little
ALIKE = 0.95  # share of pairs of equally true captions whose scores lie within a margin


@dataclass(frozen=True)
class CaptionBank:
    """Captions of other clips.

    Attributes:
        captions: distinct texts.
        made_for: the model they are for, ``MADE_FOR``; another is refused.
        margins: by score, the difference that 19 of 20 pairs of equally true captions of one clip stay within. Empty
            where the table had one caption a clip.
    """

    captions: tuple[str, ...] = field(repr=False)
    made_for: Mapping[str, Any]
    margins: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.captions) < FEWEST:
            raise InputError(
                f"a bank needs at least {FEWEST} different captions, got {len(self.captions)}; give more rows"
            )

    def __len__(self) -> int:
        return len(self.captions)

    def digest(self) -> str:
        """Twelve hex digits that change when a caption, a margin or the model does."""
        text = json.dumps([self.captions, sorted(self.made_for.items()), sorted(self.margins.items())])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def fits(self, signature: Mapping[str, Any]) -> bool:
        """Tell whether the bank is for the model that a signature names."""
        return all(signature.get(name) == value for name, value in self.made_for.items())

    def check(self, signature: Mapping[str, Any]) -> None:
        """Raise InputError unless the bank is for the model that a signature names."""
        if not self.fits(signature):
            made, here = ({name: of.get(name) for name in MADE_FOR} for of in (self.made_for, signature))
            raise InputError(
                f"reference_bank holds captions for {_named(made)}, and here it is {_named(here)}; build one for the "
                "model in use (vqe bank build)"
            )


def _named(model: Mapping[str, Any]) -> str:
    return f"{model['model']!r} (revision {model['revision']})"


def _read(content: Mapping[str, Any]) -> CaptionBank:
    margins = {str(score): float(margin) for score, margin in content["margins"].items()}
    return CaptionBank(tuple(map(str, content["captions"])), dict(content["made_for"]), margins)


CAPTIONS_FILE = FittedFile(
    "reference_bank", CaptionBank, "vqe-captions-1", "file of captions that vqe bank build wrote", _read
)
load_captions, check_captions = CAPTIONS_FILE.load, CAPTIONS_FILE.check


def save_captions(bank: CaptionBank, path: str | os.PathLike[str]) -> None:
    """Write a bank as JSON, its digest inside."""
    content = {"made_for": dict(bank.made_for), "margins": dict(bank.margins), "captions": list(bank.captions)}
    CAPTIONS_FILE.save(bank, content, path)


def margin_of(by_clip: Sequence[Sequence[float]]) -> float | None:
    """Return the difference that 19 of 20 pairs of equally true captions stay within; None where there is no pair.

    Args:
        by_clip: of each clip, the scores of captions that are equally true of it.

    Example:
        >>> round(margin_of([[0.80, 0.81], [0.70, 0.70, 0.72]]), 3), margin_of([[0.8], [0.7]])
        (0.02, None)
    """
    pairs = [abs(one - other) for scores in by_clip for i, one in enumerate(scores) for other in scores[:i]]
    return float(np.quantile(pairs, ALIKE)) if pairs else None
