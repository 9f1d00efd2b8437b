"""Stage two: images and captions meet in one space.

The loss is InfoNCE on the three quantities EMScore is made of: the cosine of the pooled caption
with the mean frame, and precision and recall of greedy matching between tokens and frames. (A real
CLIP is trained on the first alone.) Every caption comes with a foil that differs in one attribute.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer

from training.network import VISION_WIDTH, overlength, pin_constant
from training.optimisation import RunningMeans, learning_rate, make_optimiser, take_step
from training.tokenizer import token_ids
from training.train_vision import classify, make_heads
from training.training_data import TrainingSet, augment, frame_labels, permute_colours, to_pixel_values
from vqe_core.toy.captions import caption
from vqe_core.toy.claims import UNSAID, compatible, random_claims, swap
from vqe_core.toy.world import APPEAR, ATTRIBUTES, COLOUR, MOTION, SHAPE

BATCH = 128
PEAK_RATE = 1e-3
PERMUTED_SHARE = 0.25
TOKEN_WEIGHT = 0.5
HEADS_WEIGHT = 0.5  # at the start; the classifiers fade out over the first 80 % of the steps
LENGTH_WEIGHT = 2.0
NEVER = -1e4  # logit of a pair that takes no part


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """Frames of B clips, one or two each.

    ``pixel_values`` float32 (M, 3, 64, 64); ``slots`` int64 (B, 2), which frames a clip has (twice
    the same where one says it all); ``labels`` of the frames; ``nameless`` bool (B,), True where
    the colours of a clip were permuted.
    """

    pixel_values: Tensor
    slots: Tensor
    labels: dict[str, tuple[Tensor, Tensor]]
    nameless: np.ndarray


def train_contrastive(
    model: CLIPModel,
    tokenizer: CLIPTokenizer,
    data: TrainingSet,
    *,
    steps: int,
    seed: int,
    batch: int = BATCH,
) -> dict[str, float]:
    """Train both towers of ``model`` in place; return smoothed losses."""
    rng = np.random.default_rng([seed, 102])
    heads = make_heads(VISION_WIDTH, seed)
    optimiser = make_optimiser([*model.parameters(), *heads.parameters()])
    means = RunningMeans()
    model.train()
    for step in range(steps):
        clips = rng.integers(len(data), size=batch)
        drawn = _draw_frames(data, clips, rng)
        claims = _draw_claims(data.attributes[clips], drawn.nameless, rng)
        excluded = _not_negative(claims, data.attributes[clips], drawn.nameless)
        ids, mask = token_ids(tokenizer, [caption(claim, rng) for claim in claims])
        pooled = model.vision_model(pixel_values=drawn.pixel_values).pooler_output
        frames = model.visual_projection(pooled)
        tokens, ends = _embed_texts(model, ids, mask)
        loss, figures = _matching_loss(model, frames, drawn.slots, tokens, ends, torch.from_numpy(mask), excluded)
        head_loss, _ = classify(heads, pooled, drawn.labels)
        fade = max(0.0, 1 - step / steps / 0.8)
        loss = loss + HEADS_WEIGHT * fade * head_loss
        take_step(optimiser, loss, learning_rate(step, steps, PEAK_RATE))
        pin_constant(model)
        means.update(**figures, scale=model.logit_scale.exp().item())
        means.report(step + 1, steps)
    model.eval()
    return means.means


def _draw_frames(data: TrainingSet, clips: np.ndarray, rng: np.random.Generator) -> FrameBatch:
    num_frames, batch = data.frames.shape[1], len(clips)
    half = num_frames // 2
    early, late = rng.integers(half, size=batch), half + rng.integers(num_frames - half, size=batch)
    # A second frame only where it adds something: another event, or an object that comes or goes.
    double = (data.events[clips] == 2) | (data.attributes[clips, 0, MOTION] >= APPEAR)
    first = np.where(double | (rng.random(batch) < 0.5), early, late)
    owner = np.concatenate([np.arange(batch), np.flatnonzero(double)])
    frame = np.concatenate([first, late[double]])
    second = np.arange(batch)
    second[double] = batch + np.arange(double.sum())

    pixels, permuted = permute_colours(data.frames[clips[owner], frame], rng, PERMUTED_SHARE)
    pixels, brightness = augment(pixels, rng)
    event = ((data.events[clips[owner]] == 2) & (frame >= half)).astype(int)
    labels = frame_labels(data.attributes[clips[owner], event], data.visible[clips[owner], frame], permuted)
    nameless = np.zeros(batch, bool)
    np.logical_or.at(nameless, owner, permuted)
    slots = torch.from_numpy(np.stack([np.arange(batch), second], axis=1))
    return FrameBatch(to_pixel_values(pixels, brightness), slots, labels, nameless)


def _draw_claims(attributes: np.ndarray, nameless: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a true statement for each of B clips, then foils of most of them: int (C >= B, 2, 7)."""
    claims, foils = [], []
    for event, without_colour in zip(attributes, nameless, strict=True):
        claim = random_claims(event, rng)
        if without_colour:
            claim[:, COLOUR] = UNSAID
        if (claim == UNSAID).all():
            claim[0, SHAPE] = event[0, SHAPE]
        claims.append(claim)
        said = [name for index, name in enumerate(ATTRIBUTES) if (claim[:, index] != UNSAID).any()]
        foil = swap(claim, said[rng.integers(len(said))], rng, attributes=event, trained=True)
        if foil is not None:
            foils.append(foil)
    return np.stack([*claims, *foils])


