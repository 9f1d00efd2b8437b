"""The tiny CLIP: its configuration, its starting values and its constant dimension.

A contrastive loss on a small model gives cosines far below zero. A real CLIP does not: its
embeddings lie in a narrow cone, and the harmonic mean in EMScore relies on that. So one dimension
of both towers is pinned to a constant, and a penalty keeps the rest about as short as it: a cosine
then hardly falls below zero. It needs no code at inference: channel 0 of the last layer norm has
weight 0 and bias 1, and row 0 of the projection reads nothing else.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from training.tokenizer import MAX_LENGTH
from training.training_data import DEVIATION, MEAN, PIXELS

PATCH = 16
VISION_WIDTH = 128
DIMENSIONS = 64
CONSTANT = 8.0  # about the length of the other dimensions at the start


def make_model(tokenizer: CLIPTokenizer, seed: int) -> CLIPModel:
    """Make the untrained model; the same seed gives the same weights."""
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 96,
        "intermediate_size": 288,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": MAX_LENGTH,
        "projection_dim": DIMENSIONS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "hidden_size": VISION_WIDTH,
        "intermediate_size": 384,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": PIXELS,
        "patch_size": PATCH,
        "projection_dim": DIMENSIONS,
    }
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=DIMENSIONS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIPModel(config)
        _start_values(model)
    model.set_attn_implementation("eager")  # the fastest at this size
    pin_constant(model)
    return model.eval()


@torch.no_grad()
def pin_constant(model: CLIPModel) -> None:
    """Make dimension 0 of both towers constant again, after every step of an optimiser."""
    for norm, projection in (
        (model.vision_model.post_layernorm, model.visual_projection),
        (model.text_model.final_layer_norm, model.text_projection),
    ):
        norm.weight[0], norm.bias[0] = 0.0, 1.0
        projection.weight[0] = 0.0
        projection.weight[0, 0] = CONSTANT


def overlength(embeddings: Tensor) -> Tensor:
    """Return by how much the free dimensions of float (..., D) outgrow the constant one, squared mean."""
    return F.relu(embeddings[..., 1:].norm(dim=-1) / CONSTANT - 0.95).square().mean()


@torch.no_grad()
def start_from_images(model: CLIPModel, images: np.ndarray, rng: np.random.Generator) -> None:
    """Start the vision tower from the data: whitened principal components as patch filters.

    A tiny tower learns much faster from these, and from two-dimensional sine positions, than from
    noise.

    Args:
        model: changed in place.
        images: uint8 (M, 64, 64, 3), a few hundred.
        rng: shifts the patch grid and turns the positions.
    """
    embeddings = model.vision_model.embeddings
    patches = _patches(images, rng)
    values, vectors = np.linalg.eigh(np.cov(patches.T))
    values, vectors = values[::-1], vectors[:, ::-1]
    width = embeddings.embed_dim
    filters = (vectors / np.sqrt(np.maximum(values, 0) + 1e-3 * values[0])).T[:width]
    embeddings.patch_embedding.weight.copy_(torch.from_numpy(filters.copy()).view(width, 3, PATCH, PATCH))
    turn, _ = np.linalg.qr(rng.standard_normal((width, width)))  # positions off the axes of the filters
    positions = 0.3 * _sine_positions(PIXELS // PATCH, width) @ turn
    embeddings.position_embedding.weight[1:] = torch.from_numpy(positions).float()


def _start_values(model: CLIPModel) -> None:
    # CLIP's own are made for towers ten times as wide.
    for name, values in model.named_parameters():
        if "patch_embedding" in name:
            nn.init.normal_(values, std=(3 * PATCH**2) ** -0.5)
        elif "embedding" in name:
            nn.init.normal_(values, std=0.02)
        elif values.dim() == 2:
            nn.init.xavier_uniform_(values)
    model.logit_scale.data.fill_(math.log(20.0))


def _patches(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut normalised patches, float (P, 3 * 16 * 16), on a grid shifted at random in each image."""
    grid = PIXELS // PATCH
    rows = []
    for image in images:
        image = ((image / 255 - MEAN) / DEVIATION).transpose(2, 0, 1)
        image = np.roll(image, rng.integers(0, PATCH, 2), (1, 2))
        cut = image.reshape(3, grid, PATCH, grid, PATCH).transpose(1, 3, 0, 2, 4)
        rows.append(cut.reshape(grid * grid, -1))
    return np.concatenate(rows)


def _sine_positions(grid: int, width: int) -> np.ndarray:
    """Return sines and cosines of row and column, float (grid * grid, width)."""
    frequencies = np.pi / 2 / 8 ** (np.arange(width // 4) / (width // 4))
    row, column = np.divmod(np.arange(grid * grid), grid)
    angles = [row[:, None] * frequencies, column[:, None] * frequencies]
    return np.concatenate([f(angle) for angle in angles for f in (np.sin, np.cos)], axis=1)
