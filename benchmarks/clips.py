"""Clips made by arithmetic and encoded with the FFmpeg of PyAV, kept in a folder between runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

# Encoders with options that are quick enough; what a decoder has to do hardly depends on them.
CODECS = {
    "h264": ("libx264", {"preset": "veryfast", "crf": "23", "bf": "3", "sc_threshold": "0"}),
    "hevc": ("libx265", {"preset": "superfast", "crf": "26", "x265-params": "log-level=none:scenecut=0"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "7", "b": "2M", "row-mt": "1"}),
    "av1": ("libsvtav1", {"preset": "8", "crf": "35"}),
}
SHOT_SECONDS = 4.0  # a cut comes so often


@dataclass(frozen=True)
class Clip:
    """Properties of a clip to make.

    Attributes:
        codec: key of ``CODECS``.
        width, height: pixels.
        seconds: length.
        fps: frames per second.
        gop: frames from one keyframe to the next.
        seed: another one gives other frames.
        grain: whether noise lies over the frames, as in camera footage.
    """

    codec: str
    width: int
    height: int
    seconds: float
    gop: int = 250
    fps: int = 30
    seed: int = 0
    grain: bool = True

    @property
    def name(self) -> str:
        """Name of its file, without suffix."""
        plain = "" if self.grain else "_plain"
        size = f"{self.width}x{self.height}_{self.seconds:g}s_{self.fps}fps"
        return f"{self.codec}_{size}_gop{self.gop}_{self.seed}{plain}"

    @property
    def label(self) -> str:
        """Name in a table."""
        return f"{self.codec} {self.width}x{self.height}, {self.seconds:g} s, GOP {self.gop}"

    @property
    def frames(self) -> int:
        """Number of frames."""
        return round(self.seconds * self.fps)


def has_encoder(codec: str) -> bool:
    """Tell whether this FFmpeg can write ``codec``."""
    try:
        av.Codec(CODECS[codec][0], "w")
    except (ValueError, av.FFmpegError):  # PyAV says UnknownCodecError, a ValueError
        return False
    return True


def made(clips: Sequence[Clip], folder: Path) -> list[Path]:
    """Return the files of the clips, made where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{clip.name}.mp4" for clip in clips]
    missing = [pair for pair in zip(clips, paths, strict=True) if not pair[1].exists()]
    if missing:
        print(f"making {len(missing)} clips, {missing[0][0].label} and on", file=sys.stderr, flush=True)
    for clip, path in missing:
        write(clip, path)
    return paths


def write(clip: Clip, path: Path) -> None:
    """Encode a clip; a run that is interrupted leaves no half file under ``path``."""
    encoder, options = CODECS[clip.codec]
    unfinished = path.with_name(f".{os.getpid()}_{path.name}")
    with av.open(str(unfinished), "w", format="mp4") as container:
        stream = container.add_stream(encoder, rate=Fraction(clip.fps), options={**options, "g": str(clip.gop)})
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        stream.codec_context.gop_size = clip.gop
        stream.codec_context.thread_count = 1 if clip.width * clip.height < 20_000 else 0
        for pixels in rendered_frames(clip):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    os.replace(unfinished, path)
    usual_scheduling()


def usual_scheduling() -> None:
    """Take back the real-time priority that SVT-AV1 gives its process where it may, as root's.

    What computes there afterwards, and in processes begun there, would keep every other thread from the cores: waiting
    threads that spin then wait for ever for those that cannot run.
    """
    if not hasattr(os, "sched_getscheduler") or os.sched_getscheduler(0) == os.SCHED_OTHER:
        return
    for thread in os.listdir("/proc/self/task"):
        os.sched_setscheduler(int(thread), os.SCHED_OTHER, os.sched_param(0))


def rendered_frames(clip: Clip) -> Iterator[np.ndarray]:
    """Yield frames, uint8 (H, W, 3): a textured ground that drifts, a patch that crosses it, a cut now and then."""
    generator = np.random.default_rng(clip.seed)
    height, width = clip.height, clip.width
    ground = _texture(generator, height + 64, width + 64)
    patch = _texture(generator, height // 3, width // 3)
    # Sheets of grain, laid over in turn; so strong that a keyframe has about six times the bytes of another frame.
    sheets = [generator.integers(0, 22, (height, width, 3), dtype=np.uint8) for _ in range(4 if clip.grain else 0)]
    frames_a_shot = round(SHOT_SECONDS * clip.fps)
    for number in range(clip.frames):
        shot, step = divmod(number, frames_a_shot)
        if step == 0:
            shown = np.roll(ground, shot, axis=2)
        top, left = (step + 17 * shot) // 2 % 64, (step + 29 * shot) % 64
        pixels = shown[top : top + height, left : left + width].copy()
        y = (shot * 37) % (height - len(patch) + 1)
        x = (number * max(1, width // 200)) % (width - patch.shape[1] + 1)
        pixels[y : y + len(patch), x : x + patch.shape[1]] = patch
        if sheets:
            pixels += sheets[number % 4]
        yield pixels


def _texture(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw uint8 (height, width, 3) up to 220: blocks of many sizes, the larger the stronger, as in photographs."""
    total = np.zeros((height, width, 3), dtype=np.float32)
    for size in (2, 8, 32, 128):
        shape = (height // size + 1, width // size + 1, 3)
        blocks = generator.random(shape, dtype=np.float32).repeat(size, axis=0).repeat(size, axis=1)
        total += blocks[:height, :width] * size
    total -= total.min()
    return (total * (220 / total.max())).astype(np.uint8)
