"""Rows of the toy world: true captions and frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vqe_core.toy.clips import make_clip


def toy_rows(clips: int, *, captions: int = 1, lengths: Sequence[int] = (12,)) -> dict[str, list[Any]]:
    """``captions`` rows of each of ``clips`` clips, whose numbers of frames go round ``lengths``."""
    made = [make_clip(seed, num_frames=lengths[seed % len(lengths)]) for seed in range(clips)]
    predictions = [text for clip in made for text in clip.captions(captions)]
    return {"predictions": predictions, "videos": [clip.frames for clip in made for _ in range(captions)]}
