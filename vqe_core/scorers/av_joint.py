"""Sound and picture in the space of a model that was trained on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from torch import Tensor

from vqe_core.cache import CacheKey, EmbeddingCache, open_cache
from vqe_core.embed import DecodeCrew, show_progress
from vqe_core.encoders.audio_protocols import JointEncoder
from vqe_core.encoders.checkpoints import content_parts
from vqe_core.errors import VqeError
from vqe_core.media import DecodeWorker, Video, decoders_of
from vqe_core.samplers import FrameSampler
from vqe_core.scorers.av_pairs import PairResult, SoundPair, attempt
from vqe_core.scorers.av_sound import HeardSound, see_and_hear
from vqe_core.scorers.av_stored import entry_of_windows, looked_up, pair_parts, windows_of_entry
from vqe_core.scorers.av_windows import WindowedEmbeddings, Windowing, profile_entry
from vqe_core.scorers.options import VideoAudioOptions
from vqe_core.scorers.session import embed_settings


@dataclass(frozen=True, eq=False)
class ByJointSpace:
    """Windows of picture and sound in the space of a model that was trained on both."""

    encoder: JointEncoder
    windowing: Windowing
    options: VideoAudioOptions
    name: ClassVar[str] = "joint"

    def compare(self, pairs: Sequence[SoundPair]) -> list[PairResult | VqeError]:
        """Compare each pair; one that fails gives its error."""
        bar = show_progress(pairs, "videos", len(pairs), self.options.progress)
        crew = DecodeCrew.of(embed_settings(self.options), [source for pair in pairs for source in pair.sources])
        with crew, crew.worker() as worker:
            return [attempt(self._one, pair, worker) for pair in bar]

    @cached_property
    def _cache(self) -> EmbeddingCache | None:
        return open_cache(self.options.cache_dir)

    def _one(self, pair: SoundPair, worker: DecodeWorker | None) -> PairResult:
        windows, notes, reader = looked_up(
            pair,
            self._cache,
            self._key(pair),
            lambda: self._embed(pair, worker),
            lambda made: entry_of_windows(*made),
            windows_of_entry,
        )
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
            "reader": decoders_of(pair.video, self.options.decoder),
        }
        return CacheKey("windows", {**parts, **how})

    def _embed(self, pair: SoundPair, worker: DecodeWorker | None) -> tuple[WindowedEmbeddings, tuple[str, ...], str]:
        """The windows of a pair, remarks on them, and what decoded the pictures."""
        return see_and_hear(pair.video, pair.audio, worker, self.options.decoder, self._embed_video)

    def _embed_video(self, video: Video, heard: HeardSound) -> tuple[WindowedEmbeddings, tuple[str, ...], str]:
        windows = self.windowing.embed(video, heard, self.encoder)
        return windows, (*video.table.warnings, *heard.notes), video.read_by

    def logits(self, visual: Tensor, sound: Tensor) -> Tensor:
        """The model's own: (N, D), (M, D) -> (N, M)."""
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
        """Of the model."""
        return self.encoder.signature()
