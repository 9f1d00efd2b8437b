"""Captions of the demo: right ones of each clip, and wrong ones of every degree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vqe_core.toy.captions import caption
from vqe_core.toy.claims import VISIBLE, full_claims, swap
from vqe_core.toy.clips import ToyClip

NUM_WORDINGS = 3
# In this order foils get a word-by-word table, so that a few clips show different kinds of mistake.
EXPLAINED = ("colour", "shape", "background", "count", "motion", "size")


@dataclass(frozen=True)
class DemoCaption:
    """A caption to score: the number of its ``clip``, its kind (see ``ReportCaption``), what it says wrongly."""

    clip: int
    text: str
    kind: str
    wrong: tuple[str, ...] = ()


def demo_captions(number: int, clip: ToyClip, seed: int = 0) -> list[DemoCaption]:
    """Make captions of a clip: right ones, one wrong in each attribute, ever more wrong ones, and an unrelated one."""
    plain, *others = clip.captions(NUM_WORDINGS, seed)
    claims = full_claims(clip.attributes)
    graded = clip.foils(seed)
    foils = []
    for i, name in enumerate(VISIBLE):
        wrong = swap(claims, name, np.random.default_rng([seed, number, i]), attributes=clip.attributes)
        if wrong is not None:
            foils.append(DemoCaption(number, caption(wrong), "foil", (name,)))
    foils += [DemoCaption(number, foil.text, "foil", foil.wrong) for foil in graded[1:-1]]
    return [
        DemoCaption(number, plain, "right"),
        *[DemoCaption(number, text, "paraphrase") for text in others],
        *foils,
        DemoCaption(number, graded[-1].text, "unrelated", graded[-1].wrong),
    ]


def explained_captions(captions: list[DemoCaption], number: int) -> list[str]:
    """Return a clip's right captions and a foil with one wrong attribute, another for each clip."""
    attribute = EXPLAINED[number % len(EXPLAINED)]
    return [c.text for c in captions if c.kind == "right" or (c.kind == "foil" and c.wrong == (attribute,))]
