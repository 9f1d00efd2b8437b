"""Images and audio side by side in time: embeddings window by window, and the profile they give."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from vqe_core.deadline import check_deadline
from vqe_core.embed import FrameViews
from vqe_core.encoders.base import JointEncoder
from vqe_core.functional.profile import av_profile, temporal_contrast
from vqe_core.functional.reductions import (
    WindowReduction,
    avh_similarity,
    pooled_similarity,
    reduce_windows,
    window_match,
)
from vqe_core.functional.similarity import cosine_matrix
from vqe_core.media import Video, gathered
from vqe_core.samplers import FrameSampler, cap_positions, sampler_spec
from vqe_core.scorers.video_audio.audio_track import HeardSound, loud_windows, sound_windows
from vqe_core.timings import timed
from vqe_core.types import Frames


@dataclass(frozen=True)
class WindowedEmbeddings:
    """Embeddings of the same windows of imagess and audio.

    Attributes:
        times: float64 (S, 2) seconds.
        visual, audio: float32 (S, D), as the model gives them.
        measured: bool (S,), False where a window is silent.
    """

    times: Tensor
    visual: Tensor
    audio: Tensor
    measured: Tensor

    def similarity(self) -> Tensor:
        """Cosines float32 (S, S), image window by sound window; columns of silent windows are NaN."""
        matrix = cosine_matrix(self.visual, self.audio)
        return matrix.masked_fill(~self.measured[None, :], torch.nan)


@dataclass(frozen=True)
class Windowing:
    """Division of a row into windows.

    Attributes:
        window, hop: seconds; None: what the model hears at once, and no overlap.
        sampler: frames within each window.
        max_frames: most distinct frames of one window.
        views: flipped copies of each window, whose embeddings are averaged with its own.
    """

    window: float | None
    hop: float | None
    sampler: FrameSampler
    max_frames: int
    views: FrameViews

    def parts(self) -> dict[str, Any]:
        """Plain values that tell it from others, for a cache key."""
        return {
            "window": self.window,
            "hop": self.hop,
            "sampler": sampler_spec(self.sampler),
            "max_frames": self.max_frames,
            "views": self.views.names,
        }

    def cut(self, heard: HeardSound, model: JointEncoder) -> tuple[Tensor, list[np.ndarray]]:
        """Times float64 (S, 2) in seconds and mono waveforms of the windows of a sound, as ``model`` hears them.

        Raises:
            InputError: the window is longer than the model hears.
        """
        window = self.window or min(model.window, model.longest)
        return sound_windows(
            heard, sampling_rate=model.sampling_rate, window=window, hop=self.hop or window, longest=model.longest
        )

    def embed(self, video: Video, heard: HeardSound, encoder: JointEncoder) -> WindowedEmbeddings:
        """Embed the windows of the sound, and of the images at the same times.

        Raises:
            InputError: the window is longer than the model hears.
            MediaError: a frame cannot be read, or every window is silent.
        """
        times, waveforms = self.cut(heard, encoder)
        loud = loud_windows(waveforms)
        visual = [self.embed_frames(frames, encoder) for frames in self.frames(video, times)]
        with timed("sounds"):
            audio = encoder.embed_audio(waveforms)
        return WindowedEmbeddings(times, torch.stack(visual), audio, loud)

    def embed_frames(self, frames: Frames, encoder: JointEncoder) -> Tensor:
        """Embed the images of one window -> float32 (D,), the mean with its flipped copies."""
        check_deadline("comparing video and audio")
        return encoder.embed_video(self.views.of(frames)).mean(dim=0)

    def frames(self, video: Video, times: Tensor) -> Iterator[Frames]:
        """Sampled frames of each window, of any sizes, in one pass; a frame is held while a window needs it."""
        if self.sampler.needs_differences:
            video = video.with_differences()
        wanted = [self._positions(video, start, end) for start, end in times.tolist()]
        frames = video.frames(np.unique(np.concatenate(wanted)))
        held: dict[int, np.ndarray] = {}
        for i, positions in enumerate(wanted):
            while not held or max(held) < positions[-1]:
                frame = next(frames)
                held[frame.position] = frame.pixels
            yield gathered([held[position] for position in positions.tolist()])
            needed = min((later[0] for later in wanted[i + 1 :]), default=math.inf)
            held = {
                position: pixels for position, pixels in held.items() if position >= needed or position == max(held)
            }

    def _positions(self, video: Video, start: float, end: float) -> np.ndarray:
        """Positions in the video's own table of the frames sampled within one window."""
        part = video.table.segment(start, end)
        chosen, _ = cap_positions(self.sampler.select(part), self.max_frames)
        positions: np.ndarray = np.searchsorted(video.table.indices, part.indices[chosen])
        return positions


def profile_entry(windows: WindowedEmbeddings, hop: float | None) -> dict[str, Any]:
    """Return the ``profile`` of one video: plain values, None where nothing was measured.

    Args:
        windows: of the video.
        hop: seconds between windows; None: the length of the first.
    """
    matrix = windows.similarity()
    step = hop or float(windows.times[0, 1] - windows.times[0, 0])
    profile, contrast = av_profile(matrix, windows.times, step), temporal_contrast(matrix)
    worst, match = profile.worst, window_match(matrix)
    reductions = {mode: float(reduce_windows(matrix, mode)) for mode in get_args(WindowReduction)}
    audio = windows.audio[windows.measured]
    pooled = float(pooled_similarity(windows.visual[windows.measured], audio))
    whole_sound = float(avh_similarity(windows.visual, audio.mean(dim=0)))
    return {
        "times": windows.times.tolist(),
        "similarity": _plain(profile.diagonal),
        "matrix": [_plain(row) for row in matrix],
        "worst": None if worst is None else {"start": worst.start, "end": worst.end, "similarity": worst.value},
        "best_lag": _number(profile.best_lag),
        "lags": _plain(profile.lags),
        "lag_similarity": _plain(profile.lag_similarity),
        **reductions,
        "pooled": pooled,
        "avh": whole_sound,
        "precision": float(match.precision),
        "recall": float(match.recall),
        "f1": float(match.f1),
        "temporal_contrast": _number(contrast.contrast),
        "temporal_p_value": _number(contrast.p_value),
    }


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(float(value)) else None


def _plain(values: Tensor) -> list[float | None]:
    return [_number(value) for value in values.tolist()]
