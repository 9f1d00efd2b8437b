"""Frames that several metrics want of the same videos: read once, embedded for each, and found by the others.

Task: metrics of one call, such as EMScore and video-audio similarity, look at the same videos with samplers and models
of their own. While the first reads a video, the frames that the others want are taken out of the same pass.
Invariant: a metric's embeddings are those that it would make alone. What cannot be read together is read apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vqe_core.encoders.base import embeds_clips
from vqe_core.media import source_identity
from vqe_core.types import MediaSource, TimedEmbeddings

if TYPE_CHECKING:
    from vqe_core.embed.videos import FrameRecipe


@dataclass(frozen=True, eq=False)
class SharedFrames:
    """Frames that the metrics of one call want of their videos, and those made for metrics that have not asked yet.

    Attributes:
        recipes: of all metrics.
    """

    recipes: tuple[FrameRecipe, ...]
    _found: dict[tuple[str, str], TimedEmbeddings] = field(default_factory=dict, repr=False)

    def beside(self, recipe: FrameRecipe) -> tuple[FrameRecipe, ...]:
        """Return the other recipes that are embedded where this one is; none for one of clips."""
        if embeds_clips(recipe.encoder):
            return ()
        own = recipe.key
        others = {other.key: other for other in self.recipes if not embeds_clips(other.encoder)}
        return tuple(other for key, other in others.items() if key != own)

    def wanted_again(self, recipe: FrameRecipe) -> bool:
        """Tell whether several metrics want just the same."""
        return sum(other.key == recipe.key for other in self.recipes) > 1

    def find(self, recipe: FrameRecipe, source: MediaSource) -> TimedEmbeddings | None:
        """Return what was made of a video for a recipe; None where nothing was."""
        return self._found.get((recipe.key, source_identity(source)))

    def keep(self, recipe: FrameRecipe, identity: str, frames: TimedEmbeddings) -> None:
        """Keep what was made of a video for a recipe, as long as the call lasts."""
        self._found[recipe.key, identity] = frames


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
