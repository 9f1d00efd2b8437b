"""The sound that is heard while a video is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from vqe_core.errors import InputError, MediaError, VqeError
from vqe_core.functional.windows import common_span, window_bounds
from vqe_core.media import (
    NoSoundThereError,
    Video,
    VideoReader,
    audio_status,
    is_silent,
    resample,
    slice_seconds,
    to_mono,
)
from vqe_core.scorers.video_audio.rows import SoundSource
from vqe_core.types import AudioSamples, MediaSource, RowWarning
from vqe_core.workers import DecodeWorker, open_video_in, read_audio_in

# A sound and a video may differ by this much before the row says so.
MAX_UNCOVERED = 1.0  # seconds
MAX_UNCOVERED_SHARE = 0.05
MAX_WINDOWS = 10_000  # of one sound: nearly three hours, second by second

Result = TypeVar("Result")
Span = tuple[float | None, float | None]  # seconds, start and end


@dataclass(frozen=True)
class HeardSound:
    """Sound of the common span, mono, at its native rate; ``notes`` are warnings for the row."""

    samples: AudioSamples
    notes: tuple[str, ...] = ()


def read_sound(
    video: MediaSource,
    audio: SoundSource | None,
    worker: DecodeWorker | None = None,
    within: Span = (None, None),
) -> AudioSamples:
    """Decode a row's sound: the given one, or else the video's own track; in ``worker`` where there is one.

    Args:
        video, audio: the pair; None for the video's own track.
        worker: decodes, where there is one.
        within: seconds on the clock of the sound; only what is heard then is decoded.

    Raises:
        MediaError: no sound, or one that cannot be read; ``code`` says why.
    """
    return read_audio_in(worker, video if audio is None else audio, within=within)


def sound_offset(video: MediaSource, audio: SoundSource | None, start: float) -> float:
    """Return seconds to add to a sound's clock to put it on the clock of the video's frames.

    A video's own track is on that clock already. A sound file runs beside the whole video file: second 0 of both is
    the same moment, also where a segment of the video is compared. Samples without a file begin with the segment, or
    with the file where there is none.

    Args:
        video, audio: the pair; None for the video's own track.
        start: seconds, where what is compared of the video begins.
    """
    if audio is None:
        return 0.0
    if video.decoder is not None and video.start is None:
        # Open decoders do not tell where their file starts.
        return start
    return video.start or 0.0 if isinstance(audio, AudioSamples) else 0.0


def hear(
    video: MediaSource, audio: SoundSource | None, start: float, end: float, worker: DecodeWorker | None
) -> HeardSound:
    """Read what is heard from ``start`` to ``end`` of a video, and no more of its sound than that.

    Args:
        video, audio: the pair; None for the video's own track.
        start, end: seconds, what is compared of the video; equal where its frames have no clock, and then the whole
            sound belongs to it.
        worker: decodes, where there is one.

    Raises:
        MediaError: see ``read_sound``; ``silent``, ``too_short`` or ``non_finite_audio``.
        InputError: the two have no second in common, ``no_overlap``.
    """
    offset = sound_offset(video, audio, start)
    first = start - offset if start > offset else None
    try:
        sound = read_sound(video, audio, worker, (first, end - offset) if end > start else (None, None))
    except NoSoundThereError as error:
        raise _no_overlap(error, start, end, offset) from None
    source = video if audio is None else audio
    segment = (source.start, source.end) if isinstance(source, MediaSource) else (None, None)
    return heard_during(sound, start, end, offset=offset, whole=_seconds_in_all(sound, segment))


def _no_overlap(error: NoSoundThereError, start: float, end: float, offset: float) -> VqeError:
    """Return the error of a sound that there is, but not while the video is seen."""
    if end <= start:
        return error
    if error.extent is not None:
        try:
            common_span(start, end, audio_start=error.extent[0] + offset, audio_end=error.extent[1] + offset)
        except InputError as told:
            return told
    return InputError(
        f"the image covers [{start:g}, {end:g}) s, and there is no sound then; give a sound of the same time, or "
        "shift its start",
        code="no_overlap",
    )


def _seconds_in_all(sound: AudioSamples, segment: Span) -> float:
    """Return how long the whole sound is within its own segment, as far as that is known."""
    if sound.extent is None:
        return sound.duration
    low, high = sound.extent
    low = low if segment[0] is None else max(low, segment[0])
    high = high if segment[1] is None else min(high, segment[1])
    return max(high - low, sound.duration)


def heard_during(
    samples: AudioSamples, start: float, end: float, *, offset: float, whole: float | None = None
) -> HeardSound:
    """Return the part of a sound that is heard while the video is seen, as mono.

    Args:
        samples: as decoded.
        start, end: seconds, what the video covers; equal where its frames have no clock, and then the whole
            sound belongs to it.
        offset: seconds, see ``sound_offset``.
        whole: seconds that the sound has in all, if more than ``samples``.

    Raises:
        MediaError: ``silent``, ``too_short`` or ``non_finite_audio``.
        InputError: the two have no second in common, ``no_overlap``.
    """
    notes = list(samples.warnings)
    if end > start:
        whole = samples.duration if whole is None else whole
        samples = replace(samples, start=samples.start + offset)
        span = common_span(start, end, audio_start=samples.start, audio_end=samples.end)
        notes += _uncovered(span.end - span.start, end - start, whole)
        samples = slice_seconds(samples, span.start, span.end)
    problem = audio_status(samples)
    # A short sound in a long silence has a low level as a whole; silence is judged second by second.
    if problem is not None and not (problem[0] == "silent" and _loud_somewhere(samples)):
        code, message = problem
        raise MediaError(message, code=code)
    return HeardSound(to_mono(samples), tuple(notes))


def see_and_hear(
    video: MediaSource,
    audio: SoundSource | None,
    worker: DecodeWorker | None,
    reader: VideoReader | None,
    use: Callable[[Video, HeardSound], Result],
) -> Result:
    """Call ``use`` with a video and the audio that is heard while it is seen.

    Args:
        video, audio: the pair; None for the video's own track.
        worker: decodes, where there is one.
        reader: of the video.
        use: is called again, with another table of frames, where the video is damaged.

    Raises:
        MediaError, InputError: see ``read_sound`` and ``heard_during``; the video cannot be read.
    """
    opened, heard_while = open_pair(video, audio, worker, reader)
    return opened.read(lambda seen: use(seen, heard_while(seen)))


def open_pair(
    video: MediaSource, audio: SoundSource | None, worker: DecodeWorker | None, reader: VideoReader | None
) -> tuple[Video, Callable[[Video], HeardSound]]:
    """Return a video, and what tells the sound that is heard while it, or its ``decoded`` table, is seen.

    Args and Raises: see ``see_and_hear``.
    """
    sounds: list[AudioSamples] = []

    def whole_sound() -> AudioSamples:
        sounds.append(read_sound(video, audio, worker))
        return sounds[-1]

    source, notes = with_clock(video, whole_sound)
    opened = open_video_in(worker, source, reader=reader)

    def heard_while(seen: Video) -> HeardSound:
        table = seen.table
        if not sounds:
            return hear(video, audio, table.start, table.end, worker)
        heard = heard_during(sounds[-1], table.start, table.end, offset=-sounds[-1].start)
        return replace(heard, notes=(*notes, *heard.notes))

    return opened, heard_while


def _loud_somewhere(samples: AudioSamples) -> bool:
    mono, second = to_mono(samples).waveform, samples.sampling_rate
    return any(not is_silent(mono[:, first : first + second]) for first in range(0, mono.shape[1], second))


def _uncovered(common: float, video: float, sound: float) -> list[RowWarning]:
    uncovered = max(video, sound) - common
    if uncovered <= MAX_UNCOVERED and uncovered <= MAX_UNCOVERED_SHARE * max(video, sound):
        return []
    text = f"compared over the {common:.2f} s that picture ({video:.2f} s) and sound ({sound:.2f} s) have in common"
    return [RowWarning(text, code="compared_in_part")]


def sound_windows(
    heard: HeardSound, *, sampling_rate: int, window: float, hop: float, longest: float
) -> tuple[Tensor, list[np.ndarray]]:
    """Return windows of a sound as a model wants them.

    Args:
        heard: the sound.
        sampling_rate: Hz, the model's.
        window, hop: seconds.
        longest: seconds, the most that the model takes.

    Returns:
        Times float64 (S, 2) in seconds, and S mono float32 (T,) waveforms.

    Raises:
        InputError: the window is longer than the model takes.
    """
    if window > longest:
        raise InputError(f"window ({window} s) must be at most {longest} s, the most that the model hears at once")
    if heard.samples.duration / hop > MAX_WINDOWS:
        raise InputError(
            f"hop ({hop} s) cuts a sound of {heard.samples.duration:.1f} s into more than {MAX_WINDOWS} windows; "
            "use a longer one"
        )
    samples = resample(heard.samples, sampling_rate)
    times = window_bounds(samples.start, samples.end, window=window, hop=hop)
    most = round(longest * sampling_rate)  # resampling may round a sample more
    parts = [slice_seconds(samples, start, end).waveform[0][:most] for start, end in times.tolist()]
    return times, parts


def loud_windows(waveforms: list[np.ndarray]) -> Tensor:
    """Tell which windows hold a sound, bool (S,).

    Raises:
        MediaError: none does, code ``silent``.
    """
    loud = torch.tensor([not is_silent(waveform[None]) for waveform in waveforms])
    if not bool(loud.any()):
        raise MediaError("every window of the sound is silent: below -60 dBFS", code="silent")
    return loud


def with_clock(video: MediaSource, sound: Callable[[], AudioSamples]) -> tuple[MediaSource, tuple[str, ...]]:
    """Give bare frames, which have no clock, one: they are taken to span the audio evenly, and a warning says so."""
    if video.frames is None or video.fps is not None:
        return video, ()
    seconds = sound().duration
    text = f"{len(video.frames)} frames without times are taken to span the sound's {seconds:.2f} s evenly"
    return replace(video, fps=len(video.frames) / seconds), (RowWarning(text, code="frames_without_times"),)
