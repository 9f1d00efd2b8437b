"""Statistics and scores the slow way, from their definitions: one pair, one caption at a time, without scipy."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tests.oracle import caption_vectors, frame_vector, match, unit, with_full


def tau(x: Sequence[float], y: Sequence[float], variant: str = "b") -> float:
    concordant = discordant = only_x = only_y = 0
    for (a, b), (c, d) in itertools.combinations(zip(x, y, strict=True), 2):
        sign = int(a > c) - int(a < c), int(b > d) - int(b < d)
        concordant += sign[0] * sign[1] > 0
        discordant += sign[0] * sign[1] < 0
        only_x += sign[0] == 0 != sign[1]
        only_y += sign[1] == 0 != sign[0]
    if variant == "b":
        clear = concordant + discordant
        return (concordant - discordant) / math.sqrt((clear + only_x) * (clear + only_y))
    classes = min(len(set(x)), len(set(y)))
    return 2 * (concordant - discordant) / (len(x) ** 2 * (classes - 1) / classes)


def pearson(x: Sequence[float], y: Sequence[float]) -> float:
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return covariance / math.sqrt(sum((a - mean_x) ** 2 for a in x) * sum((b - mean_y) ** 2 for b in y))


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1; equal values share the mean of theirs."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2 for value in values
    ]


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    return pearson(ranks(x), ranks(y))


class Weights:
    """Weights of tokens, as published code counts them: captions padded with id 0, the end token the largest id."""

    def __init__(self, folder: str, corpus: Sequence[str], *, mean_at_end: bool) -> None:
        documents = [set(caption_vectors(folder, text)[0]) | {0} for text in corpus]
        counts = Counter(token for document in documents for token in document)
        self.weights = {token: math.log((len(corpus) + 1) / (count + 1)) for token, count in counts.items()}
        self.unseen = math.log(len(corpus) + 1)
        if mean_at_end:
            self.weights[max(self.weights)] = sum(self.weights.values()) / len(self.weights)

    def __call__(self, token: int) -> float:
        return self.weights.get(token, self.unseen)


def of_vectors(folder: str, caption: str, vectors: Sequence[np.ndarray], weigh: Weights) -> dict[str, float]:
    """EMScore(X,V) against embeddings of frames."""
    ids, tokens = caption_vectors(folder, caption)
    coarse = float(tokens[-1] @ unit(np.mean(vectors, axis=0)))
    return with_full(*match(tokens, list(vectors), [weigh(i) for i in ids], [1.0] * len(vectors)), coarse)


def frames_of(folder: str, images: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [frame_vector(folder, image) for image in images]
