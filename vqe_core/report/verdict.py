"""Verdicts in words: how a clip's own sound or caption stands among others of a bank, and which caption is best.

Task: say what a number is worth before it is shown, and say so where it is worth nothing.
Conventions: shares among the others of a bank; ties count half; the interval is that of Wilson at 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vqe_core.functional.statistics import wilson_interval

CLEARLY = 0.8  # share of the others that the whole interval must beat
MOST = 0.5
FEWEST_FRAMES = 5  # below, an interval over frames says nothing
RULE = (
    "Clearly: the 95 % interval (Wilson) of the share lies above 80 of 100. Too close to call: it holds 50 of 100, "
    "what chance gives."
)
TOO_CLOSE = "too close to call"


@dataclass(frozen=True)
class Verdict:
    """Place among others.

    Attributes:
        better: how many of the others it beats, ties half, rounded.
        of: how many others there are.
        low, high: shares, the interval.
        words: what that is worth.
        clear: "for", "against" or "" for neither.
    """

    better: int
    of: int
    low: float
    high: float
    words: str
    clear: str

    def headline(self, others: str) -> str:
        """Return the verdict as a sentence.

        Args:
            others: what it is compared with, in the plural.
        """
        return f"Fits better than {self.better} of {self.of} other {others}: {self.words}."


def verdict_of(share: float, of: int) -> Verdict | None:
    """Put a percentile among others into words; None where it is NaN.

    Args:
        share: of the others that score lower, ties half, [0, 1].
        of: how many others, at least 1.

    Example:
        >>> verdict_of(0.97, 100).headline("sounds")
        'Fits better than 97 of 100 other sounds: clearly better than most.'
        >>> verdict_of(0.55, 100).words, verdict_of(0.1, 100).words
        ('too close to call', 'clearly worse than most')
    """
    if math.isnan(share):
        return None
    low, high = wilson_interval(share, of)
    words, clear = TOO_CLOSE, ""
    if low > CLEARLY:
        words, clear = "clearly better than most", "for"
    elif low > MOST:
        words = "better than most, but not clearly"
    elif high < 1 - CLEARLY:
        words, clear = "clearly worse than most", "against"
    elif high < MOST:
        words, clear = "worse than most", "against"
    return Verdict(round(share * of), of, low, high, words, clear)


@dataclass(frozen=True)
class Ranking:
    """Which of several captions of one video is best.

    Attributes:
        best: its number, or None where that is too close to call.
        close: numbers of those within the margin of the highest, itself among them; empty where one is best.
        margin: least lead that counts.
        why: where the margin is from, in words.
    """

    best: int | None
    close: tuple[int, ...]
    margin: float
    why: str


MEASURED = (
    "equally true captions of one clip differ by up to {margin:.3f} in 19 of 20 pairs, so a lead counts above that"
)
OVER_FRAMES = (
    "the lead must exceed the 95 % interval of the difference over the {count} sampled frames, here {margin:.3f}"
)


def rank(scores: Sequence[float], margin: float | None, by_frame: Sequence[Sequence[float]] | None = None) -> Ranking:
    """Tell which caption leads by more than a margin.

    Args:
        scores: of at least two captions.
        margin: measured on pairs of equally true captions. None: it is taken from the frames.
        by_frame: of each caption, its scores of each sampled frame alone; needed without a margin.

    Example:
        >>> rank([0.813, 0.8131, 0.7], margin=0.008).close, rank([0.813, 0.79], margin=0.008).best
        ((0, 1), 0)
    """
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    first = order[0]
    if margin is not None:
        why = MEASURED.format(margin=margin)
        margins = dict.fromkeys(order, margin)
    else:
        frames = by_frame or [[] for _ in scores]
        margins = {i: half_width([a - b for a, b in zip(frames[first], frames[i], strict=True)]) for i in order}
        margin = margins[order[1]]
        why = OVER_FRAMES.format(count=len(frames[first]), margin=margin)
    # Scores are shown with three digits: what looks equal is called equal.
    close = tuple(i for i in order if scores[first] - scores[i] <= max(margins[i], 0.001))
    alone = len(close) == 1
    return Ranking(first if alone else None, () if alone else tuple(sorted(close)), margin, why)


def half_width(differences: Sequence[float]) -> float:
    """Return half of the 95 % interval of a mean difference, by Student's t; infinite for fewer than five.

    Example:
        >>> round(half_width([0.1] * 5), 3), half_width([0.1] * 4)
        (0.0, inf)
    """
    import torch

    from vqe_core.functional.statistics import student_quantile

    if len(differences) < FEWEST_FRAMES:
        return math.inf
    values = torch.tensor(differences, dtype=torch.float64)
    quantile = float(student_quantile(torch.tensor(1.959964, dtype=torch.float64), len(values) - 1))
    return quantile * float(values.std()) / math.sqrt(len(values))
