"""Claims to English: the canonical wording and paraphrases, of the image and of the sound."""

from collections.abc import Callable

import numpy as np

from vqe_core.errors import InputError
from vqe_core.toy.claims import UNSAID
from vqe_core.toy.world import (
    ABSENT,
    BACKGROUND,
    BACKGROUNDS,
    COLOUR,
    COLOURS,
    COUNT,
    COUNTS,
    DOWN,
    MOTION,
    MOTIONS,
    SHAPE,
    SHAPES,
    SIZE,
    SIZES,
    SOUND,
    SOUNDS,
    SPECKLED,
    SPIN,
    UP,
    WAVY,
)

# (singular, plural) wordings, the first is canonical
VERBS = {
    "still": (("stays still", "stay still"), ("does not move", "do not move"), ("rests", "rest")),
    "left": (("moves left", "move left"), ("slides to the left", "slide to the left"), ("drifts left", "drift left")),
    "right": (
        ("moves right", "move right"),
        ("slides to the right", "slide to the right"),
        ("drifts right", "drift right"),
    ),
    "up": (("moves up", "move up"), ("rises", "rise"), ("climbs up", "climb up")),
    "down": (("moves down", "move down"), ("falls", "fall"), ("sinks down", "sink down")),
    "spin": (("spins", "spin"), ("rotates", "rotate"), ("turns around", "turn around")),
    "appear": (("appears", "appear"), ("shows up", "show up"), ("comes into view", "come into view")),
    "vanish": (("disappears", "disappear"), ("vanishes", "vanish"), ("goes out of view", "go out of view")),
}
SEQUENCES = ("{0}, then {1}", "first {0} and then {1}", "{0} and after that {1}")
GROUNDS = ("on a {0} background", "over a {0} wall", "in front of a {0} wall")
SOUND_CLAUSES = ("while a {0} {1}", "to the sound of a {0}", "and a {0} {1}", "and a {0} is heard")
SOUND_ALONE = ("a {0} {1}", "the sound of a {0}")
TIMES = ("once", "twice", "three times", "four times")
PITCHES = ("high", "low")  # of a small and of a big shape

Wording = Callable[[int], int]


def caption(claims: np.ndarray, rng: np.random.Generator | None = None) -> str:
    """Say ``claims`` int (2, 7) in English.

    Args:
        claims: at least one must be made.
        rng: picks a wording for every part. Default: the canonical one.

    Returns:
        Lower-case text, for example "a small red star moves left on a striped background".
    """
    choose = _wording(rng)
    parts = [part for event in claims if (part := _event_clause(event, choose))]
    text = SEQUENCES[choose(len(SEQUENCES))].format(*parts) if len(parts) == 2 else "".join(parts)
    if claims[0, BACKGROUND] != UNSAID:
        ground = GROUNDS[choose(len(GROUNDS))].format(BACKGROUNDS[claims[0, BACKGROUND]])
        text = f"{text} {ground}".strip()
    if not text:
        raise InputError("claims must claim at least one attribute, got none")
    return text


def sound_caption(attributes: np.ndarray, rng: np.random.Generator | None = None, *, terse: bool = False) -> str:
    """Say what is heard in a clip with ``attributes`` int (2, 7).

    Args:
        attributes: of the clip.
        rng: picks a wording and leaves details out at random. Default: canonical and complete.
        terse: name the voices only, as in "a bell tolls, then a drum beats".
    """
    choose = _wording(rng)
    parts = []
    for event in attributes[attributes[:, COUNT] != ABSENT]:
        if terse or (rng is not None and rng.random() < 0.3):
            parts.append(SOUND_ALONE[choose(len(SOUND_ALONE))].format(*SOUNDS[event[SOUND]]))
        else:
            parts.append(_detailed_sound(event, named_pitch=choose(2) == 0))
    text = ", then ".join(parts)
    if not terse:
        text += {SPECKLED: " over a hiss", WAVY: " over a rumble"}.get(int(attributes[0, BACKGROUND]), "")
    return text


def _wording(rng: np.random.Generator | None) -> Wording:
    return (lambda count: 0) if rng is None else (lambda count: int(rng.integers(count)))


def _event_clause(event: np.ndarray, choose: Wording) -> str:
    if (event[:BACKGROUND] == UNSAID).all():
        if event[SOUND] == UNSAID:
            return ""
        return SOUND_ALONE[choose(len(SOUND_ALONE))].format(*SOUNDS[event[SOUND]])
    plural = event[COUNT] > 0
    clause = _noun_phrase(event, plural)
    if event[MOTION] != UNSAID:
        wordings = VERBS[MOTIONS[event[MOTION]]]
        clause += " " + wordings[choose(len(wordings))][int(plural)]
    if event[SOUND] != UNSAID:
        clause += " " + SOUND_CLAUSES[choose(len(SOUND_CLAUSES))].format(*SOUNDS[event[SOUND]])
    return clause


def _noun_phrase(event: np.ndarray, plural: bool) -> str:
    words = []
    if event[COUNT] != UNSAID:
        words.append("a" if event[COUNT] == 0 else COUNTS[event[COUNT]])
    if event[SIZE] != UNSAID:
        words.append(SIZES[event[SIZE]])
    if event[COLOUR] != UNSAID:
        words.append(tuple(COLOURS)[event[COLOUR]])
    noun = SHAPES[event[SHAPE]] if event[SHAPE] != UNSAID else "shape"
    if plural:
        noun += "es" if noun == "cross" else "s"
    words.append(noun)
    if words[0] == "a" and words[1][0] in "aeiou":
        words[0] = "an"
    return " ".join(words)


def _detailed_sound(event: np.ndarray, *, named_pitch: bool) -> str:
    name, verb = SOUNDS[event[SOUND]]
    pitch = f"{PITCHES[event[SIZE]]} " if named_pitch else ""
    change = {UP: " with rising pitch", DOWN: " with falling pitch", SPIN: " with a warble"}
    return f"a {pitch}{name} {verb} {TIMES[event[COUNT]]}{change.get(int(event[MOTION]), '')}"
