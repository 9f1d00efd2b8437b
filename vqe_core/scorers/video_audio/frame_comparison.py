"""Frames of a whole video against one direction for its sound: what the ways by words share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from vqe_core.deadline import check_deadline
from vqe_core.embed import EmbedSettings, embed_videos, progress_bar
from vqe_core.encoders import ImageTextEncoder
from vqe_core.encoders.base import JointEncoder
from vqe_core.errors import VqeError, attempt
from vqe_core.functional.similarity import cosine_matrix
from vqe_core.media import source_identity
from vqe_core.samplers import FrameSampler
from vqe_core.scorers.row_errors import FaultWatch
from vqe_core.scorers.video_audio.audio_track import HeardSound, hear, with_clock
from vqe_core.scorers.video_audio.options import VideoAudioOptions
from vqe_core.scorers.video_audio.pairs import PairResult, SoundPair
from vqe_core.scorers.video_audio.windows import Windowing, profile_entry
from vqe_core.types import TimedEmbeddings
from vqe_core.workers import DecodeWorker, WorkerPool, one_row, open_video_in

CHUNK_PAIRS = 256  # whose embeddings and sounds are held at one time


@dataclass(frozen=True, eq=False)
class FrameComparison:
    """Frames of the whole video against one direction for the sound: what description and tags share.

    Attributes:
        encoder: image-text model.
        sampler: which frames.
        windowing: for profiles.
        options: of the metric.
    """

    encoder: ImageTextEncoder
    sampler: FrameSampler
    windowing: Windowing
    options: VideoAudioOptions

    @cached_property
    def settings(self) -> EmbedSettings:
        """Settings by which frames are embedded."""
        return EmbedSettings.of(self.options, self.windowing.views)

    def compare(self, pairs: Sequence[SoundPair]) -> list[PairResult | VqeError]:
        """Compare each pair, some at a time; one that fails gives its error."""
        settings, results = self.settings, list[PairResult | VqeError]()
        decoding, comparing = FaultWatch(), FaultWatch()
        with (
            WorkerPool.of(settings, [source for pair in pairs for source in pair.sources]) as pool,
            progress_bar("videos", len(pairs), self.options.progress) as bar,
        ):
            for start in range(0, len(pairs), CHUNK_PAIRS):
                chunk = pairs[start : start + CHUNK_PAIRS]
                keys = [attempt(source_identity, pair.video) for pair in chunk]
                sources = {key: pair.video for key, pair in zip(keys, chunk, strict=True) if isinstance(key, str)}
                frames = embed_videos(
                    sources,
                    self.sampler,
                    self.encoder,
                    settings,
                    pool=pool,
                    on_outcome=lambda _, outcome: decoding.note(outcome),
                )
                for key, pair in zip(keys, chunk, strict=True):
                    if isinstance(key, str):
                        pair.clock.spent = pool.clock(key).spent
                with pool.worker() as worker:
                    found = [frames[key] if isinstance(key, str) else key for key in keys]
                    results += self.compare_embedded(chunk, found, worker, comparing)
                bar.update(len(chunk))
        return results

    def compare_embedded(
        self,
        pairs: Sequence[SoundPair],
        embedded: Sequence[TimedEmbeddings | VqeError],
        worker: DecodeWorker | None,
        watch: FaultWatch,
    ) -> list[PairResult | VqeError]:
        """Compare pairs whose frames are embedded; the part in which the methods differ.

        Args:
            pairs: some of a call.
            embedded: their frames.
            worker: decodes sounds.
            watch: runs each pair.
        """
        raise NotImplementedError

    def result(self, frames: TimedEmbeddings, direction: Tensor, notes: tuple[str, ...], **words: Any) -> PairResult:
        """Return cosine of each frame with the sound's direction."""
        values = frames.values
        similarities, visual = cosine_matrix(values, direction[None])[:, 0], values.mean(dim=0)
        return PairResult(similarities, visual, direction, frames.reader, notes=(*frames.notes, *notes), **words)

    def profile(
        self, pair: SoundPair, heard: HeardSound, bridge: JointEncoder, worker: DecodeWorker | None
    ) -> dict[str, Any] | None:
        """Return the windows of one pair, where profiles are asked for."""
        if not self.options.return_profile:
            return None
        source, _ = with_clock(pair.video, lambda: heard.samples)
        with one_row(worker, pair.clock):
            video = open_video_in(worker, source, self.settings.limits, reader=self.settings.reader)
            windows = video.read(lambda video: self.windowing.embed(video, heard, bridge))
        return profile_entry(windows, self.windowing.hop)

    def logits(self, visual: Tensor, sound: Tensor) -> Tensor:
        """Return mean over the frames of their cosine with the sound's direction: (N, D), (M, D) -> (N, M)."""
        return visual @ sound.T

    @property
    def space(self) -> str:
        """The image-text model's."""
        return self.encoder.space


def hear_pair(pair: SoundPair, frames: TimedEmbeddings | VqeError, worker: DecodeWorker | None) -> HeardSound:
    """Return a pair's sound over the span of its frames; what was wrong with the frames comes first."""
    if isinstance(frames, VqeError):
        raise frames
    check_deadline("comparing video and audio")
    with one_row(worker, pair.clock):
        return hear(pair.video, pair.audio, frames.start, frames.end, worker)
