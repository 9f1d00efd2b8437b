"""EMScore of one row, from embeddings alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vqe_core.errors import InputError, InputTypeError
from vqe_core.functional.emscore import (
    EmbeddedBatch,
    EMScores,
    combine,
    emscore,
    mean_direction,
    over_references,
)
from vqe_core.functional.idf import IdfTable
from vqe_core.options import FrameAggregation, MultiReference
from vqe_core.scorers.rows import CaptionRow
from vqe_core.types import TextEmbedding, TimedEmbeddings

VIDEO, REFERENCE, BOTH = SCORE_TYPES = ("EMScore(X,V)", "EMScore(X,X*)", "EMScore(X,V,X*)")
# What each needs beside the captions.
NEEDED_COLUMNS = {VIDEO: ("videos",), REFERENCE: ("references",), BOTH: ("videos", "references")}


def chosen_names(option: str, value: Any, allowed: Sequence[str]) -> tuple[str, ...] | None:
    """The distinct names in ``value`` (one, several, or None for None), in the order given.

    Raises:
        InputError: a name that is not among ``allowed``, or none at all.
    """
    if value is None:
        return None
    if not isinstance(value, str | Iterable):
        raise InputTypeError(f"{option} ({value!r}) must be a name or a list of names among {', '.join(allowed)}")
    chosen = (value,) if isinstance(value, str) else tuple(value)
    if not chosen or any(item not in allowed for item in chosen):
        raise InputError(f"{option} ({value!r}) must be among {', '.join(allowed)}")
    return tuple(dict.fromkeys(chosen))


def available_score_types(requested: Sequence[str] | None, given: set[str]) -> tuple[str, ...]:
    """The score types asked for, or all that the ``given`` columns allow.

    Raises:
        InputError: a column that a score type needs is not given.
    """
    for score_type in requested or ():
        absent = [name for name in NEEDED_COLUMNS[score_type] if name not in given]
        if absent:
            raise InputError(
                f"score type {score_type} needs {' and '.join(absent)}; give them, or leave it out of score_types"
            )
    available = tuple(t for t in requested or SCORE_TYPES if given.issuperset(NEEDED_COLUMNS[t]))
    if not available:
        raise InputError("a caption is judged by something: give videos, references, or both")
    return available


def needed_columns(
    columns: Mapping[str, list[Any] | None], score_types: Sequence[str], also: set[str]
) -> dict[str, list[Any] | None]:
    """The columns, those left out that neither a score type needs nor ``also`` names: no video is opened in vain."""
    needed = {"predictions", *also, *(name for score_type in score_types for name in NEEDED_COLUMNS[score_type])}
    return {name: column if name in needed else None for name, column in columns.items()}


def left_out(has_video: bool, has_references: bool, score_types: Sequence[str]) -> tuple[str, ...]:
    """A remark for a row that lacks what some of the score types need."""
    given = {"videos"} if has_video else set()
    given |= {"references"} if has_references else set()
    missing = [score_type for score_type in score_types if not given.issuperset(NEEDED_COLUMNS[score_type])]
    lacking = "references" if has_video else "video"
    return (f"no {lacking} in this row: {', '.join(missing)} left out",) if missing else ()


def nothing_to_score(row: CaptionRow, score_types: Sequence[str]) -> InputError | None:
    """An error with code ``no_input`` if the row lacks what every one of the score types needs."""
    given = {"videos"} if row.video is not None else set()
    given |= {"references"} if row.references else set()
    if any(given.issuperset(NEEDED_COLUMNS[score_type]) for score_type in score_types):
        return None
    return InputError(
        f"predictions ({row.candidate!r}) has {' and '.join(sorted(given)) or 'neither video nor references'}, "
        f"which is not enough for {', '.join(score_types)}; fill the row in or leave it out",
        code="no_input",
    )


def score_keys(score_types: Sequence[str], metrics: Sequence[str]) -> tuple[str, ...]:
    """Names of the scores, ``"<score type>_<metric>"``."""
    return tuple(f"{score_type}_{metric}" for score_type in score_types for metric in metrics)


@dataclass(frozen=True)
class RowScorer:
    """How rows are scored.

    Attributes:
        score_types, metrics: what to report.
        multi_reference: see ``over_references``.
        frame_aggregation: ``"video"`` matches the caption with all frames at once, as the paper does;
            ``"mean_of_frames"`` scores each frame as a video of its own and averages.
        idf: token weights, or None for equal ones.
    """

    score_types: tuple[str, ...]
    metrics: tuple[str, ...]
    multi_reference: MultiReference
    frame_aggregation: FrameAggregation
    idf: IdfTable | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the scores, ``"<score type>_<metric>"``."""
        return score_keys(self.score_types, self.metrics)

    def score(
        self, candidate: TextEmbedding, references: Sequence[TextEmbedding], video: TimedEmbeddings | None
    ) -> dict[str, float]:
        """Scores by ``"<score type>_<metric>"``; NaN where the row lacks the video or the references."""
        caption = self._text(candidate)
        by_type: dict[str, EMScores] = {}
        if references:
            by_type[REFERENCE] = self._against_references(caption, references)
        if video is not None:
            per_video = (
                emscore(caption, _video(video))
                if self.frame_aggregation == "video"
                else _mean(self._per_frame(caption, video))
            )
            by_type[VIDEO] = EMScores(*[value.reshape(()) for value in per_video])
        return self._named(by_type)

    def score_frames(
        self, candidate: TextEmbedding, references: Sequence[TextEmbedding], video: TimedEmbeddings
    ) -> list[dict[str, Any]]:
        """Each sampled frame scored as a video of its own: frame_index, timestamp (s), and metrics by score type."""
        caption = self._text(candidate)
        per_frame = self._per_frame(caption, video)
        against = self._against_references(caption, references) if references else None
        details, timestamps = [], video.timestamps
        for i, index in enumerate(video.indices.tolist()):
            by_type = {VIDEO: EMScores(*[value[i] for value in per_frame])}
            if against is not None:
                by_type[REFERENCE] = against
            timestamp = None if timestamps is None else float(timestamps[i])
            details.append({"frame_index": index, "timestamp": timestamp, **self._nested(by_type)})
        return details

    def weights_vanish(self, *texts: TextEmbedding) -> bool:
        """Whether idf weighs every token of one of the texts 0, so that equal weights replace it."""
        return self.idf is not None and any(float(self.idf.lookup(text.token_ids).sum()) <= 0 for text in texts)

    def _text(self, text: TextEmbedding) -> EmbeddedBatch:
        if text.tokens is None:
            return EmbeddedBatch(None, None, text.pooled[None])
        mask = torch.ones(1, len(text.tokens), dtype=torch.bool)
        weights = None if self.idf is None else self.idf.lookup(text.token_ids)[None]
        return EmbeddedBatch(text.tokens[None], mask, text.pooled[None], weights)

    def _against_references(self, caption: EmbeddedBatch, references: Sequence[TextEmbedding]) -> EMScores:
        # One reference at a time: no padding, so no rounding that depends on the other references.
        each = [emscore(caption, self._text(reference)) for reference in references]
        together = EMScores(*[torch.cat(values) for values in zip(*each, strict=True)])
        return over_references(together, self.multi_reference)

    @staticmethod
    def _per_frame(caption: EmbeddedBatch, video: TimedEmbeddings) -> EMScores:
        """Seven (N,) tensors: the caption against each frame as a video of one frame."""
        frames = video.values

        def repeated(value: Tensor) -> Tensor:
            return value.expand(len(frames), *value.shape[1:])

        captions = EmbeddedBatch(
            parts=None if caption.parts is None else repeated(caption.parts),
            mask=None if caption.mask is None else repeated(caption.mask),
            whole=repeated(caption.whole),
            weights=None if caption.weights is None else repeated(caption.weights),
        )
        one_each = torch.ones(len(frames), 1, dtype=torch.bool)
        return emscore(captions, EmbeddedBatch(frames[:, None], one_each, frames))

    def _nested(self, by_type: dict[str, EMScores]) -> dict[str, dict[str, float]]:
        """Requested metrics by score type, the combined type added where both others are there."""
        if VIDEO in by_type and REFERENCE in by_type:
            by_type = {**by_type, BOTH: combine(by_type[VIDEO], by_type[REFERENCE])}
        return {
            score_type: {metric: float(getattr(by_type[score_type], metric)) for metric in self.metrics}
            for score_type in self.score_types
            if score_type in by_type
        }

    def _named(self, by_type: dict[str, EMScores]) -> dict[str, float]:
        nested = self._nested(by_type)
        return {
            f"{score_type}_{metric}": nested.get(score_type, {}).get(metric, math.nan)
            for score_type in self.score_types
            for metric in self.metrics
        }


def _video(video: TimedEmbeddings) -> EmbeddedBatch:
    frames = video.values[None]
    mask = torch.ones(frames.shape[:2], dtype=torch.bool)
    return EmbeddedBatch(frames, mask, mean_direction(frames, mask))


def _mean(scores: EMScores) -> EMScores:
    return EMScores(*[value.mean(dim=0) for value in scores])
