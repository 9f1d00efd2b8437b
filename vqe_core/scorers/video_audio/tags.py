"""Sound by way of its tags: weighted labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from vqe_core.cache import CacheKey, Entry
from vqe_core.encoders.checkpoints import content_parts
from vqe_core.errors import VqeError
from vqe_core.scorers.row_errors import FaultWatch
from vqe_core.scorers.video_audio.audio_track import HeardSound, loud_windows
from vqe_core.scorers.video_audio.bridges import TagBridge, Tags
from vqe_core.scorers.video_audio.cache_entries import looked_up, pair_parts
from vqe_core.scorers.video_audio.frame_comparison import FrameComparison, hear_pair
from vqe_core.scorers.video_audio.pairs import PairResult, SoundPair
from vqe_core.types import TimedEmbeddings, restored_warnings, stored_warnings
from vqe_core.workers import DecodeWorker


@dataclass(frozen=True, eq=False)
class ByTags(FrameComparison):
    """Frames against the sound's weighted labels."""

    name: ClassVar[str] = "tags"
    bridge: TagBridge

    def compare_embedded(
        self,
        pairs: Sequence[SoundPair],
        embedded: Sequence[TimedEmbeddings | VqeError],
        worker: DecodeWorker | None,
        watch: FaultWatch,
    ) -> list[PairResult | VqeError]:
        """Compare each pair; one that fails gives its error."""
        return [watch.attempt(self._one, pair, frames, worker) for pair, frames in zip(pairs, embedded, strict=True)]

    def _one(self, pair: SoundPair, frames: TimedEmbeddings | VqeError, worker: DecodeWorker | None) -> PairResult:
        if isinstance(frames, VqeError):
            raise frames
        heard = hear_pair(pair, frames, worker) if self.options.return_profile else None
        tags, notes = looked_up(
            pair,
            self.settings.cache,
            self._key(pair, frames),
            lambda: self._tag(hear_pair(pair, frames, worker) if heard is None else heard),
            lambda made: Entry({}, {"tags": made[0], "notes": stored_warnings(made[1])}),
            lambda entry: (
                tuple((label, weight) for label, weight in entry.notes["tags"]),
                restored_warnings(entry.notes["notes"]),
            ),
        )
        profile = None if heard is None else self.profile(pair, heard, self.bridge, worker)
        return self.result(frames, self.bridge.direction(tags), notes, tags=tags, profile=profile)

    def _tag(self, heard: HeardSound) -> tuple[Tags, tuple[str, ...]]:
        _, waveforms = self.windowing.cut(heard, self.bridge)
        return self.bridge.tag(waveforms, loud_windows(waveforms)), heard.notes

    def _key(self, pair: SoundPair, frames: TimedEmbeddings) -> CacheKey | None:
        cache = self.settings.cache
        parts = None if cache is None else pair_parts(pair, cache)
        if parts is None:
            return None
        how = {
            "span": [frames.start, frames.end],
            "window": self.windowing.window,
            "hop": self.windowing.hop,
            "labels": list(self.bridge.labels),
            "tagger": content_parts(self.bridge.tagger.signature()),
        }
        return CacheKey("tags", {**parts, **how})

    def signature(self) -> dict[str, Any]:
        """Return the signatures of both models and of the labels."""
        import hashlib

        digest = hashlib.sha256("\n".join(self.bridge.labels).encode()).hexdigest()[:12]
        return {**self.bridge.signature(), "labels": digest}
