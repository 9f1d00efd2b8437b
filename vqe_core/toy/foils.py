"""Foils: false captions of graded severity."""

from dataclasses import dataclass

import numpy as np

from vqe_core.toy.captions import caption
from vqe_core.toy.claims import VISIBLE, compatible, full_claims, swap
from vqe_core.toy.world import ABSENT, ATTRIBUTES, SHAPE, num_events, sample_attributes


@dataclass(frozen=True)
class Foil:
    """A false caption: ``text``, and the names of the ``wrong`` attributes."""

    text: str
    wrong: tuple[str, ...]

    @property
    def severity(self) -> int:
        """Number of wrong attributes."""
        return len(self.wrong)


def graded_foils(attributes: np.ndarray, rng: np.random.Generator) -> list[Foil]:
    """Return foils of severity 1 to 6 for a clip with ``attributes`` int (2, 7).

    The first five are nested: each keeps the errors of the one before and adds one, in random
    order. In a clip of two events an attribute goes wrong in one of them. The last is unrelated:
    everything that can be seen is wrong, in every event.
    """
    claims = full_claims(attributes)
    pending = [str(name) for name in rng.permutation(VISIBLE)]
    wrong: list[str] = []
    foils = []
    while len(pending) > 1:
        # Not always the first: where two events differ in one attribute alone, swapping it tells the truth.
        name, claims = next(
            (name, foil) for name in pending if (foil := swap(claims, name, rng, attributes=attributes)) is not None
        )
        pending.remove(name)
        wrong.append(name)
        foils.append(Foil(caption(claims), tuple(wrong)))
    return [*foils, Foil(caption(unrelated_claims(attributes, rng)), VISIBLE)]


def unrelated_claims(attributes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Claim another clip of as many events, which differs in everything that can be seen."""
    visible = [ATTRIBUTES.index(name) for name in VISIBLE]
    present = attributes[:, SHAPE] != ABSENT
    while True:
        other = sample_attributes(rng, events=num_events(attributes))
        claims = full_claims(other)
        differs = (other[present][:, visible] != attributes[present][:, visible]).all()
        if differs and not compatible(claims[None], attributes[None])[0, 0]:
            return claims
