"""Training data of the vision tower: frames, and the labels of single ones."""

import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqe_core.toy import world
from vqe_core.toy.drawing import draw_clip
from vqe_core.toy.world import (
    BACKGROUNDS,
    COLOUR,
    COLOURS,
    COUNT,
    COUNTS,
    MOTION,
    SHAPES,
    SIZES,
    SPIN,
    STILL,
    num_events,
    sample_attributes,
)

PIXELS = 64  # side of the model's input image
# Mean and deviation of CLIP's own image processor, for values in [0, 1].
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
# What one frame shows, and in how many values. An empty image is a fifth count; appear and vanish
# look like still in a single frame.
FRAME_LABELS = {
    "count": len(COUNTS) + 1,
    "size": len(SIZES),
    "colour": len(COLOURS),
    "shape": len(SHAPES),
    "motion": SPIN + 1,
    "background": len(BACKGROUNDS),
}
_PERMUTATIONS = ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Clips without sound, none of a held-out pair.

    ``frames`` uint8 (C, N, 64, 64, 3), ``visible`` bool (C, N), ``attributes`` int64 (C, 2, 7),
    ``events`` int64 (C,).
    """

    frames: np.ndarray
    visible: np.ndarray
    attributes: np.ndarray
    events: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)


def make_training_set(seed: int, num_clips: int, *, num_frames: int = 6, processes: int = 2) -> TrainingSet:
    """Draw ``num_clips`` clips; the same seed gives the same clips with any number of processes."""
    seeds = [(seed, index, num_frames) for index in range(num_clips)]
    if processes == 1:
        clips = [_training_clip(job) for job in seeds]
    else:
        with ProcessPoolExecutor(processes) as pool:
            clips = list(pool.map(_training_clip, seeds, chunksize=100))
    frames, visible, attributes = (np.stack(part) for part in zip(*clips, strict=True))
    logger.info("drew %d clips", num_clips)
    return TrainingSet(frames, visible, attributes, np.array([num_events(a) for a in attributes]))


def to_pixel_values(frames: np.ndarray, brightness: np.ndarray | None = None) -> Tensor:
    """Normalise uint8 (M, 64, 64, 3) to the float32 (M, 3, 64, 64) that the vision tower takes.

    ``brightness`` float (M,) multiplies each image.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).float() / 255
    if brightness is not None:
        pixels = pixels * torch.from_numpy(brightness.astype(np.float32))[:, None, None, None]
    return (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]


def augment(frames: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Shift the images uint8 (M, 64, 64, 3) by up to 4 pixels; return them and a brightness (M,)."""
    down, right = rng.integers(-4, 5, 2)
    return np.roll(frames, (down, right), (1, 2)), 1 + 0.1 * rng.standard_normal(len(frames))


def permute_colours(frames: np.ndarray, rng: np.random.Generator, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Swap the RGB channels of a share of the images uint8 (M, S, S, 3).

    Their colours have no name, so shape has to be learnt apart from colour. Otherwise the tower
    learns which shapes go with which colour, and fails on the held-out pairs.

    Returns:
        The images, and bool (M,), True where permuted.
    """
    frames, permuted = frames.copy(), rng.random(len(frames)) < share
    for index in np.flatnonzero(permuted):
        frames[index] = frames[index][..., _PERMUTATIONS[rng.integers(len(_PERMUTATIONS))]]
    return frames, permuted


def frame_labels(events: np.ndarray, visible: np.ndarray, permuted: np.ndarray) -> dict[str, tuple[Tensor, Tensor]]:
    """Say what single frames show.

    Args:
        events: int (M, 7), the event each frame is from.
        visible: bool (M,), the object is on screen.
        permuted: bool (M,), the channels were swapped, so the colour has no name.

    Returns:
        By name of ``FRAME_LABELS``: int64 (M,) labels, and bool (M,), True where they apply.
    """
    labels = {name: events[:, world.ATTRIBUTES.index(name)].copy() for name in FRAME_LABELS}
    labels["count"] = np.where(visible, events[:, COUNT], len(COUNTS))
    labels["motion"] = np.where(events[:, MOTION] > SPIN, STILL, events[:, MOTION])
    labels["colour"] = np.where(permuted, 0, events[:, COLOUR])
    applies = dict.fromkeys(FRAME_LABELS, visible)
    applies["count"] = applies["background"] = np.ones(len(events), bool)
    applies["colour"] = visible & ~permuted
    return {name: (torch.from_numpy(labels[name]), torch.from_numpy(applies[name])) for name in FRAME_LABELS}


def _training_clip(job: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    seed, index, num_frames = job
    # Four numbers where make_clip has two: no training clip is a clip of make_clip.
    attributes = sample_attributes(np.random.default_rng([seed, index, 0, 1]), heldout="exclude")
    rng = np.random.default_rng([seed, index, 1, 1])
    frames, visible = draw_clip(attributes, rng, size=PIXELS, num_frames=num_frames)
    return frames, visible, attributes
