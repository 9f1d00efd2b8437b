"""Frame embeddings as cache entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vqe_core.cache import CacheKey, EmbeddingCache, Entry
from vqe_core.embed.sampling import FrameRecipe
from vqe_core.encoders.checkpoints import content_parts
from vqe_core.errors import VqeError
from vqe_core.media import content_digest, decoders_of
from vqe_core.samplers import sampler_spec
from vqe_core.types import MediaSource, TimedEmbeddings


@dataclass(frozen=True)
class FrameStore:
    """The frames of one recipe in a cache; without a cache nothing is found and nothing kept."""

    cache: EmbeddingCache | None
    recipe: FrameRecipe

    def key(self, source: MediaSource, *, read: bool = True) -> CacheKey | None:
        """What the frames of a video are stored under; None for what has no content to tell it by, such as a decoder.

        Args:
            source: the video.
            read: False: give None also for a file that would have to be read to tell.
        """
        if self.cache is None:
            return None
        try:
            content = content_digest(source, self.cache.digests, read=read)
        except VqeError:
            return None  # reading it tells what is wrong
        if content is None:
            return None
        reader = decoders_of(source, self.recipe.settings.decoder)
        return CacheKey("frames", {**source_parts(source, content), **recipe_parts(self.recipe), "reader": reader})

    def find(self, key: CacheKey | None) -> TimedEmbeddings | None:
        """The frames stored under a key."""
        entry = self.cache.get(key) if self.cache is not None and key is not None else None
        return None if entry is None else frames_of_entry(entry)

    def keep(self, key: CacheKey | None, frames: TimedEmbeddings) -> None:
        """Store frames under a key."""
        if self.cache is not None and key is not None:
            self.cache.put(key, entry_of_frames(frames))


def source_parts(source: MediaSource, content: str) -> dict[str, Any]:
    """The part of a key that tells a source."""
    return {"content": content, "fps": source.fps, "start": source.start, "end": source.end}


def recipe_parts(recipe: FrameRecipe) -> dict[str, Any]:
    """The part of a key that tells how frames are chosen and embedded."""
    return {
        "sampler": sampler_spec(recipe.sampler),
        "max_frames": recipe.settings.max_frames,
        "views": recipe.settings.views.names,
        "encoder": content_parts(recipe.encoder.signature()),
    }


def entry_of_frames(frames: TimedEmbeddings) -> Entry:
    """The entry that ``frames_of_entry`` reads."""
    arrays = {"values": frames.distinct.numpy(), "indices": frames.distinct_indices, "where": frames.where}
    if frames.distinct_timestamps is not None:
        arrays["timestamps"] = frames.distinct_timestamps
    notes = {"notes": list(frames.notes), "reader": frames.reader, "start": frames.start, "end": frames.end}
    return Entry(arrays, notes)


def frames_of_entry(entry: Entry) -> TimedEmbeddings:
    """The embeddings as they were stored, bit for bit."""
    timestamps = entry.arrays.get("timestamps")
    return TimedEmbeddings(
        distinct=torch.from_numpy(entry.arrays["values"]),
        distinct_timestamps=None if timestamps is None else np.asarray(timestamps),
        distinct_indices=entry.arrays["indices"],
        where=entry.arrays["where"],
        notes=tuple(entry.notes["notes"]),
        reader=entry.notes["reader"],
        start=entry.notes["start"],
        end=entry.notes["end"],
    )
