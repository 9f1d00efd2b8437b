"""Sound by way of its tags: weighted labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from vqe_core.cache import CacheKey, Entry
from vqe_core.embed import SoundBatcher
from vqe_core.encoders.checkpoints import content_parts
from vqe_core.errors import VqeError, attempt
from vqe_core.scorers.row_errors import FaultWatch
from vqe_core.scorers.video_audio.audio_track import HeardSound, loud_windows
from vqe_core.scorers.video_audio.bridges import TagBridge, Tags
from vqe_core.scorers.video_audio.cache_entries import Place, pair_parts
from vqe_core.scorers.video_audio.frame_comparison import FrameComparison, hear_pair
from vqe_core.scorers.video_audio.pairs import PairResult, SoundPair
from vqe_core.types import TimedEmbeddings, restored_warnings, stored_warnings
from vqe_core.workers import DecodeWorker


@dataclass(frozen=True, eq=False)
class _Sound:
    """A sound that waits for its tags, with what its pair's result needs beside them.

    Attributes:
        place: where its tags are kept.
        frames: of the pair.
        loud: bool (S,), which windows hold a sound.
        notes: warnings for the row.
        heard: the whole sound, where a profile is asked for.
    """

    place: Place
    frames: TimedEmbeddings
    loud: Tensor
    notes: tuple[str, ...]
    heard: HeardSound | None


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
        """Compare each pair; one that fails gives its error. Windows of several sounds are tagged together."""
        results: dict[int, PairResult | VqeError] = {}
        waiting: dict[int, _Sound] = {}
        sounds = SoundBatcher[int](self.bridge.probabilities, self.bridge.sampling_rate)

        def finish(tagged: Iterable[tuple[int, Tensor | VqeError]]) -> None:
            for i, probabilities in tagged:
                results[i] = watch.attempt(self._finished, waiting.pop(i), probabilities, worker)

        for i, (pair, frames) in enumerate(zip(pairs, embedded, strict=True)):
            outcome = attempt(self._started, pair, frames, worker)
            if isinstance(outcome, tuple):
                waiting[i], waveforms = outcome
                finish(sounds.add(i, waveforms))
            else:
                watch.note(outcome)
                results[i] = outcome
        finish(sounds.flush())
        return [results[i] for i in range(len(pairs))]

    def _started(
        self, pair: SoundPair, frames: TimedEmbeddings | VqeError, worker: DecodeWorker | None
    ) -> PairResult | tuple[_Sound, list[np.ndarray]]:
        """Return the result of a pair whose tags are stored, else its sound and the waveforms of its windows."""
        if isinstance(frames, VqeError):
            raise frames
        heard = hear_pair(pair, frames, worker) if self.options.return_profile else None
        place = Place.of(pair, self.settings.cache, self._key(pair, frames))
        entry = place.find()
        if entry is not None:
            tags = tuple((label, weight) for label, weight in entry.notes["tags"])
            return self._result(pair, frames, tags, restored_warnings(entry.notes["notes"]), heard, worker)
        sound = hear_pair(pair, frames, worker) if heard is None else heard
        _, waveforms = self.windowing.cut(sound, self.bridge)
        loud = loud_windows(waveforms)
        return _Sound(place, frames, loud, sound.notes, heard), waveforms

    def _finished(self, sound: _Sound, probabilities: Tensor | VqeError, worker: DecodeWorker | None) -> PairResult:
        """Return the result of a pair whose windows are tagged, and store its tags."""
        if isinstance(probabilities, VqeError):
            raise probabilities
        tags = self.bridge.top(probabilities, sound.loud)
        sound.place.keep(Entry({}, {"tags": tags, "notes": stored_warnings(sound.notes)}))
        return self._result(sound.place.pair, sound.frames, tags, sound.notes, sound.heard, worker)

    def _result(
        self,
        pair: SoundPair,
        frames: TimedEmbeddings,
        tags: Tags,
        notes: tuple[str, ...],
        heard: HeardSound | None,
        worker: DecodeWorker | None,
    ) -> PairResult:
        profile = None if heard is None else self.profile(pair, heard, self.bridge, worker)
        return self.result(frames, self.bridge.direction(tags), notes, tags=tags, profile=profile)

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
