"""Drawing: attributes to frames, by arithmetic on signed distances.

Coordinates are fractions of the image's side, y points down. Everything random about an event is
drawn once in ``stage_event``, so that a clip looks the same at every size and frame rate.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vqe_core.toy.world import (
    APPEAR,
    BACKGROUND,
    COLOUR,
    COLOURS,
    COUNT,
    DIRECTIONS,
    MOTION,
    SHAPE,
    SHAPES,
    SIZE,
    SPIN,
    VANISH,
    num_events,
)

RADII = (0.145, 0.205)  # small, big; smaller ones make shapes hard to tell apart at 64 px
RIM = 0.13  # width of the dark rim, in radii: keeps every colour visible on every ground
NOISE = 3.0  # grey levels


@dataclass(frozen=True)
class Stage:
    """The random choices of one event.

    ``centres`` (n, 2) in the middle of the event, ``travel`` (2,) is the way from there to the end,
    ``turns`` per event with ``tilt`` (radians) at the start, ``switch`` the share of the event at
    which an appearing or vanishing object changes.
    """

    shape: str
    colour: np.ndarray
    radius: float
    centres: np.ndarray
    travel: np.ndarray
    turns: float
    tilt: float
    motion: int
    switch: float


def draw_clip(
    attributes: np.ndarray, rng: np.random.Generator, *, size: int, num_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the frames of a clip.

    Args:
        attributes: int (2, 7).
        rng: textures, places, shades, noise.
        size: side of the square image, pixels.
        num_frames: at equal distances; two events share them equally.

    Returns:
        uint8 (num_frames, size, size, 3) RGB frames, and bool (num_frames,), True where the object
        is on screen.
    """
    events = num_events(attributes)
    brightness = rng.uniform(0.92, 1.08)
    canvas = np.repeat(draw_ground(int(attributes[0, BACKGROUND]), rng, size)[None], num_frames, axis=0)
    position = (np.arange(num_frames) + 0.5) / num_frames * events  # event index + progress in it
    visible = np.zeros(num_frames, bool)
    for event in range(events):
        frames = position.astype(int) == event
        stage, progress = stage_event(attributes[event], rng), position[frames] - event
        visible[frames] = is_visible(stage, progress)
        canvas[frames] = draw_event(canvas[frames], stage, progress)
    canvas = canvas * np.float32(brightness) + NOISE * rng.standard_normal(canvas.shape, np.float32)
    return np.clip(canvas, 0, 255).astype(np.uint8), visible


def stage_event(event: np.ndarray, rng: np.random.Generator) -> Stage:
    """Draw the random choices for one event int (7,)."""
    count, motion = int(event[COUNT]) + 1, int(event[MOTION])
    step = np.array(DIRECTIONS.get(motion, (0, 0)), float)
    shade = rng.uniform(0.92, 1.04)
    turns = rng.choice([-1, 1]) * rng.uniform(0.6, 1.2)
    tilt = rng.uniform(0, 2 * np.pi) if motion == SPIN else rng.uniform(-0.12, 0.12)
    return Stage(
        shape=SHAPES[event[SHAPE]],
        colour=np.array(tuple(COLOURS.values())[event[COLOUR]], np.float32) * np.float32(shade),
        radius=RADII[event[SIZE]] * rng.uniform(0.95, 1.05),
        centres=_centres(count, rng),
        travel=step * (0.20 if count == 1 else 0.10),
        turns=turns if motion == SPIN else 0.0,
        tilt=tilt,
        motion=motion,
        switch=rng.uniform(0.35, 0.65),
    )


def is_visible(stage: Stage, progress: np.ndarray) -> np.ndarray:
    """Say at which ``progress`` float (T,) in [0, 1) of the event the object is on screen."""
    if stage.motion == APPEAR:
        return progress >= stage.switch
    if stage.motion == VANISH:
        return progress < stage.switch
    return np.ones(len(progress), bool)


def draw_event(canvas: np.ndarray, stage: Stage, progress: np.ndarray) -> np.ndarray:
    """Return ``canvas`` float (T, S, S, 3) with the objects of one event painted on it."""
    side = canvas.shape[1]
    pixels = (np.arange(side, dtype=np.float32) + 0.5) / side
    sharpness = stage.radius * side  # pixels per radius: edges are one pixel soft
    visible = is_visible(stage, progress)[:, None, None, None]
    places = [_local(centre, stage, progress, pixels) for centre in stage.centres]
    if stage.travel.any():
        for x, y in places:  # all trails first, so that none crosses an object
            trail = _coverage(_speed_lines(x, y, np.sign(stage.travel)), sharpness) * 0.8
            canvas = canvas + trail * (235 - canvas)
    for x, y in places:
        distance = DISTANCES[stage.shape](*_turned(x, y, stage.tilt + 2 * np.pi * stage.turns * progress))
        inner = _coverage(distance + RIM, sharpness)
        paint = stage.colour * (0.25 + 0.75 * inner)
        canvas = canvas + _coverage(distance, sharpness) * visible * (paint - canvas)
    return canvas


