"""Wordings: canonical ones are fixed, paraphrases keep the meaning, foils are graded."""

import re
from itertools import pairwise

import numpy as np
import pytest

from vqe_core.errors import InputError
from vqe_core.toy.captions import caption, sound_caption
from vqe_core.toy.claims import UNSAID, VISIBLE, full_claims
from vqe_core.toy.clips import make_clip
from vqe_core.toy.world import ABSENT, ATTRIBUTES, VALUES


def attributes(*events, background="striped"):
    rows = np.full((2, len(ATTRIBUTES)), ABSENT)
    for row, words in enumerate(events):
        count, size, colour, shape, motion = words.split()
        sound = VALUES["sound"][VALUES["shape"].index(shape)]
        named = zip(ATTRIBUTES, (count, size, colour, shape, motion, background, sound), strict=True)
        rows[row] = [VALUES[name].index(word) for name, word in named]
    return rows


ONE = attributes("one small red star left")
TWO = attributes("two big orange cross up", "one small white ring still", background="wavy")


@pytest.fixture(scope="module")
def clips():
    return [make_clip(seed, size=16, num_frames=2, sampling_rate=8000) for seed in range(40)]


def test_canonical_captions():
    assert caption(full_claims(ONE)) == "a small red star moves left on a striped background"
    assert caption(full_claims(ONE, sound=True)) == (
        "a small red star moves left while a chime tinkles on a striped background"
    )
    assert caption(full_claims(TWO)) == (
        "two big orange crosses move up, then a small white ring stays still on a wavy background"
    )


def test_canonical_sound_captions():
    assert sound_caption(ONE) == "a high chime tinkles once"
    assert (
        sound_caption(TWO) == "a low buzzer buzzes twice with rising pitch, then a high siren wails once over a rumble"
    )
    assert sound_caption(TWO, terse=True) == "a buzzer buzzes, then a siren wails"


def test_fragments_make_sense_alone():
    for name, expected in (("shape", "star"), ("colour", "red shape"), ("sound", "a chime tinkles")):
        claims = np.full((2, len(ATTRIBUTES)), UNSAID)
        claims[0, ATTRIBUTES.index(name)] = ONE[0, ATTRIBUTES.index(name)]
        assert caption(claims) == expected


def test_a_claim_of_nothing_is_refused():
    with pytest.raises(InputError, match=re.escape("claims must claim at least one attribute, got none")):
        caption(np.full((2, len(ATTRIBUTES)), UNSAID))


def test_captions_are_distinct_and_start_with_the_canonical_one(clips):
    for clip in clips:
        texts = clip.captions(5)
        assert texts[0] == caption(full_claims(clip.attributes))
        assert len(set(texts)) == 5
        assert clip.captions(5) == texts
        assert clip.captions(2) == texts[:2]
    assert any(clip.captions(5, seed=1) != clip.captions(5) for clip in clips)


def test_more_captions_than_wordings_are_refused():
    clip = make_clip(0, size=16, num_frames=2, attributes=ONE)
    with pytest.raises(InputError, match=re.escape("count must be at most 9, the wordings of this clip, got 10")):
        clip.captions(10)


def test_foils_are_graded_and_nested(clips):
    for clip in clips:
        foils = clip.foils()
        assert [foil.severity for foil in foils] == [1, 2, 3, 4, 5, 6]
        for milder, worse in pairwise(foils):
            assert set(milder.wrong) < set(worse.wrong) <= set(VISIBLE)
        assert len({clip.captions(1)[0], *(foil.text for foil in foils)}) == 7
        assert clip.foils() == foils != clip.foils(seed=1)


def test_events_that_differ_in_size_alone_still_have_six_foils():
    events = attributes("one small red star left", "one big red star left")
    for seed in range(10):
        foils = make_clip(seed, size=16, num_frames=2, attributes=events).foils(seed)
        assert [foil.severity for foil in foils] == [1, 2, 3, 4, 5, 6]


def test_clips_go_wrong_in_different_orders(clips):
    assert len({clip.foils()[0].wrong for clip in clips}) == len(VISIBLE)


def test_the_worst_foil_shares_no_visible_word_of_a_one_event_clip():
    clip = make_clip(0, size=16, num_frames=2, attributes=ONE)
    worst = clip.foils()[-1].text.split()
    assert not {"small", "red", "star", "stars", "left", "striped"} & set(worst)
