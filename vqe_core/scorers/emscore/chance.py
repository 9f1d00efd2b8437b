"""EMScore against chance: each caption against the videos of other rows, and each video against their captions.

The rows of a bank stand for all: at most ``MOST_ROWS`` of a data set, evenly spaced. A call makes its own; a run makes
one before its parts are scored, so that a row has the same place in whatever part it is scored.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from vqe_core.errors import InputError, attempt
from vqe_core.functional.calibration import Calibration, calibrate, place_among
from vqe_core.media import source_identity
from vqe_core.scorers.calibration import joined_groups
from vqe_core.scorers.embedded_rows import EmbeddedRow
from vqe_core.scorers.emscore.row_scorer import RowScorer
from vqe_core.scorers.emscore.score_types import CHANCE_COLUMNS
from vqe_core.scorers.fitted_file import differing
from vqe_core.scorers.rows import CaptionRow
from vqe_core.types import MediaSource, TimedEmbeddings

NUMBERS = ("mismatched_mean", "gap", "auc", "auc_v2t", "r1_t2v", "r1_v2t", "median_rank", "p_value")
LEVELS = ("auc", "auc_v2t", "r1_t2v", "r1_v2t", "median_rank")
# What moves the score of a caption with a video of another row by more than rounding.
MADE_BY = ("metric", "model", "revision", "sampler", "idf", "cogr_weight", "prompt", "frame_aggregation", "long_text")


@dataclass(frozen=True, eq=False)
class ChanceBank:
    """Rows of a data set that stand for all: captions are set against their videos.

    Attributes:
        metric: of EMScore(X,V), that pairs are ranked by.
        rows: embedded, each with a video.
        keys: of each row, as ``keys_of`` gives them; rows that have one in common are no mismatches.
        numbers: of these rows with each other: those of ``NUMBERS``, ``chance`` and ``num_videos``.
        made_by: fields of the signature that they were scored with, those of ``MADE_BY``.
    """

    metric: str
    rows: tuple[EmbeddedRow, ...] = field(repr=False)
    keys: tuple[tuple[str, ...], ...] = field(repr=False)
    numbers: Mapping[str, Any]
    made_by: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def measure(
        cls,
        rows: Sequence[EmbeddedRow],
        keys: Sequence[tuple[str, ...]],
        scorer: RowScorer,
        metric: str,
        made_by: Mapping[str, Any] | None = None,
    ) -> tuple[ChanceBank, list[dict[str, float]]]:
        """Score each caption with the video of each row; return the bank, and the columns of each of its rows.

        Args:
            rows, keys, metric: see the attributes.
            scorer: scores a caption against a video.
            made_by: fields of its signature, where the bank is to be kept.
        """
        bank = cls(metric, tuple(rows), tuple(keys), _no_numbers(), made_by or {})
        if not rows:
            return bank, []
        matrix = torch.stack([bank._with_videos(row, range(len(rows)), scorer) for row in rows])
        groups = torch.tensor(bank.groups)
        result, back = calibrate(matrix, groups), calibrate(matrix.T, groups, num_permutations=1)
        bank = replace(bank, numbers=_numbers(result, back))
        others = result.num_sounds - 1
        places = zip(result.percentile.tolist(), result.z.tolist(), strict=True)
        return bank, [_columns(percentile, z, others) for percentile, z in places]

    @cached_property
    def groups(self) -> tuple[int, ...]:
        """A group a row: rows that share a key, also through others, are of one."""
        return tuple(joined_groups(self.keys))

    @property
    def num_videos(self) -> int:
        """Groups of rows."""
        return int(self.numbers["num_videos"])

    def place(self, row: EmbeddedRow, keys: Sequence[str], scorer: RowScorer) -> dict[str, float]:
        """Return the columns of ``CHANCE_COLUMNS`` of a row with a video; NaN where nothing is to compare with."""
        shared = {group for group, own in zip(self.groups, self.keys, strict=True) if not set(own).isdisjoint(keys)}
        others = [i for i, group in enumerate(self.groups) if group not in shared]
        own = scorer.video_scores([row], self.metric)[0]
        scores = self._with_videos(row, others, scorer) if others else own.new_empty(0)
        groups = [self.groups[i] for i in others]
        place = place_among(own, scores, torch.tensor(groups, dtype=torch.int64))
        return _columns(place.percentile, place.z, len(set(groups)))

    def _with_videos(self, row: EmbeddedRow, numbers: Sequence[int], scorer: RowScorer) -> Tensor:
        """Return the scores of a caption with the videos of some rows, each distinct video scored once."""
        videos: list[TimedEmbeddings] = [self.rows[i].video for i in numbers]  # type: ignore[misc]
        distinct = {id(video): video for video in videos}
        place = {key: position for position, key in enumerate(distinct)}
        scores = scorer.video_scores([replace(row, video=video) for video in distinct.values()], self.metric)
        return scores[[place[id(video)] for video in videos]]

    def digest(self) -> str:
        """Twelve hex digits that change when a row, the metric or what they were scored with does."""
        text = json.dumps([self.metric, self.keys, dict(self.made_by)], default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def check(self, signature: Mapping[str, Any]) -> None:
        """Raise InputError unless the bank was scored with the options of a signature."""
        if told := differing(MADE_BY, self.made_by, signature):
            raise InputError(f"against_chance was fitted with {told}; fit it with the options in use")


def _columns(percentile: float, z: float, others: int) -> dict[str, float]:
    rank = 1 + others * (1 - percentile) if others else math.nan
    return dict(zip(CHANCE_COLUMNS, (percentile, rank, z), strict=True))


def _no_numbers() -> dict[str, Any]:
    return {**dict.fromkeys(NUMBERS, math.nan), "chance": dict.fromkeys(LEVELS, math.nan), "num_videos": 0}


def _numbers(result: Calibration, back: Calibration) -> dict[str, Any]:
    """Return the numbers of captions with videos; ``back`` is the other way round."""
    named = {"r1_t2v": result.r1_v2a, "r1_v2t": result.r1_a2v, "auc_v2t": back.auc}
    summary: dict[str, Any] = {name: float(named[name] if name in named else getattr(result, name)) for name in NUMBERS}
    chance = result.chance
    levels = (chance.auc, chance.auc, chance.r1_v2a, chance.r1_a2v, chance.median_rank)
    return {
        **summary,
        "chance": dict(zip(LEVELS, map(float, levels), strict=True)),
        "num_videos": result.num_sounds,
    }


def groups_of(held: Mapping[int, EmbeddedRow], rows: Sequence[Any]) -> list[int]:
    """Return a group a row: segments of one file, copies of it, and rows of the same references are of one."""
    return joined_groups([keys_of(rows[i], row) for i, row in held.items()])


def keys_of(read: Any, row: EmbeddedRow) -> tuple[str, ...]:
    """Return texts of which two rows have one in common where one is no mismatch of the other.

    Args:
        read: the row as it was read.
        row: the same, embedded.
    """
    keys: list[Hashable] = []
    if row.video is not None:
        frames = row.video.distinct.mean(dim=0)
        keys.append(("embeddings", (frames.round(decimals=5) + 0.0).numpy().tobytes()))
        if isinstance(read, CaptionRow) and read.video is not None:
            keys += _file_keys(read.video)
    if row.references:
        keys.append(("references", tuple(sorted(text.pooled.numpy().tobytes() for text in row.references))))
    return tuple(hashlib.sha256(repr(key).encode()).hexdigest()[:24] for key in keys)


def _file_keys(source: MediaSource) -> list[Hashable]:
    """Return what segments of one file have in common; of an open decoder nothing that means the same elsewhere."""
    if source.path is not None:
        return [("file", os.path.realpath(source.path))]
    if source.decoder is not None:
        return []
    whole = attempt(source_identity, replace(source, start=None, end=None))
    return [("video", whole)] if isinstance(whole, str) else []
