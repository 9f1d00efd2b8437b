"""Captions claim what is true, foils what is not."""

import numpy as np
import pytest

from vqe_core.toy.claims import (
    UNSAID,
    VISIBLE,
    compatible,
    full_claims,
    oppose_motion,
    random_claims,
    swap,
    swap_events,
)
from vqe_core.toy.world import (
    ATTRIBUTES,
    BACKGROUND,
    COLOUR,
    MOTION,
    OPPOSITE,
    SHAPE,
    is_heldout,
    num_events,
    sample_attributes,
)


@pytest.fixture(scope="module")
def attributes():
    return np.stack([sample_attributes(np.random.default_rng(seed), heldout="exclude") for seed in range(200)])


def loop_compatible(claims, attributes):
    """Every claimed event is true of some event: written out."""
    for claim in claims:
        if not any(all(c in (UNSAID, a) for c, a in zip(claim, event, strict=True)) for event in attributes):
            return False
    return True


def test_compatible_agrees_with_a_loop(attributes):
    rng = np.random.default_rng(0)
    claims = np.stack([random_claims(a, rng) for a in attributes[:60]])
    expected = [[loop_compatible(c, a) for a in attributes] for c in claims]
    assert (compatible(claims, attributes) == expected).all()
    assert not np.array(expected).all()


def test_full_and_random_claims_are_true(attributes):
    rng = np.random.default_rng(0)
    for one in attributes:
        for claims in (full_claims(one), full_claims(one, sound=True), random_claims(one, rng)):
            assert compatible(claims[None], one[None])[0, 0]
            assert (claims != UNSAID).any()


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_swap_changes_one_entry_and_is_false(attributes, name):
    rng = np.random.default_rng(0)
    for one in attributes:
        claims = full_claims(one, sound=True)
        foil = swap(claims, name, rng, attributes=one)
        assert np.argwhere(foil != claims)[:, 1].tolist() == [ATTRIBUTES.index(name)]
        assert not compatible(foil[None], one[None])[0, 0]


def test_a_swap_of_what_is_not_claimed_is_none(attributes):
    claims = full_claims(attributes[0])
    assert swap(claims, "sound", np.random.default_rng(0), attributes=attributes[0]) is None


def test_training_foils_never_mention_a_heldout_pair(attributes):
    rng, mentioned = np.random.default_rng(0), {True: 0, False: 0}
    for one in attributes:
        for trained in mentioned:
            foil = swap(full_claims(one), "shape", rng, attributes=one, trained=trained)
            mentioned[trained] += any(is_heldout(e[COLOUR], e[SHAPE]) for e in foil if e[COLOUR] != UNSAID)
    assert mentioned[True] == 0
    assert mentioned[False] > 5


def test_swapped_events_keep_the_background(attributes):
    swapped = 0
    for one in attributes:
        claims, foil = full_claims(one), swap_events(full_claims(one))
        if num_events(one) == 1:
            assert foil is None
        elif foil is not None:
            assert (foil[:, COLOUR] == claims[::-1, COLOUR]).all()
            assert (foil[:, BACKGROUND] == claims[:, BACKGROUND]).all()
            swapped += 1
    assert swapped > 20


def test_an_opposite_motion_exists_for_directions_and_appearance_only(attributes):
    for one in attributes:
        foil = oppose_motion(full_claims(one))
        assert (foil is None) == (one[0, MOTION] not in OPPOSITE)
        assert foil is None or OPPOSITE[foil[0, MOTION]] == one[0, MOTION]


def test_visible_attributes_are_all_but_the_sound():
    assert (*VISIBLE, "sound") == ATTRIBUTES
