"""Example clips, made when the page starts: no binary is stored, and nothing is fetched."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

import soundfile

from vqe_core.demo.clips import ToyClip, make_clip, write_clip

# Chosen for movement and for a sound that goes with it.
SEEDS = (7, 1, 4)


@lru_cache(maxsize=1)
def example_clips() -> tuple[tuple[str, ToyClip], ...]:
    """Paths of toy clips with sound, in a folder of this process, with what they show."""
    folder = Path(tempfile.mkdtemp(prefix="vqe-examples-"))
    clips = [make_clip(seed, size=256, num_frames=24) for seed in SEEDS]
    return tuple((str(write_clip(clip, folder / f"toy_clip_{i + 1}.mp4")), clip) for i, clip in enumerate(clips))


def write_sound(clip: ToyClip, beside: str) -> str:
    """Write the sound of a clip as a WAV file into the folder of another one; its path."""
    path = Path(beside).with_name("another_sound.wav")
    soundfile.write(path, clip.waveform, clip.sampling_rate)
    return str(path)
