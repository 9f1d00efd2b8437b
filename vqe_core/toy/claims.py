"""Statements about a clip: which attributes a caption mentions, and whether they are true.

Claims are an int64 array (2 events, 7 attributes) like the attributes of a clip, with ``UNSAID``
where nothing is claimed. A background is claimed once, in the first row.
"""

import numpy as np

from vqe_core.toy.world import (
    ABSENT,
    ATTRIBUTES,
    BACKGROUND,
    COLOUR,
    COUNT,
    MOTION,
    OPPOSITE,
    SHAPE,
    SIZE,
    SOUND,
    VALUES,
    is_heldout,
    num_events,
)

UNSAID = -1  # in claims: the caption does not mention it
VISIBLE = ("count", "size", "colour", "shape", "motion", "background")
_FRAGMENTS = (
    (COLOUR, SHAPE),
    (SHAPE,),
    (COLOUR,),
    (SOUND,),
    (SOUND,),
    (SHAPE, MOTION),
    (COUNT, SHAPE),
    (BACKGROUND,),
)


def full_claims(attributes: np.ndarray, *, sound: bool = False) -> np.ndarray:
    """Claim everything that can be seen in the clip, and with ``sound`` what can be heard too."""
    claims = np.where(attributes == ABSENT, UNSAID, attributes)
    claims[1, BACKGROUND] = UNSAID
    if not sound:
        claims[:, SOUND] = UNSAID
    return claims


def random_claims(attributes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Claim a random part of the truth: what training captions say.

    Short fragments ("a red star", "a bell tolls") make single words meaningful on their own; the
    sound words among them let a later audio model be trained in the same space.
    """
    claims = full_claims(attributes, sound=True)
    if rng.random() < 0.12:
        return _fragment(claims, int(rng.integers(num_events(attributes))), rng)
    for event in claims:
        for column, share in ((SIZE, 0.3), (COLOUR, 0.05), (SHAPE, 0.05), (MOTION, 0.12), (SOUND, 0.7)):
            if rng.random() < share:
                event[column] = UNSAID
    if rng.random() < 0.4:
        claims[0, BACKGROUND] = UNSAID
    return claims


def compatible(claims: np.ndarray, attributes: np.ndarray) -> np.ndarray:
    """Say which statements are true of which clips.

    Args:
        claims: int (C, 2, 7).
        attributes: int (N, 2, 7).

    Returns:
        bool (C, N), True where every claimed event is true of some event of the clip. The order
        of events is not looked at.
    """
    claimed, actual = claims[:, None, :, None, :], attributes[None, :, None, :, :]
    agrees = (claimed == UNSAID) | (claimed == actual)  # (C, N, 2 claimed, 2 actual, 7)
    return agrees.all(-1).any(-1).all(-1)


def swap(
    claims: np.ndarray, attribute: str, rng: np.random.Generator, *, attributes: np.ndarray, trained: bool = False
) -> np.ndarray | None:
    """Make one claimed attribute of one event wrong.

    Args:
        claims: int (2, 7).
        attribute: a name of ``ATTRIBUTES``.
        rng: picks the event and the wrong value. A motion that has an opposite becomes it half of
            the time, because that is the hardest foil.
        attributes: int (2, 7), the clip. The result is never true of it.
        trained: never mention a held-out (colour, shape) pair. A training foil must not, or the
            text tower would learn that such pairs are always wrong.

    Returns:
        int (2, 7), or None where the attribute is not claimed or no such foil exists.
    """
    column = ATTRIBUTES.index(attribute)
    rows = np.flatnonzero(claims[:, column] != UNSAID)
    for row in rng.permutation(rows):
        for value in _other_values(column, int(claims[row, column]), rng):
            foil = claims.copy()
            foil[row, column] = value
            # With colour or shape unsaid (-1) this also drops a few harmless foils. The shipped weights were
            # trained so, and the script must give them again.
            if trained and is_heldout(foil[row, COLOUR], foil[row, SHAPE]):
                continue
            if not compatible(foil[None], attributes[None])[0, 0]:
                return foil
    return None


def swap_events(claims: np.ndarray) -> np.ndarray | None:
    """Tell two events in the wrong order; None where there are not two different ones."""
    columns = [column for column in range(len(ATTRIBUTES)) if column != BACKGROUND]
    if (claims[1] == UNSAID).all() or (claims[0, columns] == claims[1, columns]).all():
        return None
    foil = claims.copy()
    foil[:, columns] = claims[::-1, columns]
    return foil


def oppose_motion(claims: np.ndarray) -> np.ndarray | None:
    """Turn the motion of the first event into its opposite; None where it has none."""
    opposite = OPPOSITE.get(int(claims[0, MOTION]))
    if opposite is None:
        return None
    foil = claims.copy()
    foil[0, MOTION] = opposite
    return foil


def _other_values(column: int, value: int, rng: np.random.Generator) -> list[int]:
    others = [int(v) for v in rng.permutation(len(VALUES[ATTRIBUTES[column]])) if v != value]
    if column == MOTION and value in OPPOSITE and rng.random() < 0.5:
        others.insert(0, OPPOSITE[value])
    return others


def _fragment(claims: np.ndarray, event: int, rng: np.random.Generator) -> np.ndarray:
    fragment = np.full_like(claims, UNSAID)
    for column in _FRAGMENTS[int(rng.integers(len(_FRAGMENTS)))]:
        fragment[0, column] = claims[0 if column == BACKGROUND else event, column]
    return fragment
