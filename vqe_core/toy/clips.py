"""Clips of the toy world: frames, sound, true captions and foils from one seed, and as an mp4 file."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vqe_core.errors import InputError
from vqe_core.toy.captions import caption, sound_caption
from vqe_core.toy.claims import full_claims
from vqe_core.toy.drawing import draw_clip
from vqe_core.toy.foils import Foil, graded_foils
from vqe_core.toy.synthesis import play_event, play_ground
from vqe_core.toy.world import ABSENT, BACKGROUND, Heldout, check_attributes, num_events, sample_attributes

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream


@dataclass(frozen=True, eq=False)
class ToyClip:
    """A clip made by arithmetic.

    Attributes:
        frames: uint8 (N, H, W, 3) RGB.
        timestamps: float64 (N,), seconds; frame i is shown from its time to the next.
        waveform: float32 (T,) mono in [-1, 1].
        sampling_rate: Hz.
        attributes: int64 (2, 7), what happens, see ``vqe_core.toy.world``.
        visible: bool (N,), True where the object is on screen.
    """

    frames: np.ndarray
    timestamps: np.ndarray
    waveform: np.ndarray
    sampling_rate: int
    attributes: np.ndarray
    visible: np.ndarray

    @property
    def seconds(self) -> float:
        """Length of the clip."""
        return len(self.waveform) / self.sampling_rate

    def captions(self, count: int, seed: int = 0) -> list[str]:
        """Return ``count`` different true captions of the frames, the canonical one first."""
        claims, rng = full_claims(self.attributes), self._generator(seed)
        texts = dict.fromkeys([caption(claims)])
        for _ in range(100 * count):
            if len(texts) >= count:
                return list(texts)[:count]
            texts.setdefault(caption(claims, rng))
        raise InputError(f"count must be at most {len(texts)}, the wordings of this clip, got {count}")

    def foils(self, seed: int = 0) -> list[Foil]:
        """Return false captions with 1 to 5 wrong attributes, nested, then an unrelated one."""
        return graded_foils(self.attributes, self._generator(seed))

    def sound_caption(self) -> str:
        """Return the canonical true caption of the sound."""
        return sound_caption(self.attributes)

    def _generator(self, seed: int) -> np.random.Generator:
        # Not the seed alone: else the foils of all clips would go wrong in the same order.
        return np.random.default_rng([seed, *(self.attributes - ABSENT).ravel()])


def make_clip(
    seed: int,
    *,
    size: int = 128,
    num_frames: int = 12,
    seconds: float = 3.0,
    sampling_rate: int = 16000,
    heldout: Heldout = None,
    attributes: np.ndarray | None = None,
) -> ToyClip:
    """Make the clip of a seed: the same arguments give the same clip, bit for bit.

    Args:
        seed: non-negative. What happens, the frames and the sound have a random stream each, so
            that neither the size nor the frame rate changes what happens.
        size: side of the frames, pixels.
        num_frames: at equal distances over the clip.
        seconds: length of the clip.
        sampling_rate: Hz; below 16000 the highest partials fold back.
        heldout: which (colour, shape) pairs may occur, see ``sample_attributes``.
        attributes: int (2, 7), what happens. Default: drawn from the seed.
    """
    if attributes is None:
        attributes = sample_attributes(np.random.default_rng([seed, 0]), heldout=heldout)
    attributes = check_attributes(attributes)
    frames, visible = draw_clip(attributes, np.random.default_rng([seed, 1]), size=size, num_frames=num_frames)
    waveform = play_clip(
        attributes, visible, round(seconds * sampling_rate), sampling_rate, np.random.default_rng([seed, 2])
    )
    return ToyClip(
        frames=frames,
        timestamps=np.arange(num_frames) * (seconds / num_frames),
        waveform=waveform,
        sampling_rate=sampling_rate,
        attributes=attributes,
        visible=visible,
    )


def write_clip(clip: ToyClip, path: str | Path, *, crf: int = 23) -> Path:
    """Write a clip as mp4: H.264 video in 4:2:0, and AAC audio. Needs PyAV.

    Args:
        clip: of an even size.
        path: of the file to write.
        crf: x264 quality, 0 (lossless) to 51.

    Returns:
        The path. With one version of the codecs the same clip nearly always gives the same bytes: of very short clips,
        x264's macroblock tree weighs some frames otherwise once in a while, which moves scores by up to 1e-4.
    """
    import av

    if clip.frames.shape[1] % 2:
        raise InputError(f"clip must have an even size for 4:2:0 colours, got {clip.frames.shape[1]} pixels")
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = _video_stream(container, clip, crf)
        audio = container.add_stream("aac", rate=clip.sampling_rate, layout="mono", bit_rate=64000)
        audio.codec_context.flags |= av.codec.context.Flags.bitexact
        for pixels in clip.frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU601")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = av.AudioFrame.from_ndarray(clip.waveform[None], format="fltp", layout="mono")
        samples.sample_rate, samples.pts, samples.time_base = clip.sampling_rate, 0, Fraction(1, clip.sampling_rate)
        container.mux(audio.encode(samples))
        container.mux(audio.encode(None))
    return Path(path)


def play_clip(
    attributes: np.ndarray, visible: np.ndarray, num_samples: int, sampling_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Play the sound of a clip.

    Args:
        attributes: int64 (2, 7), checked.
        visible: bool (N,), True where the object is on screen, evenly over the clip.
        num_samples: length of the sound.
        sampling_rate: Hz.
        rng: pitch, noise and loudness.

    Returns:
        float32 (num_samples,) in [-1, 1].
    """
    events = num_events(attributes)
    loudness = 0.7 * rng.uniform(0.6, 1.0)
    edges = [event * num_samples // events for event in range(events + 1)]
    parts = [
        play_event(attributes[event], edges[event + 1] - edges[event], sampling_rate, rng) for event in range(events)
    ]
    # A hidden object is silent, to the frame.
    heard = visible[np.arange(num_samples) * len(visible) // num_samples]
    waveform = np.concatenate(parts) * heard
    waveform = waveform + play_ground(int(attributes[0, BACKGROUND]), num_samples, sampling_rate, rng)
    return (loudness * waveform / (abs(waveform).max() + 1e-6)).astype(np.float32)


def _video_stream(container: OutputContainer, clip: ToyClip, crf: int) -> VideoStream:
    import av

    rate = Fraction(len(clip.frames)) / Fraction(clip.seconds).limit_denominator(1000)
    # One thread: x264 writes its thread count into the file. A keyframe every second as in real files.
    options = {"crf": str(crf), "threads": "1", "g": str(max(1, round(rate)))}
    stream = container.add_stream("libx264", rate=rate, options=options)
    stream.height, stream.width = clip.frames.shape[1:3]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    # Say which of the two usual YUV matrices was used, so that every reader gets the colours right.
    stream.codec_context.colorspace = av.video.reformatter.Colorspace.ITU601
    stream.codec_context.color_range = av.video.reformatter.ColorRange.MPEG
    return stream
