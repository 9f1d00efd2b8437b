"""EMScore against chance: each caption against the videos of other rows, and each video against their captions."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vqe_core.errors import attempt
from vqe_core.functional.calibration import calibrate
from vqe_core.media import source_identity
from vqe_core.scorers.calibration import against_others, joined_groups
from vqe_core.scorers.embedded_rows import EmbeddedRow
from vqe_core.scorers.emscore.row_scorer import RowScorer
from vqe_core.scorers.emscore.score_types import CHANCE_COLUMNS
from vqe_core.scorers.rows import CaptionRow
from vqe_core.types import TimedEmbeddings

NUMBERS = ("mismatched_mean", "gap", "auc", "auc_v2t", "r1_t2v", "r1_v2t", "median_rank", "p_value")
LEVELS = ("auc", "auc_v2t", "r1_t2v", "r1_v2t", "median_rank")


def against_chance(
    held: Mapping[int, EmbeddedRow], rows: Sequence[Any], scorer: RowScorer, metric: str
) -> tuple[dict[str, Any], dict[int, dict[str, float]]]:
    """Return the numbers of a call, and by row the columns of ``CHANCE_COLUMNS``; NaN where nothing is to compare with.

    Args:
        held: the embedded rows that have scores, by number; those without a video take no part.
        rows: all rows of the call, as they were read.
        scorer: scores a caption against a video.
        metric: of EMScore(X,V), that pairs are ranked by.
    """
    numbers = [i for i, row in held.items() if row.video is not None]
    if not numbers:
        unknown: dict[str, Any] = dict.fromkeys(NUMBERS, math.nan)
        return {**unknown, "chance": dict.fromkeys(LEVELS, math.nan), "num_videos": 0}, {}
    videos: list[TimedEmbeddings] = [held[i].video for i in numbers]  # type: ignore[misc]
    groups = groups_of({i: held[i] for i in numbers}, rows)

    def matrix(captions: Tensor, columns: Tensor) -> Tensor:
        distinct = {id(videos[j]): videos[j] for j in columns.tolist()}
        place = {key: position for position, key in enumerate(distinct)}
        among = torch.tensor([place[id(videos[j])] for j in columns.tolist()])
        chosen = [held[numbers[i]] for i in captions.tolist()]
        scored = [
            scorer.video_scores([replace(row, video=video) for video in distinct.values()], metric) for row in chosen
        ]
        return torch.stack(scored)[:, among]

    found = against_others(matrix, groups)
    back = calibrate(found.matrix.T, found.groups, num_permutations=1)  # each video against captions
    result = found.numbers
    named = {"r1_t2v": result.r1_v2a, "r1_v2t": result.r1_a2v, "auc_v2t": back.auc}
    summary: dict[str, Any] = {name: float(named[name] if name in named else getattr(result, name)) for name in NUMBERS}
    chance = result.chance
    levels = (chance.auc, chance.auc, chance.r1_v2a, chance.r1_a2v, chance.median_rank)
    summary["chance"] = dict(zip(LEVELS, map(float, levels), strict=True))
    summary["num_videos"] = result.num_sounds
    others = result.num_sounds - 1
    columns = {
        i: dict(zip(CHANCE_COLUMNS, (share, 1 + others * (1 - share) if others else math.nan, z), strict=True))
        for i, share, z in zip(numbers, found.percentile, found.z, strict=True)
    }
    return summary, columns


def groups_of(held: Mapping[int, EmbeddedRow], rows: Sequence[Any]) -> list[int]:
    """Return a group a row: segments of one file, copies of it, and rows of the same references are of one."""
    return joined_groups([_keys(rows[i], row) for i, row in held.items()])


def _keys(read: Any, row: EmbeddedRow) -> list[Hashable]:
    keys: list[Hashable] = []
    if row.video is not None:
        frames = row.video.distinct.mean(dim=0)
        keys.append(("embeddings", (frames.round(decimals=5) + 0.0).numpy().tobytes()))
        if isinstance(read, CaptionRow) and read.video is not None:
            whole = attempt(source_identity, replace(read.video, start=None, end=None))
            keys += [("video", whole)] if isinstance(whole, str) else []
    if row.references:
        keys.append(("references", tuple(sorted(text.pooled.numpy().tobytes() for text in row.references))))
    return keys