def _not_negative(claims: np.ndarray, attributes: np.ndarray, nameless: np.ndarray) -> Tensor:
    """Find statements that are true of another clip than their own: bool (C, B).

    Of a clip with permuted colours any statement about colour may be true.
    """
    colourless = claims.copy()
    colourless[:, :, COLOUR] = UNSAID
    true = np.where(nameless, compatible(colourless, attributes), compatible(claims, attributes))
    own = np.arange(len(attributes))
    true[own, own] = False
    return torch.from_numpy(true)


def _embed_texts(model: CLIPModel, ids: np.ndarray, mask: np.ndarray) -> tuple[Tensor, Tensor]:
    states = model.text_model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
    return model.text_projection(states.last_hidden_state), model.text_projection(states.pooler_output)


def _matching_loss(
    model: CLIPModel, frames: Tensor, slots: Tensor, tokens: Tensor, ends: Tensor, mask: Tensor, excluded: Tensor
) -> tuple[Tensor, dict[str, float]]:
    length = overlength(frames) + overlength(tokens[mask.bool()])
    video = F.normalize(frames, dim=-1)[slots]  # (B, 2, D)
    mean_frame = F.normalize(video.mean(1), dim=-1)
    pooled = F.normalize(ends, dim=-1) @ mean_frame.T  # (C, B)
    precision, recall = _greedy_match(F.normalize(tokens, dim=-1), mask.bool(), video)
    scale = model.logit_scale.exp().clamp(max=100)
    coarse = _contrast(pooled * scale, excluded)
    fine = 0.5 * (_contrast(precision * scale, excluded) + _contrast(recall * scale, excluded))
    figures = {"coarse": coarse.item(), "fine": fine.item(), "length": length.item(), "low": pooled.min().item()}
    return coarse + TOKEN_WEIGHT * fine + LENGTH_WEIGHT * length, figures


def _greedy_match(tokens: Tensor, mask: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return precision and recall (C, B) of every caption (C, L, D) against every clip (B, N, D)."""
    cosines = torch.einsum("cld,bnd->clbn", tokens, frames)
    best = cosines.amax(3) * mask[:, :, None]  # (C, L, B)
    precision = best.sum(1) / mask.sum(1)[:, None]
    recall = cosines.masked_fill(~mask[:, :, None, None], -2).amax(1).mean(-1)
    return precision, recall


def _contrast(logits: Tensor, excluded: Tensor) -> Tensor:
    """Compute InfoNCE both ways on (C, B): row i and column i belong together, further rows are foils."""
    logits, own = logits.masked_fill(excluded, NEVER), torch.arange(logits.shape[1])
    return 0.5 * (F.cross_entropy(logits[: len(own)], own) + F.cross_entropy(logits.T, own))
