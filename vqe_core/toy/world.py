"""Vocabulary of the toy world and the sampling of what happens in a clip.

A clip holds one event, or two in sequence, on one background. Attributes are an int64 array
(2 events, 7 attributes) with columns in the order of ``ATTRIBUTES``; each entry is an index into
``VALUES[attribute]``. A missing second event is ``ABSENT`` in every column.

Sight and sound are linked, so that either can be checked against the other: every shape has its
own voice, count is the number of notes, size the pitch, up/down a rising/falling pitch, spin a
warble; a hidden object is silent, a speckled ground hisses, a wavy one rumbles. Colour, left,
right and still make no sound.
"""

from typing import Literal

import numpy as np

from vqe_core.errors import InputError

COLOURS = {
    "red": (220, 40, 40),
    "orange": (245, 140, 25),
    "yellow": (250, 230, 60),
    "green": (40, 180, 70),
    "blue": (50, 90, 235),
    "purple": (140, 50, 190),
    "pink": (250, 140, 190),
    "white": (245, 245, 245),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "diamond", "crescent")
# The voice of SHAPES[i], with its verb. "a bell rings" would clash with the plural of "ring".
SOUNDS = (
    ("bell", "tolls"),
    ("drum", "beats"),
    ("whistle", "blows"),
    ("chime", "tinkles"),
    ("buzzer", "buzzes"),
    ("siren", "wails"),
    ("clock", "ticks"),
    ("harp", "plays"),
)
SIZES = ("small", "big")
COUNTS = ("one", "two", "three", "four")
MOTIONS = ("still", "left", "right", "up", "down", "spin", "appear", "vanish")
BACKGROUNDS = ("plain", "striped", "checkered", "dotted", "speckled", "wavy")

ATTRIBUTES = ("count", "size", "colour", "shape", "motion", "background", "sound")
COUNT, SIZE, COLOUR, SHAPE, MOTION, BACKGROUND, SOUND = range(len(ATTRIBUTES))
VALUES = {
    "count": COUNTS,
    "size": SIZES,
    "colour": tuple(COLOURS),
    "shape": SHAPES,
    "motion": MOTIONS,
    "background": BACKGROUNDS,
    "sound": tuple(name for name, _ in SOUNDS),
}
ABSENT = -2  # in attributes: there is no second event
STILL, LEFT, RIGHT, UP, DOWN, SPIN, APPEAR, VANISH = range(len(MOTIONS))
OPPOSITE = {LEFT: RIGHT, RIGHT: LEFT, UP: DOWN, DOWN: UP, APPEAR: VANISH, VANISH: APPEAR}
DIRECTIONS = {LEFT: (-1, 0), RIGHT: (1, 0), UP: (0, -1), DOWN: (0, 1)}  # unit steps, y points down
SPECKLED, WAVY = BACKGROUNDS.index("speckled"), BACKGROUNDS.index("wavy")
# A turned circle or ring looks the same, so these never spin.
UNTURNABLE = (SHAPES.index("circle"), SHAPES.index("ring"))

Heldout = Literal["exclude", "only"] | None


def is_heldout(colour: int, shape: int) -> bool:
    """Tell whether this (colour, shape) pair is kept out of every training image and caption.

    Eight of the 64 pairs are: one shape for each colour and one colour for each shape.
    """
    return (shape - 3 * colour) % len(SHAPES) == 2


def num_events(attributes: np.ndarray) -> int:
    """Return 1 or 2, the number of events in ``attributes`` int (2, 7)."""
    return 1 if attributes[1, COUNT] == ABSENT else 2


def sample_attributes(rng: np.random.Generator, *, events: int | None = None, heldout: Heldout = None) -> np.ndarray:
    """Draw what happens in a clip.

    Args:
        rng: source of randomness.
        events: 1 or 2. Default: 1 in 70 % of the draws.
        heldout: ``"exclude"`` never draws a held-out (colour, shape) pair, as in training;
            ``"only"`` gives the first event such a pair; None does not care.

    Returns:
        int64 (2, 7) attributes. The sound is always that of the shape.
    """
    if heldout not in ("exclude", "only", None):
        raise InputError(f"heldout must be 'exclude', 'only' or None, got {heldout!r}")
    if events is None:
        events = 1 if rng.random() < 0.7 else 2
    attributes = np.full((2, len(ATTRIBUTES)), ABSENT, np.int64)
    background = rng.integers(len(BACKGROUNDS))
    for event in range(events):
        colour, shape = _sample_pair(rng, heldout if event == 0 or heldout != "only" else "exclude")
        motion = _sample_motion(rng, shape, events)
        count, size = rng.integers(len(COUNTS)), rng.integers(len(SIZES))
        attributes[event] = count, size, colour, shape, motion, background, shape
    return attributes


def check_attributes(attributes: np.ndarray) -> np.ndarray:
    """Return ``attributes`` as int64 (2, 7), or say what is wrong with them."""
    attributes = np.array(attributes, np.int64)
    if attributes.shape != (2, len(ATTRIBUTES)):
        raise InputError(f"attributes must have shape (2, {len(ATTRIBUTES)}), got {attributes.shape}")
    if (attributes[1] != ABSENT).any() and attributes[0, BACKGROUND] != attributes[1, BACKGROUND]:
        raise InputError("attributes must name one background for both events")
    for event in attributes[: num_events(attributes)]:
        for name, value in zip(ATTRIBUTES, event, strict=True):
            if not 0 <= value < len(VALUES[name]):
                raise InputError(f"attributes: {name} must be in [0, {len(VALUES[name])}), got {value}")
    return attributes


def _sample_pair(rng: np.random.Generator, heldout: Heldout) -> tuple[int, int]:
    while True:
        colour, shape = int(rng.integers(len(COLOURS))), int(rng.integers(len(SHAPES)))
        if heldout is None or is_heldout(colour, shape) == (heldout == "only"):
            return colour, shape


def _sample_motion(rng: np.random.Generator, shape: int, events: int) -> int:
    while True:
        motion = int(rng.integers(len(MOTIONS)))
        if motion == SPIN and shape in UNTURNABLE:
            continue
        # In a sequence of two, an empty half would look like the other event lasting longer.
        if motion in (APPEAR, VANISH) and events == 2:
            continue
        return motion
