"""EMScore the slow way, from the paper: one caption, one frame, one token at a time; transformers and PIL only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoTokenizer, CLIPModel

MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
STD = np.array([0.26862954, 0.26130258, 0.27577711])
METRICS = ("figr_P", "figr_R", "figr_F", "cogr", "full_P", "full_R", "full_F")


@lru_cache
def _parts(folder: str) -> tuple[Any, Any]:
    return CLIPModel.from_pretrained(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(folder)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def caption_vectors(folder: str, text: str) -> tuple[list[int], list[np.ndarray]]:
    """Token ids, and the unit vector of every token in the joint space; the last one is EOS."""
    model, tokenizer = _parts(folder)
    ids = tokenizer(text)["input_ids"]
    with torch.no_grad():
        hidden = model.text_model(input_ids=torch.tensor([ids])).last_hidden_state
        vectors = model.text_projection(hidden)[0].double().numpy()
    return ids, [unit(vector) for vector in vectors]


def preprocess(frame: np.ndarray, size: int) -> np.ndarray:
    """OpenAI's: shorter edge to ``size`` (bicubic), centre crop, normalise. uint8 (H, W, 3) -> float (3, h, w)."""
    image = Image.fromarray(frame)
    width, height = image.size
    if min(width, height) != size:
        scaled = (size, int(size * height / width)) if width <= height else (int(size * width / height), size)
        image = image.resize(scaled, Image.Resampling.BICUBIC)
    left, top = round((image.size[0] - size) / 2), round((image.size[1] - size) / 2)
    pixels = np.asarray(image.crop((left, top, left + size, top + size))) / 255
    return ((pixels - MEAN) / STD).transpose(2, 0, 1)


def frame_vector(folder: str, frame: np.ndarray) -> np.ndarray:
    model, _ = _parts(folder)
    pixels = torch.from_numpy(preprocess(frame, model.config.vision_config.image_size)).float()
    with torch.no_grad():
        pooled = model.vision_model(pixel_values=pixels[None]).pooler_output
        return unit(model.visual_projection(pooled)[0].double().numpy())


def idf_weights(folder: str, corpus: Sequence[str]) -> Any:
    """Token id -> weight, as the published code counts."""
    documents = [set(caption_vectors(folder, text)[0]) | {0} for text in corpus]
    counts = Counter(token for document in documents for token in document)
    weights = {token: math.log((len(corpus) + 1) / (count + 1)) for token, count in counts.items()}
    weights[max(weights)] = sum(weights.values()) / len(weights)  # EOS has the largest id
    return lambda token: weights.get(token, math.log(len(corpus) + 1))


def match(
    candidate: list[np.ndarray],
    reference: list[np.ndarray],
    candidate_weights: Sequence[float],
    reference_weights: Sequence[float],
) -> tuple[float, float, float]:
    precision = recall = 0.0
    for vector, weight in zip(candidate, candidate_weights, strict=True):
        precision += weight / sum(candidate_weights) * max(float(vector @ other) for other in reference)
    for vector, weight in zip(reference, reference_weights, strict=True):
        recall += weight / sum(reference_weights) * max(float(vector @ other) for other in candidate)
    both_positive = precision > 0 and recall > 0
    f1 = 2 * precision * recall / (precision + recall) if both_positive else min(precision, recall)
    return precision, recall, f1


def with_full(precision: float, recall: float, f1: float, coarse: float) -> dict[str, float]:
    values = (precision, recall, f1, coarse, (precision + coarse) / 2, (recall + coarse) / 2, (f1 + coarse) / 2)
    return dict(zip(METRICS, values, strict=True))


def against_video(folder: str, caption: str, frames: Sequence[np.ndarray], weigh: Any = None) -> dict[str, float]:
    """EMScore(X,V); ``weigh`` gives the weight of a token id."""
    ids, tokens = caption_vectors(folder, caption)
    vectors = [frame_vector(folder, frame) for frame in frames]
    weights = [weigh(i) if weigh else 1.0 for i in ids]
    coarse = float(tokens[-1] @ unit(np.mean(vectors, axis=0)))
    return with_full(*match(tokens, vectors, weights, [1.0] * len(vectors)), coarse)


def against_references(folder: str, caption: str, references: Sequence[str], weigh: Any = None) -> dict[str, float]:
    """EMScore(X,X*), the best of each metric over the references."""
    ids, tokens = caption_vectors(folder, caption)
    each = []
    for reference in references:
        other_ids, others = caption_vectors(folder, reference)
        weights = [[weigh(i) if weigh else 1.0 for i in chosen] for chosen in (ids, other_ids)]
        each.append((*match(tokens, others, *weights), float(tokens[-1] @ others[-1])))
    return with_full(*(max(values) for values in zip(*each, strict=True)))


def combined(video: dict[str, float], reference: dict[str, float]) -> dict[str, float]:
    """EMScore(X,V,X*)."""
    return {metric: (video[metric] + reference[metric]) / 2 for metric in METRICS}
