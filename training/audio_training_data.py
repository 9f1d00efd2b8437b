"""Training data of the audio model: log-mel spectrograms, and where the CLIP puts the frames that go with them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPModel

from training.audio_features import SAMPLING_RATE, SECONDS, log_mel
from training.training_data import PIXELS, to_pixel_values
from vqe_core.toy.captions import PITCHES, TIMES, sound_caption
from vqe_core.toy.claims import UNSAID
from vqe_core.toy.clips import play_clip
from vqe_core.toy.drawing import draw_clip
from vqe_core.toy.world import (
    ABSENT,
    BACKGROUND,
    COLOUR,
    COUNT,
    DOWN,
    MOTION,
    SHAPE,
    SIZE,
    SOUND,
    SPECKLED,
    SPIN,
    STILL,
    UP,
    WAVY,
    sample_attributes,
)

FRAMES = 8  # as many as the joint encoder is given of one window of video
BLOCK = 500  # clips whose frames are held at once
TERSE_SHARE = 0.25  # captions that name the voices only, as labels do
logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SoundSet:
    """Clips with sound, none of a held-out pair.

    ``mels`` float32 (C, 63, 64) decibels, ``attributes`` int64 (C, 2, 7), ``videos`` float32 (C, D) unit rows:
    direction of the mean of the frames' unit embeddings.
    """

    mels: np.ndarray
    attributes: np.ndarray
    videos: Tensor

    def __len__(self) -> int:
        return len(self.mels)


def make_sound_set(clip: CLIPModel, seed: int, num_clips: int, *, processes: int = 2) -> SoundSet:
    """Draw ``num_clips`` clips and embed their frames; the same for any number of processes."""
    mels, attributes, videos = [], [], []
    for block in _blocks(seed, num_clips, processes):
        frames, *rest = (np.stack(part) for part in zip(*block, strict=True))
        videos.append(embed_videos(clip, frames))
        mels.append(rest[0])
        attributes.append(rest[1])
    logger.info("drew %d clips with sound", num_clips)
    return SoundSet(np.concatenate(mels), np.concatenate(attributes), torch.cat(videos))


@torch.no_grad()
def embed_videos(clip: CLIPModel, frames: np.ndarray) -> Tensor:
    """Embed videos uint8 (B, N, 64, 64, 3) as the joint encoder does: float32 (B, D) unit rows."""
    rows = []
    for part in np.array_split(frames, max(1, len(frames) // 50)):
        pixel_values = to_pixel_values(part.reshape(-1, *part.shape[2:]))
        images = F.normalize(clip.get_image_features(pixel_values=pixel_values).pooler_output, dim=-1)
        rows.append(images.view(*part.shape[:2], -1).mean(dim=1))
    return F.normalize(torch.cat(rows), dim=-1)


def audible(attributes: np.ndarray) -> np.ndarray:
    """Merge what sounds alike in ``attributes`` int (..., 2, 7).

    The colour is silent; of the motions only rising, falling and spinning are heard, of the grounds the speckled
    and the wavy one; the shape is its voice. (That a shape comes or goes is heard too, but not said in a caption.)
    """
    heard = attributes.copy()
    heard[..., COLOUR] = 0
    heard[..., SHAPE] = heard[..., SOUND]
    heard[..., MOTION] = np.where(np.isin(heard[..., MOTION], (UP, DOWN, SPIN)), heard[..., MOTION], STILL)
    heard[..., BACKGROUND] = np.where(np.isin(heard[..., BACKGROUND], (SPECKLED, WAVY)), heard[..., BACKGROUND], 0)
    return np.where(attributes == ABSENT, ABSENT, heard)


def describe_sound(attributes: np.ndarray, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """Say what is heard in a clip of ``attributes`` int (2, 7), in random words and detail.

    Returns:
        The caption, and what it claims about ``audible`` attributes, int (2, 7).
    """
    terse = bool(rng.random() < TERSE_SHARE)
    text = sound_caption(attributes, rng, terse=terse)
    heard, claims = audible(attributes), np.full_like(attributes, UNSAID)
    for event, part in enumerate(text.split(", then ")):
        said = [SOUND]
        if any(f" {times}" in part for times in TIMES):
            said += [COUNT, MOTION]  # where no change of pitch is told there is none
        if part.split()[1] in PITCHES:
            said.append(SIZE)
        claims[event, said] = heard[event, said]
    if not terse:
        claims[0, BACKGROUND] = heard[0, BACKGROUND]
    return text, claims


def _blocks(seed: int, num_clips: int, processes: int) -> Iterator[list[tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    jobs = [(seed, index) for index in range(num_clips)]
    parts = [jobs[start : start + BLOCK] for start in range(0, num_clips, BLOCK)]
    if processes == 1:
        yield from ([_sounding_clip(job) for job in part] for part in parts)
        return
    with ProcessPoolExecutor(processes) as pool:
        coming = pool.map(_sounding_clip, parts[0], chunksize=25)
        for part in [*parts[1:], []]:  # the next block is drawn while this one is embedded
            block, coming = coming, pool.map(_sounding_clip, part, chunksize=25)
            yield list(block)


def _sounding_clip(job: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # Five numbers where make_clip has two and the training images have four: clips of this stage's own.
    draws, drawing, synthesis = (np.random.default_rng([*job, stream, 1, 1]) for stream in range(3))
    attributes = sample_attributes(draws, heldout="exclude")
    frames, visible = draw_clip(attributes, drawing, size=PIXELS, num_frames=FRAMES)
    waveform = play_clip(attributes, visible, SECONDS * SAMPLING_RATE, SAMPLING_RATE, synthesis)
    return frames, log_mel(waveform), attributes
