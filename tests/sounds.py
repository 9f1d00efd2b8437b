"""Small sounds made by arithmetic: tones of known frequency, level and time, so that the right samples are known."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

RATE = 48_000
TONE = 1_000.0  # Hz
LEVEL = 0.3


def tone(
    seconds: float = 1.0,
    *,
    rate: int = RATE,
    channels: tuple[float, ...] = (1.0,),
    begin: float = 0.0,
    end: float | None = None,
    frequency: float = TONE,
) -> np.ndarray:
    """float32 (C, T): a sine of amplitude `LEVEL` times each of ``channels``, heard within [begin, end) s only."""
    times = np.arange(round(seconds * rate)) / rate
    heard = (times >= begin) & (times < (seconds if end is None else end))
    wave = LEVEL * np.sin(2 * np.pi * frequency * times) * heard
    return (np.array(channels)[:, None] * wave).astype(np.float32)


def noise(seconds: float = 1.0, *, rate: int = RATE, channels: int = 1, seed: int = 0) -> np.ndarray:
    """float32 (C, T): white noise, in which no two moments are alike."""
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, round(seconds * rate)))
    return samples.astype(np.float32)


def level_of(waveform: np.ndarray, rate: int, frequency: float = TONE) -> float:
    """Amplitude of one frequency in float (T,), by projection."""
    phase = np.exp(-2j * np.pi * frequency * np.arange(len(waveform)) / rate)
    return float(2 * np.abs(np.mean(waveform * phase)))


def onset_of(waveform: np.ndarray, rate: int) -> float:
    """Seconds into float (T,) at which it gets as loud as half a tone, in steps of 5 ms."""
    size = rate // 200
    blocks = waveform[: len(waveform) // size * size].reshape(-1, size)
    loud = np.sqrt((blocks**2).mean(axis=1)) > LEVEL / 2 / np.sqrt(2)
    return int(np.argmax(loud)) * size / rate


def write_sound(path: str | Path, waveform: np.ndarray, rate: int = RATE, **options: str) -> Path:
    """Write float (C, T) with soundfile; the suffix and ``format``, ``subtype`` choose how."""
    soundfile.write(str(path), waveform.T, rate, **options)
    return Path(path)


def write_track(
    path: str | Path,
    waveform: np.ndarray,
    rate: int = RATE,
    *,
    codec: str = "aac",
    layout: str = "stereo",
    delay: float = 0.0,
    pictures: float = 0.0,
    hole: tuple[float, float] | None = None,
    container_format: str | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encode float32 (C, T) with FFmpeg.

    Args:
        path: where to; its suffix gives the container unless ``container_format`` does.
        waveform: one row for each channel of ``layout``.
        codec: an FFmpeg encoder.
        delay: seconds by which the track starts late.
        images: seconds of a small black video beside it; 0 for none.
        hole: (at, seconds): from ``at`` on, the sound comes so much later, and there is nothing between.

    Returns:
        ``path``.
    """
    with av.open(str(path), "w", format=container_format, options=container_options or {}) as container:
        video = _add_video(container) if pictures else None
        sound = container.add_stream(codec, rate=rate, layout=layout)
        for number in range(round(pictures * 10)):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(video.encode(frame))
        if video is not None:
            container.mux(video.encode(None))
        size = 960
        for first in range(0, waveform.shape[1], size):
            block = np.ascontiguousarray(waveform[:, first : first + size])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            late = delay + (hole[1] if hole is not None and first / rate >= hole[0] else 0.0)
            frame.sample_rate, frame.pts, frame.time_base = rate, first + round(late * rate), Fraction(1, rate)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return Path(path)


def _add_video(container: Any) -> Any:
    video = container.add_stream("libvpx" if container.format.name == "webm" else "mpeg4", rate=10)
    video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
    return video
