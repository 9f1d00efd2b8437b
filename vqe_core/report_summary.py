"""What a set of right and wrong captions shows together: means by how much is wrong, and who wins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ScoredCaption:
    """One caption of one video, as the summary sees it.

    Attributes:
        video: which video it was scored against.
        kind: ``"right"`` (the plain wording), ``"paraphrase"``, ``"foil"`` or ``"unrelated"``.
        wrong: names of what the caption says wrongly.
        score: a cosine, or None where the row has no score.
    """

    video: str
    kind: str
    wrong: tuple[str, ...]
    score: float | None


@dataclass(frozen=True)
class SeverityRow:
    """Captions with equally many wrong attributes.

    Attributes:
        num_wrong: 0 for right captions.
        values: their scores.
        wins, pairs: of the pairs of a right caption and one of these, on one video, how many the right one won.
    """

    num_wrong: int
    values: tuple[float, ...]
    wins: int
    pairs: int

    @property
    def mean(self) -> float:
        """Mean score."""
        return math.fsum(self.values) / len(self.values)

    @property
    def share(self) -> float | None:
        """Share of pairs won by the right caption; None without pairs. Chance is 0.5."""
        return self.wins / self.pairs if self.pairs else None


@dataclass(frozen=True)
class AttributeRow:
    """Pairs of a right caption and a foil in which only ``attribute`` is wrong."""

    attribute: str
    wins: int
    pairs: int

    @property
    def share(self) -> float:
        """Share of pairs won by the right caption. Chance is 0.5."""
        return self.wins / self.pairs


def summarise_severity(captions: Sequence[ScoredCaption]) -> tuple[SeverityRow, ...]:
    """One row for each number of wrong attributes, fewest first. Captions without a score are left out.

    A pair holds the plain right caption, so that both are worded alike and only the facts differ.
    """
    scored = [c for c in captions if c.score is not None]
    rows = []
    for num_wrong in sorted({len(c.wrong) for c in scored}):
        group = [c for c in scored if len(c.wrong) == num_wrong]
        wins, pairs = _won([c for c in group if c.wrong], scored)
        rows.append(SeverityRow(num_wrong, tuple(c.score for c in group if c.score is not None), wins, pairs))
    return tuple(rows)


def summarise_attributes(captions: Sequence[ScoredCaption]) -> tuple[AttributeRow, ...]:
    """One row for each attribute that is the only wrong one of some caption, in the order met."""
    scored = [c for c in captions if c.score is not None]
    singles = [c for c in scored if len(c.wrong) == 1]
    names = dict.fromkeys(c.wrong[0] for c in singles)
    return tuple(AttributeRow(name, *_won([c for c in singles if c.wrong[0] == name], scored)) for name in names)


def _won(foils: Sequence[ScoredCaption], scored: Sequence[ScoredCaption]) -> tuple[int, int]:
    right = {c.video: c.score for c in scored if c.kind == "right"}
    pairs = [(right[foil.video], foil.score) for foil in foils if foil.video in right]
    # A tie is no win: the metric could not tell the two apart.
    return sum(ours > theirs for ours, theirs in pairs if ours is not None and theirs is not None), len(pairs)
