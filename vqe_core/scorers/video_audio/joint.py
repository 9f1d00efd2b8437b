"""Audio and images in the space of a model that was trained on both."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from vqe_core.cache import Cache, CacheKey, open_cache
from vqe_core.embed import SoundBatcher, show_progress
from vqe_core.embed.prefetch import OrderedPrefetch
from vqe_core.encoders.base import JointEncoder
from vqe_core.encoders.checkpoints import content_parts
from vqe_core.errors import VqeError, attempt
from vqe_core.media import TableMismatchError, Video, decoders_of
from vqe_core.samplers import FrameSampler
from vqe_core.scorers.row_errors import FaultWatch
from vqe_core.scorers.video_audio.audio_track import HeardSound, loud_windows, open_pair
from vqe_core.scorers.video_audio.cache_entries import Place, entry_of_windows, pair_parts, windows_of_entry
from vqe_core.scorers.video_audio.options import VideoAudioOptions
from vqe_core.scorers.video_audio.pairs import PairResult, SoundPair
from vqe_core.scorers.video_audio.windows import WindowedEmbeddings, Windowing, profile_entry
from vqe_core.types import Frames
from vqe_core.workers import DecodeWorker, WorkerPool, one_row


class Made(NamedTuple):
    """Windows of a pair, warnings on them, and what decoded the images."""

    windows: WindowedEmbeddings
    notes: tuple[str, ...]
    reader: str


@dataclass(frozen=True, eq=False)
class _Sound:
    """Windows of a sound; the images of each window follow.

    Attributes:
        place: where the windows of the pair are kept.
        times: float64 (S, 2) seconds.
        waveforms: mono, S of them.
        loud: bool (S,), which windows hold a sound.
        notes: warnings for the row.
        reader: what decodes the images.
    """

    place: Place
    times: Tensor
    waveforms: list[np.ndarray]
    loud: Tensor
    notes: tuple[str, ...]
    reader: str


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
        results: dict[int, PairResult | VqeError] = {}
        waiting: dict[int, tuple[_Sound, Tensor]] = {}
        sounds, watch = SoundBatcher[int](self.encoder.embed_audio, self.encoder.sampling_rate), FaultWatch()

        def finish(embedded: Iterable[tuple[int, Tensor | VqeError]]) -> None:
            for i, audio in embedded:
                results[i] = watch.attempt(self._finished, *waiting.pop(i), audio)

        bar = show_progress(range(len(pairs)), "videos", len(pairs), self.options.progress)
        pool = WorkerPool.of(self.options, [source for pair in pairs for source in pair.sources])
        with (
            pool,
            OrderedPrefetch(
                len(pairs), lambda i, worker: self._read(pairs[i], worker), threads=1, worker=pool.worker, waiting=1
            ) as reading,
        ):
            for i in bar:
                outcome = attempt(self._seen, reading.items(i))
                if isinstance(outcome, tuple):
                    sound, visual = outcome
                    waiting[i] = replace(sound, waveforms=[]), visual
                    finish(sounds.add(i, sound.waveforms))
                else:
                    watch.note(outcome)
                    results[i] = outcome
            finish(sounds.flush())
        return [results[i] for i in range(len(pairs))]

    @cached_property
    def _cache(self) -> Cache | None:
        return open_cache(self.options.cache_dir)

    def _seen(self, parts: Generator[_Part, None, None]) -> PairResult | tuple[_Sound, Tensor]:
        """Return the result of a pair whose windows are stored, else its sound and its images embedded (S, D)."""
        visual: list[Tensor] = []
        known, strange = getattr(self.encoder, "known_world", None), list[bool]()
        with closing(parts):  # what is left of a pair that failed must not hold up the next
            for part in parts:
                if isinstance(part, Made):
                    return self._result(part)
                if isinstance(part, _Sound):
                    sound, visual, strange = part, [], []
                else:
                    if known is not None:
                        strange += self.encoder.strange_frames(part)  # type: ignore[attr-defined]  # who knows a world
                    visual.append(self.windowing.embed_frames(part, self.encoder))
        notes = () if known is None else known.clip_notes(strange)
        return replace(sound, notes=(*sound.notes, *notes)), torch.stack(visual)

    def _finished(self, sound: _Sound, visual: Tensor, audio: Tensor | VqeError) -> PairResult:
        """Return the result of a pair whose sound is embedded too, and store its windows."""
        if isinstance(audio, VqeError):
            raise audio
        windows = WindowedEmbeddings(sound.times, visual, audio, sound.loud)
        sound.place.keep(entry_of_windows(windows, sound.notes, sound.reader))
        return self._result(Made(windows, sound.notes, sound.reader))

    def _result(self, made: Made) -> PairResult:
        windows, notes, reader = made
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
        place = Place.of(pair, self._cache, self._key(pair))
        entry = place.find()
        if entry is not None:
            yield Made(*windows_of_entry(entry))
            return
        with one_row(worker, pair.clock):
            video, heard_while = open_pair(pair.video, pair.audio, worker, self.options.video_reader)
            try:
                yield from self._read_windows(video, heard_while(video), place)
            except TableMismatchError:
                video = video.decoded()
                yield from self._read_windows(video, heard_while(video), place)

    def _read_windows(self, video: Video, heard: HeardSound, place: Place) -> Iterator[_Part]:
        times, waveforms = self.windowing.cut(heard, self.encoder)
        notes = (*video.table.warnings, *heard.notes)
        yield _Sound(place, times, waveforms, loud_windows(waveforms), notes, video.read_by)
        yield from self.windowing.frames(video, times)

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
