"""Small videos made by arithmetic, whose frames carry their own number.

Frame n shows n as a grid of black and white cells, so the right frame at a time is known after any lossy codec.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

# Ticks a second; holds 10, 25, 29.97 (1001 ticks of 1/30000) and ms exactly enough.
CLOCK = 30_000
_COLUMNS, _ROWS = 4, 3


def coded_frame(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """uint8 (height, width, 3): the 12 low bits of ``number``, low bit at the top left, on tinted cells."""
    bits = np.array([number >> bit & 1 for bit in range(_COLUMNS * _ROWS)], dtype=np.uint8)
    rows = np.arange(height) * _ROWS // height
    columns = np.arange(width) * _COLUMNS // width
    cells = bits.reshape(_ROWS, _COLUMNS)[np.ix_(rows, columns)]
    return (cells[..., None] * np.array([215, 205, 225], dtype=np.uint8) + 20).astype(np.uint8)


def coded_frames(count: int, width: int = 64, height: int = 48) -> np.ndarray:
    """uint8 (count, height, width, 3): frames numbered from 0."""
    return np.stack([coded_frame(number, width, height) for number in range(count)])


def read_code(pixels: np.ndarray) -> int:
    """The number in a frame made by `coded_frame`, after any codec."""
    height, width = pixels.shape[:2]
    number = 0
    for row in range(_ROWS):
        for column in range(_COLUMNS):
            cell = pixels[
                -(-row * height // _ROWS) : -(-(row + 1) * height // _ROWS),
                -(-column * width // _COLUMNS) : -(-(column + 1) * width // _COLUMNS),
            ]
            number |= int(cell.mean() > 127) << (row * _COLUMNS + column)
    return number


def noise_frames(count: int, width: int = 64, height: int = 48, seed: int = 0) -> np.ndarray:
    """uint8 (count, height, width, 3): smooth noise that drifts, so that codecs use motion and references."""
    generator = np.random.default_rng(seed)
    texture = generator.integers(0, 256, (height // 4 + 2 * count, width // 4 + 2 * count, 3), dtype=np.uint8)
    texture = texture.repeat(4, axis=0).repeat(4, axis=1)
    return np.stack([texture[3 * n : 3 * n + height, 2 * n : 2 * n + width] for n in range(count)])


def frame_times(count: int, fps: float | Fraction = 10) -> list[float]:
    """Presentation times (s) of ``count`` frames at a constant rate."""
    return [float(number / Fraction(fps).limit_denominator(1001)) for number in range(count)]


def write_clip(
    path: str | Path,
    frames: np.ndarray | Sequence[np.ndarray],
    *,
    times: Sequence[float] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_format: str | None = None,
    container_options: dict[str, str] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    seconds_of_sound: float = 0.0,
    bframes: int | None = None,
    clock: int = CLOCK,
) -> Path:
    """Encode frames, and maybe a tone, to a file.

    Args:
        path: where to; its suffix gives the container unless ``container_format`` does.
        frames: uint8 (N, H, W, 3) RGB, or (N, H, W, 4) RGBA, or a list of frames of several sizes.
        times: seconds, increasing. Default: 10 frames per second.
        codec: an FFmpeg encoder, with its ``pix_fmt`` and ``options``.
        rotation: degrees clockwise that a player turns the image.
        mirrored: whether it then mirrors it, left to right.
        seconds_of_sound: length of a 440 Hz tone in AAC or Opus.
        clock: ticks a second that the encoder counts in; MPEG-1 and MPEG-2 take only frame rates.
        bframes: most B-frames in a row, for encoders that take it from the stream.

    Returns:
        ``path``.
    """
    times = frame_times(len(frames)) if times is None else times
    with av.open(str(path), "w", format=container_format, options=container_options or {}) as container:
        stream = _add_pictures(container, codec, clock, options or {})
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], pix_fmt
        if bframes is not None:
            stream.codec_context.max_b_frames = bframes
        if rotation or mirrored:
            stream.set_display_rotation(-rotation, hflip=mirrored)
        sound = _add_sound(container) if seconds_of_sound else None
        _write_pictures(container, stream, frames, times, clock)
        if sound is not None:
            _write_sound(container, sound, seconds_of_sound)
    return Path(path)


def write_sound(path: str | Path, seconds: float = 1.0) -> Path:
    """A file with a 440 Hz tone and no images."""
    with av.open(str(path), "w") as container:
        _write_sound(container, _add_sound(container), seconds)
    return Path(path)


def _add_pictures(container: Any, codec: str, clock: int, options: dict[str, str]) -> Any:
    stream = container.add_stream(codec, rate=Fraction(10) if clock == CLOCK else clock, options=options)
    stream.codec_context.thread_count = 1
    stream.codec_context.time_base = Fraction(1, clock)
    return stream


def _write_pictures(container: Any, stream: Any, frames: Any, times: Sequence[float], clock: int) -> None:
    for pixels, time in zip(frames, times, strict=True):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgba" if pixels.shape[-1] == 4 else "rgb24")
        frame.pts, frame.time_base = round(time * clock), Fraction(1, clock)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _add_sound(container: Any) -> Any:
    codec = "libopus" if container.format.name in ("webm", "ogg") else "aac"
    return container.add_stream(codec, rate=48_000, layout="mono")


def _write_sound(container: Any, stream: Any, seconds: float) -> None:
    size = 960
    for block in range(int(seconds * 48_000) // size):
        phase = 2 * np.pi * 440 * (np.arange(size) + block * size) / 48_000
        frame = av.AudioFrame.from_ndarray((0.3 * np.sin(phase)).astype(np.float32)[None], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, block * size, Fraction(1, 48_000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def forward_decode(path: str | Path) -> tuple[list[float], list[np.ndarray]]:
    """Times (s since the earliest start of a stream) and RGB images of every frame, by PyAV's own plain loop."""
    times, pictures = [], []
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        stream.codec_context.thread_count = 1
        starts = [other.start_time * other.time_base for other in container.streams if other.start_time is not None]
        start = min(starts, default=Fraction(0))
        for frame in container.decode(stream):
            ticks = frame.pts if frame.pts is not None else frame.dts
            times.append(float(ticks * stream.time_base - start))
            pictures.append(frame.to_ndarray(format="rgb24"))
    return times, pictures
