"""Attributes are drawn by the rules of the world."""

import re

import numpy as np
import pytest

from vqe_core.errors import InputError
from vqe_core.toy.world import (
    ABSENT,
    APPEAR,
    BACKGROUND,
    COLOUR,
    MOTION,
    SHAPE,
    SOUND,
    SPIN,
    UNTURNABLE,
    VALUES,
    check_attributes,
    is_heldout,
    num_events,
    sample_attributes,
)


def draws(count=300, **options):
    return [sample_attributes(np.random.default_rng(seed), **options) for seed in range(count)]


def test_one_shape_of_every_colour_and_one_colour_of_every_shape_is_held_out():
    pairs = [(colour, shape) for colour in range(8) for shape in range(8) if is_heldout(colour, shape)]
    assert sorted(c for c, _ in pairs) == sorted(s for _, s in pairs) == list(range(8))


def test_heldout_pairs_are_excluded_or_come_first():
    for attributes in draws(heldout="exclude"):
        assert not any(is_heldout(e[COLOUR], e[SHAPE]) for e in attributes[: num_events(attributes)])
    for attributes in draws(heldout="only"):
        assert is_heldout(attributes[0, COLOUR], attributes[0, SHAPE])


def test_draws_obey_the_rules_and_cover_every_value():
    events = []
    for attributes in draws():
        assert check_attributes(attributes) is not attributes
        present = attributes[: num_events(attributes)]
        assert (present[:, SOUND] == present[:, SHAPE]).all()
        assert len(set(present[:, BACKGROUND])) == 1
        assert not any(e[MOTION] == SPIN and e[SHAPE] in UNTURNABLE for e in present)
        assert len(present) == 1 or (present[:, MOTION] < APPEAR).all()
        events += list(present)
    for column, values in enumerate(VALUES.values()):
        assert {e[column] for e in events} == set(range(len(values)))


def test_the_number_of_events_can_be_chosen():
    assert {num_events(a) for a in draws(20, events=1)} == {1}
    assert {num_events(a) for a in draws(20, events=2)} == {2}
    assert (draws(1, events=1)[0][1] == ABSENT).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a[:1], "attributes must have shape (2, 7), got (1, 7)"),
        (lambda a: np.where(np.arange(7) == COLOUR, 8, a), "attributes: colour must be in [0, 8), got 8"),
        (lambda a: a + np.array([[0], [1]]) * (np.arange(7) == BACKGROUND), "one background for both events"),
    ],
)
def test_wrong_attributes_are_refused(change, message):
    attributes = sample_attributes(np.random.default_rng(0), events=2)
    attributes[:, BACKGROUND] = 0
    with pytest.raises(InputError, match=re.escape(message)):
        check_attributes(change(attributes))


def test_a_misspelt_heldout_is_refused():
    with pytest.raises(InputError, match=re.escape("heldout must be 'exclude', 'only' or None, got 'none'")):
        sample_attributes(np.random.default_rng(0), heldout="none")
