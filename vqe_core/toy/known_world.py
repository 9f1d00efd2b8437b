"""Limits of what the teaching model knows: clips and words of the toy world, so that it can say where it cannot judge.

Task: tell clips and captions of another world from those of the toy world, as the model itself scores both alike.
Conventions: images as the model takes them, uint8 (3, h, w) RGB. Limits were measured, by ``training.known_world``, and
lie beside the model with its revision; another model has none, and is never warned of.

The model's own embeddings do not tell: a frame of a cooking video lies among those of drawn clips (cosine with the
nearest .85, where drawn ones have .82 to .99). The picture does: every drawn frame is mostly ground of two tones of one
nearly grey colour.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vqe_core.toy import captions, world
from vqe_core.types import RowWarning

FILE = "known_world.json"  # beside the weights
SAME_COLOUR = 12  # levels that the differences of two channels of one colour may lie apart, coded and shrunk
TWO_TONES = 64  # levels between the two tones of a ground, at most
MOST_STRANGE = 0.5  # share of the frames of a clip; one above is another world
OUT_OF_WORLD, UNKNOWN_WORDS = "out_of_world", "unknown_words"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


class Ground(NamedTuple):
    """Ground of an image.

    Attributes:
        share: of the pixels that are of the image's commonest colour, in two tones, [0, 1].
        grey: its median brightness, 0 to 255.
        tint: largest difference of two of its channels.
    """

    share: float
    grey: float
    tint: float


def ground_of(image: Tensor) -> Ground:
    """Measure the ground of an image, uint8 (3, h, w) RGB.

    Example:
        >>> ground_of(torch.full((3, 8, 8), 100, dtype=torch.uint8))
        Ground(share=1.0, grey=100.0, tint=0.0)
    """
    red, green, blue = image.float().flatten(1)
    colour = torch.stack([red - green, green - blue])
    middle = colour.median(dim=1, keepdim=True).values
    alike = (colour - middle).abs().amax(dim=0) <= SAME_COLOUR
    levels = ((red + green + blue) / 3)[alike].sort().values
    if not len(levels):  # no pixel has the middle of both differences, as in noise
        grey = float(image.float().mean(dim=0).median())
        return Ground(0.0, grey, float(middle.abs().max()))
    # The stretch of TWO_TONES levels that holds most of them.
    ends = torch.searchsorted(levels, levels + TWO_TONES, right=True)
    counts = ends - torch.arange(len(levels))
    start = int(counts.argmax())
    ground = levels[start : int(ends[start])]
    return Ground(len(ground) / len(red), float(ground.median()), float(middle.abs().max()))


@dataclass(frozen=True)
class KnownWorld:
    """Limits of the toy world.

    Attributes:
        limits: lowest and highest of each part of ``Ground``.
        revision: of the model that they were measured for.
    """

    limits: dict[str, tuple[float, float]]
    revision: str

    def is_strange(self, image: Tensor) -> bool:
        """Tell whether an image, uint8 (3, h, w), is none of the toy world."""
        return self.is_ground_strange(ground_of(image))

    def is_ground_strange(self, ground: Ground) -> bool:
        """Tell whether a ground lies beyond a limit."""
        found = ground._asdict()
        return any(not low <= found[name] <= high for name, (low, high) in self.limits.items())

    def clip_notes(self, strange: Sequence[bool]) -> tuple[RowWarning, ...]:
        """Return a warning where most frames of a clip are strange."""
        if not strange or sum(strange) / len(strange) <= MOST_STRANGE:
            return ()
        text = (
            "the toy model cannot judge this clip: it knows drawn clips of coloured shapes only, and this one looks "
            "like none; choose another model"
        )
        return (RowWarning(text, code=OUT_OF_WORLD),)

    def text_notes(self, text: str) -> tuple[RowWarning, ...]:
        """Return a warning where a text has words that the model never saw."""
        words = unknown_words(text)
        if not words:
            return ()
        shown = ", ".join(words[:5]) + (", ..." if len(words) > 5 else "")
        told = f"the toy model never saw these words, and guesses: {shown}"
        return (RowWarning(told, code=UNKNOWN_WORDS, count=len(words)),)


@cache
def known_world_of(folder: Path, revision: str) -> KnownWorld | None:
    """Read the limits that lie beside a checkpoint; None where there are none, or they are of other weights."""
    try:
        content: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        limits = {name: (float(low), float(high)) for name, (low, high) in content["limits"].items()}
        measured = str(content["revision"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return KnownWorld(limits, revision) if measured == revision else None


def unknown_words(text: str) -> list[str]:
    """Return the distinct words of a text that are none of the toy world, in order.

    Example:
        >>> unknown_words("A dog moves left, then two red stars."), unknown_words("a bell tolls")
        (['dog'], [])
    """
    return [word for word in dict.fromkeys(_WORD.findall(text.casefold())) if word not in known_words()]


@cache
def known_words() -> frozenset[str]:
    """Return every word that a caption of the toy world can have."""
    texts: list[str] = ["a an one shape shapes the sound of with pitch over hiss rumble warble rising falling"]
    texts += [wording for verbs in captions.VERBS.values() for pair in verbs for wording in pair]
    texts += [*captions.SEQUENCES, *captions.GROUNDS, *captions.SOUND_CLAUSES, *captions.SOUND_ALONE]
    texts += [*captions.TIMES, *captions.PITCHES, *world.COLOURS, *world.SIZES, *world.COUNTS, *world.BACKGROUNDS]
    texts += [
        *world.SHAPES,
        *(f"{shape}s" for shape in world.SHAPES),
        "crosses",
        *(f"{n} {v}" for n, v in world.SOUNDS),
    ]
    return frozenset(word for text in texts for word in _WORD.findall(text.casefold()) if not word.isdigit())
