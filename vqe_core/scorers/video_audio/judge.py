"""Audio and images by a judge that sees and hears: one number a clip, and no space to compare other clips in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from vqe_core.embed import EmbedSettings, progress_bar
from vqe_core.errors import InputError, VqeError
from vqe_core.llm.client import JUDGE
from vqe_core.llm.judge import Judge
from vqe_core.llm.judge_prompt import LONGEST_SIDE, JudgedClip, Judgement, as_judgement
from vqe_core.media import Video, gathered, resample, shrunk
from vqe_core.samplers import FrameSampler, cap_positions
from vqe_core.scorers.llm_calls import ask_once
from vqe_core.scorers.row_errors import FaultWatch
from vqe_core.scorers.video_audio.audio_track import HeardSound, see_and_hear
from vqe_core.scorers.video_audio.options import VideoAudioOptions
from vqe_core.scorers.video_audio.pairs import PairResult, SoundPair
from vqe_core.types import shape_of
from vqe_core.workers import DecodeWorker, WorkerPool, one_row

CHUNK_PAIRS = 32  # whose images and sounds are held at one time
MOST_FRAMES = 32  # of one clip: each is paid for, by whoever runs the model


@dataclass(frozen=True, eq=False)
class _Shown:
    """One pair as a judge is shown it, with what read the images and warnings for the row."""

    clip: JudgedClip
    reader: str
    notes: tuple[str, ...]
    digest: bytes


def _digest(clip: JudgedClip) -> bytes:
    """Equal for equal images and sounds."""
    about = f"{shape_of(clip.frames)}:{clip.timestamps.tolist()}:{clip.sampling_rate}:"
    pixels = b"".join(image.tobytes() for image in clip.frames)
    return hashlib.sha256(about.encode() + pixels + clip.waveform.tobytes()).digest()


@dataclass(frozen=True, eq=False)
class ByJudge:
    """Sampled images and the sound of the same seconds, shown to a judge."""

    judge: Judge
    sampler: FrameSampler
    options: VideoAudioOptions
    name: ClassVar[str] = "judge"
    space: ClassVar[str | None] = None

    def compare(self, pairs: Sequence[SoundPair]) -> list[PairResult | VqeError]:
        """Judge each pair, some at a time; one that fails gives its error and is not shown."""
        results, watch = list[PairResult | VqeError](), FaultWatch()
        with (
            WorkerPool.of(
                EmbedSettings.of(self.options), [source for pair in pairs for source in pair.sources]
            ) as pool,
            progress_bar("videos", len(pairs), self.options.progress) as bar,
        ):
            for start in range(0, len(pairs), CHUNK_PAIRS):
                chunk = pairs[start : start + CHUNK_PAIRS]
                with pool.worker() as worker:
                    shown = [watch.attempt(self._show, pair, worker) for pair in chunk]
                results += self._judged(shown)
                bar.update(len(chunk))
        return results

    def _show(self, pair: SoundPair, worker: DecodeWorker | None) -> _Shown:
        with one_row(worker, pair.clock):
            return see_and_hear(pair.video, pair.audio, worker, self.options.video_reader, self._clip)

    def _clip(self, video: Video, heard: HeardSound) -> _Shown:
        """Sample frames within the seconds in which there is audio too."""
        if self.sampler.needs_differences:
            video = video.with_differences()
        sound = heard.samples
        part = video.table.segment(sound.start, sound.end)
        positions, note = cap_positions(self.sampler.select(part), min(self.options.max_frames, MOST_FRAMES))
        chosen = np.unique(positions)
        frames = video.frames(np.searchsorted(video.table.indices, part.indices[chosen]))
        if self.judge.sampling_rate is not None:
            sound = resample(sound, self.judge.sampling_rate)
        clip = JudgedClip(
            frames=gathered([shrunk(frame.pixels, LONGEST_SIDE) for frame in frames]),
            # The frame on display when the sound begins may have come before it.
            timestamps=np.maximum(part.timestamps[chosen] - sound.start, 0.0),
            waveform=sound.waveform[0],
            sampling_rate=sound.sampling_rate,
        )
        notes = (*video.table.warnings, *heard.notes, *([note] if note else []))
        return _Shown(clip, video.read_by, notes, _digest(clip))

    def _judged(self, shown: Sequence[_Shown | VqeError]) -> list[PairResult | VqeError]:
        asked = [item for item in shown if isinstance(item, _Shown)]
        keys, clips = [item.digest for item in asked], [item.clip for item in asked]
        answers = iter(ask_once(JUDGE, keys, clips, self.judge.judge, as_judgement) if asked else [])
        return [item if isinstance(item, VqeError) else _result(item, next(answers)) for item in shown]

    def logits(self, visual: Tensor, sound: Tensor) -> Tensor:
        """There are none: a judge has no space."""
        raise InputError("a judge gives one number a clip, so that clips cannot be compared with other sounds")

    def signature(self) -> dict[str, Any]:
        """Return the signature of the judge, and of what the images are made with."""
        return {"judge": self.judge.signature(), "pictures": f"{LONGEST_SIDE} pixels"}


def _result(shown: _Shown, answer: Judgement | VqeError) -> PairResult | VqeError:
    if isinstance(answer, VqeError):
        return answer
    # float64: 0.7 must pass min_score=0.7
    score = torch.tensor([answer.score], dtype=torch.float64)
    return PairResult(score, reader=shown.reader, reason=answer.reason, notes=shown.notes)
