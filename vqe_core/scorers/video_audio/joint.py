"""Audio and images in the space of a model that was trained on both."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from torch import Tensor

from vqe_core.cache import CacheKey, EmbeddingCache, open_cache
from vqe_core.embed import show_progress
from vqe_core.embed.prefetch import OrderedPrefetch
from vqe_core.encoders.base import JointEncoder
from vqe_core.encoders.checkpoints import content_parts
from vqe_core.errors import VqeError
from vqe_core.media import TableMismatchError, Video, decoders_of
from vqe_core.samplers import FrameSampler
from vqe_core.scorers.row_errors import FaultWatch
from vqe_core.scorers.video_audio.audio_track import HeardSound, open_pair
from vqe_core.scorers.video_audio.cache_entries import entry_of_windows, identities, pair_parts, windows_of_entry
from vqe_core.scorers.video_audio.options import VideoAudioOptions
from vqe_core.scorers.video_audio.pairs import PairResult, SoundPair
from vqe_core.scorers.video_audio.windows import WindowedEmbeddings, Windowing, join_windows, profile_entry
from vqe_core.types import Frames
from vqe_core.workers import DecodeWorker, WorkerPool, one_row


class Made(NamedTuple):
    """Windows of a pair, warnings on them, and what decoded the images."""

    windows: WindowedEmbeddings
    notes: tuple[str, ...]
    reader: str


@dataclass(frozen=True, eq=False)
class _Sound:
    """Windows of a sound, and what is to be stored with them; the images of each window follow."""

    times: Tensor
    waveforms: list[np.ndarray]
    notes: tuple[str, ...]
    reader: str
    key: CacheKey | None
    before: list[str]


_Part: TypeAlias = Made | _Sound | Frames


@dataclass(frozen=True, eq=False)
class ByJointSpace:
    """Windows of images and audio in the space of a model that was trained on both."""

    encoder: JointEncoder
    windowing: Windowing
    options: VideoAudioOptions
    name: ClassVar[str] = "joint"

    def compare(self, pairs: Sequence[SoundPair]) -> list[PairResult | VqeError]:
        """Compare each pair, while what comes next is being read; one that fails gives its error."""
        bar = show_progress(range(len(pairs)), "videos", len(pairs), self.options.progress)
        watch = FaultWatch()
        pool = WorkerPool.of(self.options, [source for pair in pairs for source in pair.sources])
        with (
            pool,
            OrderedPrefetch(
                len(pairs), lambda i, worker: self._read(pairs[i], worker), threads=1, worker=pool.worker, waiting=1
            ) as reading,
        ):
            return [watch.attempt(self._one, pairs[i], reading.items(i)) for i in bar]

    @cached_property
    def _cache(self) -> EmbeddingCache | None:
        return open_cache(self.options.cache_dir)

    def _one(self, pair: SoundPair, parts: Generator[_Part, None, None]) -> PairResult:
        with closing(parts):  # what is left of a pair that failed must not hold up the next
            windows, notes, reader = self._embed(pair, parts)
        similarities = windows.similarity().diagonal()[windows.measured]
        visual, audio = windows.visual[windows.measured].mean(dim=0), windows.audio[windows.measured].mean(dim=0)
        return PairResult(
            similarities,
            visual,
            audio,
            reader=reader,
            logit=float(self.encoder.logits(visual[None], audio[None])[0, 0]),
            profile=profile_entry(windows, self.windowing.hop) if self.options.return_profile else None,
            notes=notes,
        )

    def _key(self, pair: SoundPair) -> CacheKey | None:
        parts = None if self._cache is None else pair_parts(pair, self._cache)
        if parts is None:
            return None
        how = {
            **self.windowing.parts(),
            "encoder": content_parts(self.encoder.signature()),
            "reader": decoders_of(pair.video, self.options.video_reader),
            **({} if getattr(self.encoder, "known_world", None) is None else {"notes": "known world"}),
        }
        return CacheKey("windows", {**parts, **how})

    def _read(self, pair: SoundPair, worker: DecodeWorker | None) -> Iterator[_Part]:
        """Read, on a prefetch thread, what is stored of a pair, or else its audio and then the images of each window.

        A damaged file, whose packets promise what is not there, gives a sound and images again, of what decodes.
        """
        key, before = self._key(pair), identities(pair)
        entry = self._cache.get(key) if self._cache is not None and key is not None else None
        if entry is not None:
            yield Made(*windows_of_entry(entry))
            return
        with one_row(worker, pair.clock):
            video, heard_while = open_pair(pair.video, pair.audio, worker, self.options.video_reader)
            try:
                yield from self._read_windows(video, heard_while(video), key, before)
            except TableMismatchError:
                video = video.decoded()
                yield from self._read_windows(video, heard_while(video), key, before)

    def _read_windows(
        self, video: Video, heard: HeardSound, key: CacheKey | None, before: list[str]
    ) -> Iterator[_Part]:
        times, waveforms = self.windowing.cut(heard, self.encoder)
        yield _Sound(times, waveforms, (*video.table.warnings, *heard.notes), video.read_by, key, before)
        yield from self.windowing.frames(video, times)

    def _embed(self, pair: SoundPair, parts: Iterator[_Part]) -> Made:
        """Return the windows of a pair, warnings on them, and what decoded the images."""
        visual: list[Tensor] = []
        known, strange = getattr(self.encoder, "known_world", None), list[bool]()
        for part in parts:
            if isinstance(part, Made):
                return part
            if isinstance(part, _Sound):
                sound, visual, strange = part, [], []
            else:
                if known is not None:
                    strange += self.encoder.strange_frames(part)  # type: ignore[attr-defined]  # who knows a world
                visual.append(self.windowing.embed_frames(part, self.encoder))
        windows = join_windows(sound.times, visual, sound.waveforms, self.encoder)
        notes = sound.notes if known is None else (*sound.notes, *known.clip_notes(strange))
        # A file that changed while it was read is not stored: the key tells what it was.
        if self._cache is not None and sound.key is not None and identities(pair) == sound.before:
            self._cache.put(sound.key, entry_of_windows(windows, notes, sound.reader))
        return Made(windows, notes, sound.reader)

    def logits(self, visual: Tensor, sound: Tensor) -> Tensor:
        """Return the model's own logits: (N, D), (M, D) -> (N, M)."""
        return self.encoder.logits(visual, sound)

    @property
    def space(self) -> str:
        """The model's."""
        return self.encoder.space

    @property
    def sampler(self) -> FrameSampler:
        """Frames within each window."""
        return self.windowing.sampler

    def signature(self) -> dict[str, Any]:
        """Return the signature of the model."""
        return self.encoder.signature()
