"""Clips of numbered images and tones that tell the second, with a clock that starts where it is told to."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.clips import coded_frames, frame_times
from vqe_core.types import AudioSamples

RATE = 48_000
TICKS = 90_000


def numbered_clip(
    path: Path,
    *,
    seconds: int = 0,
    start: float = 0.0,
    first_second: int = 0,
    images_from: float = 0.0,
    frames: np.ndarray | None = None,
    times: Sequence[float] | None = None,
    streams: int = 1,
    languages: Sequence[str] = (),
    size: tuple[int, int] = (64, 48),
    muxer_options: dict[str, str] | None = None,
) -> Path:
    """Write a clip of ten images a second, numbered on from ``first_second``, and a tone of 300 + 100 k Hz in second k.

    Args:
        path: its suffix gives the container.
        seconds: length of the sound; 0 for none.
        start: seconds, where the container's clock starts.
        images_from: seconds, where the images start.
        frames, times: in place of the numbered images; seconds.
        streams: audio streams; stream n sounds 1000 n Hz higher.
        languages: of the audio streams.
        size: width and height of the images.
    """
    if frames is None:
        count = round((seconds - images_from) * 10)
        frames = coded_frames(10 * first_second + count, *size)[10 * first_second :]
        times = [images_from + time for time in frame_times(count)]
    options = {"avoid_negative_ts": "disabled", **(muxer_options or {})}
    with av.open(str(path), "w", options=options) as container:
        video = container.add_stream("libx264", rate=10, options={"bf": "0", "g": "10"})
        video.width, video.height, video.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        video.codec_context.time_base = Fraction(1, TICKS)
        codec = "ac3" if path.suffix == ".ts" else "aac"
        sounds = [container.add_stream(codec, rate=RATE, layout="mono") for _ in range(streams if seconds else 0)]
        for stream, language in zip(sounds, languages, strict=False):
            stream.metadata["language"] = language
        packets = _images(video, frames, times, start)
        for n, stream in enumerate(sounds):
            packets += _tones(stream, seconds, first_second, start, 1000 * n)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux_one(packet)
    return path


def _images(stream: Any, frames: np.ndarray, times: Sequence[float] | None, start: float) -> list[Any]:
    packets = []
    for pixels, time in zip(frames, times or frame_times(len(frames)), strict=True):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = round((start + time) * TICKS), Fraction(1, TICKS)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _tones(stream: Any, seconds: int, first_second: int, start: float, higher: int) -> list[Any]:
    at = np.arange(seconds * RATE)
    pitch = 300 + 100 * (first_second + at // RATE) + higher
    wave = (0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)).astype(np.float32)
    packets, size = [], stream.codec_context.frame_size or 1536
    stream.codec_context.open(strict=False)
    size = stream.codec_context.frame_size or size
    for first in range(0, len(wave) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(wave[None, first : first + size], "fltp", "mono")
        frame.sample_rate, frame.pts = RATE, round(start * RATE) + first
        frame.time_base = Fraction(1, RATE)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def heard_tones(sound: AudioSamples) -> dict[int, int]:
    """Return the pitch (Hz, to the next 100) in the middle of each second that a sound covers."""
    pitches = {}
    wave, rate = sound.waveform[0], sound.sampling_rate
    for second in range(int(np.ceil(sound.start - 0.3)), int(sound.end + 0.3)):
        first = round((second + 0.3 - sound.start) * rate)
        part = wave[max(first, 0) : first + round(0.4 * rate)]
        if len(part) > 0.3 * rate:
            spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
            pitches[second] = int(round(spectrum.argmax() * rate / len(part), -2))
    return pitches