def draw_ground(background: int, rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw a two-tone textured ground float32 (size, size, 3), grey enough for every colour."""
    v, u = np.mgrid[0:size, 0:size].astype(np.float32) / size
    base = rng.uniform(70, 120) + rng.uniform(-14, 14, 3)
    other = base + rng.choice([-1, 1]) * rng.uniform(32, 48)
    frequency, phase, angle = rng.uniform(5, 7), rng.uniform(0, 1), rng.uniform(0, np.pi)
    column, row = u * frequency + phase, v * frequency + phase
    along = frequency * (u * np.cos(angle) + v * np.sin(angle)) + phase
    cells = rng.random((24, 24))
    cell = np.arange(size) * 24 // size
    pattern = (
        lambda: np.zeros((size, size)),
        lambda: np.sin(2 * np.pi * along) > 0,
        lambda: (np.floor(column) + np.floor(row)) % 2,
        lambda: np.hypot(column % 1 - 0.5, row % 1 - 0.5) < 0.27,
        lambda: cells[np.ix_(cell, cell)],
        lambda: np.sin(2 * np.pi * frequency * (v + 0.06 * np.sin(2 * np.pi * (2 * u + phase)))) > 0,
    )[background]()
    share = np.asarray(pattern, np.float32)[..., None]
    return (base * (1 - share) + other * share).astype(np.float32)


def _centres(count: int, rng: np.random.Generator) -> np.ndarray:
    if count == 1:
        return rng.uniform(0.34, 0.66, (1, 2))
    slots = np.array([(0.29, 0.29), (0.71, 0.29), (0.29, 0.71), (0.71, 0.71)])
    return slots[rng.permutation(4)[:count]] + rng.uniform(-0.04, 0.04, (count, 2))


def _local(centre: np.ndarray, stage: Stage, progress: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pixel coordinates (T, 1, S) and (T, S, 1) as seen from one object, in radii."""
    place = (centre + stage.travel * (2 * progress[:, None] - 1)).astype(np.float32)  # (T, 2)
    x = (pixels[None, None, :] - place[:, 0, None, None]) / np.float32(stage.radius)
    y = (pixels[None, :, None] - place[:, 1, None, None]) / np.float32(stage.radius)
    return x, y


def _coverage(distance: np.ndarray, sharpness: float) -> np.ndarray:
    return np.clip(0.5 - distance * sharpness, 0, 1)[..., None].astype(np.float32)


def _turned(x: np.ndarray, y: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cos, sin = (f(angle)[:, None, None].astype(np.float32) for f in (np.cos, np.sin))
    return x * cos + y * sin, y * cos - x * sin


def _speed_lines(x: np.ndarray, y: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return the distance to three strokes behind a moving object: they make direction visible in one frame."""
    behind, aside = -(x * step[0] + y * step[1]), x * step[1] + y * step[0]
    stroke = np.minimum(np.minimum(abs(aside), abs(aside - 0.55)), abs(aside + 0.55)) - 0.12
    return np.maximum(np.maximum(stroke, 1.1 - behind), behind - 2.1)


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    point = np.mod(np.arctan2(x, -y), 2 * np.pi / 5) / (2 * np.pi / 5)
    return np.hypot(x, y) - (0.40 + 0.65 * abs(2 * point - 1) ** 1.3)


def _cross(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.minimum(np.maximum(abs(x) - 1, abs(y) - 0.3), np.maximum(abs(x) - 0.3, abs(y) - 1))


# Distance to the outline in radii, negative inside, for x and y in radii from the centre.
DISTANCES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "circle": lambda x, y: np.hypot(x, y) - 0.9,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) - 0.78,
    "triangle": lambda x, y: np.maximum(abs(x) * 0.866 - y * 0.5, y) - 0.55,
    "star": _star,
    "cross": _cross,
    "ring": lambda x, y: abs(np.hypot(x, y) - 0.72) - 0.2,
    "diamond": lambda x, y: (abs(x) / 0.6 + abs(y) - 1.05) * 0.6,
    "crescent": lambda x, y: np.maximum(np.hypot(x, y) - 0.95, 0.8 - np.hypot(x - 0.5, y)),
}
