"""Frames that several metrics want of the same videos: read once, embedded for each, and found by the others.

Task: metrics of one call, such as EMScore and video-audio similarity, look at the same videos with samplers and models
of their own. While the first reads a video, the frames that the others want are taken out of the same pass.
Invariant: a metric's embeddings are those that it would make alone. What cannot be read together is read apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vqe_core.encoders.base import embeds_clips
from vqe_core.errors import VqeError
from vqe_core.media import source_identity
from vqe_core.types import MediaSource, TimedEmbeddings

if TYPE_CHECKING:
    from vqe_core.embed.videos import FrameRecipe


@dataclass(frozen=True, eq=False)
class SharedFrames:
    """What the metrics of one call want of their videos, and what was made for those that have not asked yet.

    Attributes:
        recipes: of all metrics; those of encoders of clips are left out, which take whole runs of frames.
    """

    recipes: tuple[FrameRecipe, ...]
    _found: dict[tuple[str, str], TimedEmbeddings | VqeError] = field(default_factory=dict, repr=False)

    def beside(self, recipe: FrameRecipe) -> tuple[FrameRecipe, ...]:
        """Return the other recipes that are embedded where this one is; none for one of clips."""
        if embeds_clips(recipe.encoder):
            return ()
        own = recipe_key(recipe)
        others = {recipe_key(other): other for other in self.recipes if not embeds_clips(other.encoder)}
        return tuple(other for key, other in others.items() if key != own)

    def find(self, recipe: FrameRecipe, source: MediaSource) -> TimedEmbeddings | VqeError | None:
        """Return what was made of a video for a recipe; None where nothing was."""
        return self._found.get((recipe_key(recipe), source_identity(source)))

    def keep(self, recipe: FrameRecipe, identity: str, outcome: TimedEmbeddings | VqeError) -> None:
        """Keep what was made of a video for a recipe, as long as the call lasts."""
        self._found[recipe_key(recipe), identity] = outcome


def recipe_key(recipe: FrameRecipe) -> str:
    """Return a text that is equal for recipes that make the same embeddings."""
    from vqe_core.embed.videos import recipe_parts

    return json.dumps([recipe_parts(recipe), repr(recipe.settings.reader)], sort_keys=True, default=repr)


_SHARED: ContextVar[SharedFrames | None] = ContextVar("shared_frames", default=None)


@contextmanager
def sharing_frames(recipes: Sequence[FrameRecipe]) -> Iterator[None]:
    """Share the frames that are read in the block among all of these recipes."""
    token = _SHARED.set(SharedFrames(tuple(recipes)))
    try:
        yield
    finally:
        _SHARED.reset(token)


def shared_frames() -> SharedFrames | None:
    """Return what is shared here, None outside of ``sharing_frames``."""
    return _SHARED.get()
