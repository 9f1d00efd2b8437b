"""Measures of the evaluation, by full_F: pairs of caption and foil, retrieval, order of severity."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from vqe_core.functional.emscore import EmbeddedBatch
from vqe_core.toy.captions import caption
from vqe_core.toy.claims import full_claims, oppose_motion, swap, swap_events
from vqe_core.toy.clips import ToyClip
from vqe_core.toy.judge import Judge, parts_of, take
from vqe_core.toy.world import APPEAR, DIRECTIONS, MOTION

# (attributes of a clip, its claims, randomness) -> false claims, or None where the clip has nothing of the kind
FoilMaker = Callable[[np.ndarray, np.ndarray, np.random.Generator], "np.ndarray | None"]


def _one_wrong(attribute: str) -> FoilMaker:
    return lambda attributes, claims, rng: swap(claims, attribute, rng, attributes=attributes)


def _direction(attributes: np.ndarray, claims: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    return oppose_motion(claims) if claims[0, MOTION] in DIRECTIONS else None


def _appear_vanish(attributes: np.ndarray, claims: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    return oppose_motion(claims) if claims[0, MOTION] >= APPEAR else None


def _order(attributes: np.ndarray, claims: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    return swap_events(claims)


FOILS: dict[str, FoilMaker] = {
    **{name: _one_wrong(name) for name in ("colour", "shape", "count", "size", "background")},
    "direction": _direction,
    "motion": _one_wrong("motion"),
    "sound": _one_wrong("sound"),
    "appear_vanish": _appear_vanish,
    "order": _order,
}

# What a model that pools single frames cannot know: it can only guess.
LIMITS = ("appear_vanish", "order")


def measure(judge: Judge, clips: Sequence[ToyClip], videos: EmbeddedBatch) -> dict[str, object]:
    """Take all measures but the limits on one set of clips."""
    return {
        "pairs": {
            kind: pair_accuracy(judge, clips, videos, kind) for kind in [*FOILS, "unrelated"] if kind not in LIMITS
        },
        "recall_at_1_of_64": recall_at_one(judge, clips, videos),
        **severity_order(judge, clips, videos),
    }


def pair_accuracy(judge: Judge, clips: Sequence[ToyClip], videos: EmbeddedBatch, kind: str) -> dict[str, float]:
    """Measure how often the right caption beats a foil of one kind on the same video.

    Args:
        judge: of captions.
        clips: B clips.
        videos: their embeddings.
        kind: a name of ``FOILS``, or "unrelated" for the caption of another clip.

    Returns:
        ``accuracy`` in [0, 1] over ``pairs`` of a caption and its foil.
    """
    rng = np.random.default_rng(7)
    rows: list[int] = []
    right: list[str] = []
    wrong: list[str] = []
    for row, clip in enumerate(clips):
        claims = full_claims(clip.attributes, sound=kind == "sound")
        other = clips[(row + len(clips) // 3) % len(clips)]
        foil = full_claims(other.attributes) if kind == "unrelated" else FOILS[kind](clip.attributes, claims, rng)
        if foil is not None:
            rows.append(row)
            right.append(caption(claims))
            wrong.append(caption(foil))
    chosen = take(videos, torch.tensor(rows))
    wins = judge.score(right, chosen).full_F > judge.score(wrong, chosen).full_F
    return {"accuracy": round(wins.float().mean().item(), 4), "pairs": len(rows)}


def recall_at_one(judge: Judge, clips: Sequence[ToyClip], videos: EmbeddedBatch, group: int = 64) -> dict[str, float]:
    """Measure retrieval among ``group`` clips, as the mean over the groups that fit.

    Returns:
        Share in [0, 1] of captions that score highest on their own video, and of videos whose own
        caption scores highest.
    """
    by_text, by_video = [], []
    for start in range(0, len(clips) - group + 1, group):
        rows = torch.arange(start, start + group)
        scores = judge.score_all([clips[i].captions(1)[0] for i in rows], take(videos, rows))
        by_text.append((scores.argmax(1) == torch.arange(group)).float().mean().item())
        by_video.append((scores.argmax(0) == torch.arange(group)).float().mean().item())
    return {"text_to_video": round(float(np.mean(by_text)), 4), "video_to_text": round(float(np.mean(by_video)), 4)}


def severity_order(judge: Judge, clips: Sequence[ToyClip], videos: EmbeddedBatch) -> dict[str, object]:
    """Measure whether a caption with more wrong attributes scores lower on the same video.

    Returns:
        ``kendall_tau`` in [-1, 1] between score and number of right attributes, 0 to 6 wrong, mean
        over the clips; ``mean_full_F`` for each number of wrong attributes.
    """
    ladders = [[clip.captions(1)[0], *(foil.text for foil in clip.foils())] for clip in clips]
    scores = torch.stack([judge.score(list(step), videos).full_F for step in zip(*ladders, strict=True)])  # (7, B)
    taus = [kendall_tau(-np.arange(len(scores)), column) for column in scores.T.numpy()]
    means = [round(mean, 3) for mean in scores.mean(1).tolist()]
    return {"kendall_tau": round(float(np.mean(taus)), 4), "mean_full_F": means}


def lowest_cosine(judge: Judge, clips: Sequence[ToyClip], videos: EmbeddedBatch) -> float:
    """Return the lowest cosine of any caption token with any frame, of the right video or another."""
    tokens, real = parts_of(judge.embed_captions([clip.captions(1)[0] for clip in clips]))
    frames, _ = parts_of(videos)
    return (tokens[real] @ frames.flatten(0, 1).T).min().item()


def kendall_tau(first: np.ndarray, second: np.ndarray) -> float:
    """Compute Kendall's tau-a of two rankings float (K,): agreeing minus disagreeing pairs over all pairs."""
    upper = np.triu_indices(len(first), 1)
    agreement = np.sign(first[:, None] - first)[upper] * np.sign(second[:, None] - second)[upper]
    return float(agreement.mean())
