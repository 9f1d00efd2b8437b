"""Stage one: the vision tower learns what single frames show, by plain classification."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPModel

from training.network import VISION_WIDTH, start_from_images
from training.optimisation import RunningMeans, learning_rate, make_optimiser, take_step
from training.training_data import (
    FRAME_LABELS,
    TrainingSet,
    augment,
    frame_labels,
    permute_colours,
    to_pixel_values,
)

BATCH = 256
PEAK_RATE = 2e-3
PERMUTED_SHARE = 0.4


def make_heads(width: int, seed: int) -> nn.ModuleDict:
    """Make one linear classifier per frame label on the pooled state of the vision tower."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.ModuleDict({name: nn.Linear(width, count) for name, count in FRAME_LABELS.items()})


def train_vision(model: CLIPModel, data: TrainingSet, *, steps: int, seed: int, batch: int = BATCH) -> dict[str, float]:
    """Train the vision tower of ``model`` in place; return smoothed accuracies by label."""
    rng = np.random.default_rng([seed, 101])
    some = rng.integers(len(data), size=500)
    start_from_images(model, data.frames[some, rng.integers(data.frames.shape[1], size=500)], rng)
    tower = model.vision_model.train()
    heads = make_heads(VISION_WIDTH, seed)
    optimiser = make_optimiser([*tower.parameters(), *heads.parameters()])
    means = RunningMeans()
    for step in range(steps):
        pixel_values, labels = _draw_batch(data, rng, batch)
        pooled = tower(pixel_values=pixel_values).pooler_output
        loss, accuracies = classify(heads, pooled, labels)
        take_step(optimiser, loss, learning_rate(step, steps, PEAK_RATE))
        means.update(**accuracies)
        means.report(step + 1, steps)
    tower.eval()
    return means.means


def classify(
    heads: nn.ModuleDict, pooled: Tensor, labels: dict[str, tuple[Tensor, Tensor]]
) -> tuple[Tensor, dict[str, float]]:
    """Return the summed cross-entropy of all heads on ``pooled`` float (M, W), and their accuracies."""
    loss, accuracies = pooled.new_zeros(()), {}
    for name, head in heads.items():
        label, applies = labels[name]
        logits = head(pooled)
        total = applies.sum().clamp(min=1)
        loss = loss + (F.cross_entropy(logits, label, reduction="none") * applies).sum() / total
        accuracies[name] = (((logits.argmax(1) == label) & applies).sum() / total).item()
    return loss, accuracies


def _draw_batch(
    data: TrainingSet, rng: np.random.Generator, batch: int
) -> tuple[Tensor, dict[str, tuple[Tensor, Tensor]]]:
    num_frames = data.frames.shape[1]
    clip, frame = rng.integers(len(data), size=batch), rng.integers(num_frames, size=batch)
    event = ((data.events[clip] == 2) & (frame >= num_frames // 2)).astype(int)
    images, permuted = permute_colours(data.frames[clip, frame], rng, PERMUTED_SHARE)
    images, brightness = augment(images, rng)
    labels = frame_labels(data.attributes[clip, event], data.visible[clip, frame], permuted)
    return to_pixel_values(images, brightness), labels
