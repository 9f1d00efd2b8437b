"""EMScore of rows, from embeddings alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vqe_core.errors import VqeError, attempt
from vqe_core.functional.calibration import rescale
from vqe_core.functional.emscore import (
    COGR_WEIGHT,
    REFERENCE_WEIGHT,
    Embedded,
    EMScores,
    combine,
    emscore_of_pairs,
    mean_direction,
    over_references,
)
from vqe_core.functional.idf import IdfTable
from vqe_core.options import FrameAggregation, MultiReference
from vqe_core.scorers.embedded_rows import EmbeddedRow
from vqe_core.scorers.emscore.score_types import (
    BOTH,
    REFERENCE,
    VIDEO,
    left_out,
    score_keys,
)
from vqe_core.scorers.report import RowOutcome
from vqe_core.types import RowWarning, TextEmbedding, TimedEmbeddings


class Matched(NamedTuple):
    """Scores of a caption against each of its counterparts; None where the row lacks them.

    Attributes:
        references: seven (K,) tensors, one entry a reference caption.
        video: seven (1,) tensors, all frames at once.
        frames: seven (N,) tensors, each frame as a video of its own.
        clauses: seven (C,) tensors, each clause against its own part of the frames.
    """

    references: EMScores | None = None
    video: EMScores | None = None
    frames: EMScores | None = None
    clauses: EMScores | None = None


@dataclass(frozen=True)
class RowScorer:
    """Scoring of embedded rows, with fixed options.

    Attributes:
        score_types, metrics: what to report.
        multi_reference: see ``over_references``.
        frame_aggregation: ``"video"`` matches the caption with all frames at once, as the paper does;
            ``"mean_of_frames"`` scores each frame as a video of its own and averages; ``"in_order"`` scores each clause
            of a caption that tells events in order against its own part of the frames, and averages.
        idf: token weights, or None for equal ones.
        with_frames: whether each frame is scored as a video of its own too.
        cogr_weight: share of cogr in full_P, full_R and full_F.
        reference_weight: share of the references in the combined score type.
        baseline: what unrelated captions score, by name; scores are rescaled by it. None: they are as they are.
    """

    score_types: tuple[str, ...]
    metrics: tuple[str, ...]
    multi_reference: MultiReference
    frame_aggregation: FrameAggregation
    idf: IdfTable | None = None
    with_frames: bool = False
    cogr_weight: float = COGR_WEIGHT
    reference_weight: float = REFERENCE_WEIGHT
    baseline: Mapping[str, float] | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the scores, ``"<score type>_<metric>"``."""
        return score_keys(self.score_types, self.metrics)

    def match(self, rows: Sequence[EmbeddedRow]) -> list[Matched | VqeError]:
        """Match the captions of rows with their counterparts, all together; one that fails gives its error.

        Every pair has the same bits whatever the other rows, so that rows can be matched again each for itself where
        together they cannot.
        """
        together = attempt(self._match, rows)
        if isinstance(together, VqeError):
            return [attempt(lambda row=row: self._match([row])[0]) for row in rows]
        return [*together]

    def _match(self, rows: Sequence[EmbeddedRow]) -> list[Matched]:
        sides, pairs, counts = _Sides(self.idf), [], []
        for row in rows:
            candidate = sides.text(row.candidate)
            against = self._counterparts(row, sides)
            told = self._in_order(row, sides)
            pairs += [*((candidate, other) for others in against for other in others), *told]
            counts += [*(len(others) for others in against), len(told)]
        scores = torch.stack(emscore_of_pairs(pairs, self.cogr_weight))
        parts = torch.split_with_sizes(scores, counts, dim=1)
        found = [EMScores(*values) if count else None for values, count in zip(parts, counts, strict=True)]
        fields = len(Matched._fields)
        return [Matched(*found[start : start + fields]) for start in range(0, len(found), fields)]

    def video_scores(self, rows: Sequence[EmbeddedRow], metric: str) -> Tensor:
        """Return a metric of each row's caption and video, float (R,), not rescaled."""
        matched = self._match([replace(row, references=()) for row in rows])
        return torch.stack([getattr(_of_video(each), metric).mean() for each in matched])

    def _in_order(self, row: EmbeddedRow, sides: _Sides) -> list[tuple[Embedded, Embedded]]:
        """Pair the clauses of a caption with their parts of the frames; none of one event, or of too few frames."""
        if self.frame_aggregation != "in_order" or row.video is None or not row.clauses:
            return []
        frames = row.video.values
        if len(frames) < len(row.clauses):
            return []
        parts = frames.tensor_split(len(row.clauses))
        return [(sides.text(clause), sides.part(part)) for clause, part in zip(row.clauses, parts, strict=True)]

    def _counterparts(self, row: EmbeddedRow, sides: _Sides) -> tuple[list[Embedded], list[Embedded], list[Embedded]]:
        """Return what a row's caption is matched with, in the order of ``Matched``."""
        averaged = self.frame_aggregation == "mean_of_frames"
        whole = [] if row.video is None or averaged else [sides.video(row.video)]
        each = self.with_frames or averaged
        frames = sides.frames(row.video) if row.video is not None and each else []
        return [sides.text(text) for text in row.references], whole, frames

    def outcome(self, row: EmbeddedRow, matched: Matched | VqeError) -> RowOutcome:
        """Score one row, with the warnings and details that belong to it.

        Raises:
            VqeError: its caption could not be matched.
        """
        if isinstance(matched, VqeError):
            raise matched
        warnings = row.warnings
        if self.weights_vanish(row.candidate, *row.references):
            warnings += (RowWarning("idf weighs every word of a caption 0; equal weights used", code="idf_zero"),)
        warnings += left_out(row.video is not None, bool(row.references), self.score_types)
        details: dict[str, Any] = {}
        if self.with_frames and row.video is not None:
            details["frame_details"] = self.score_frames(matched, row.video)
        return RowOutcome(self.score(matched), warnings, details)

    def score(self, matched: Matched) -> dict[str, float]:
        """Return scores by ``"<score type>_<metric>"``; NaN where the row lacks the video or the references."""
        by_type: dict[str, EMScores] = {}
        if matched.references is not None:
            by_type[REFERENCE] = over_references(matched.references, self.multi_reference, self.cogr_weight)
        video = _of_video(matched)
        if video is not None:
            by_type[VIDEO] = EMScores(*[value.mean() for value in video])
        return self._named(by_type)

    def score_frames(self, matched: Matched, video: TimedEmbeddings) -> list[dict[str, Any]]:
        """Score each sampled frame as a video of its own: frame_index, timestamp (s), and metrics by score type."""
        assert matched.frames is not None  # asked for by ``with_frames``
        references = matched.references
        against = None if references is None else over_references(references, self.multi_reference, self.cogr_weight)
        details, timestamps = [], video.timestamps
        for i, index in enumerate(video.indices.tolist()):
            by_type = {VIDEO: EMScores(*[value[i] for value in matched.frames])}
            if against is not None:
                by_type[REFERENCE] = against
            timestamp = None if timestamps is None else float(timestamps[i])
            details.append({"frame_index": index, "timestamp": timestamp, **self._nested(by_type)})
        return details

    def weights_vanish(self, *texts: TextEmbedding) -> bool:
        """Tell whether idf weighs every token of one of the texts 0, so that equal weights replace it."""
        return self.idf is not None and any(float(self.idf.lookup(text.token_ids).sum()) <= 0 for text in texts)

    def _nested(self, by_type: dict[str, EMScores]) -> dict[str, dict[str, float]]:
        """Requested metrics by score type, the combined type added where both others are there."""
        if VIDEO in by_type and REFERENCE in by_type:
            by_type = {**by_type, BOTH: combine(by_type[VIDEO], by_type[REFERENCE], self.reference_weight)}
        return {
            score_type: {metric: self._number(by_type[score_type], score_type, metric) for metric in self.metrics}
            for score_type in self.score_types
            if score_type in by_type
        }

    def _number(self, scores: EMScores, score_type: str, metric: str) -> float:
        value = float(getattr(scores, metric))
        return value if self.baseline is None else rescale(value, self.baseline[f"{score_type}_{metric}"])

    def _named(self, by_type: dict[str, EMScores]) -> dict[str, float]:
        nested = self._nested(by_type)
        return {
            f"{score_type}_{metric}": nested.get(score_type, {}).get(metric, math.nan)
            for score_type in self.score_types
            for metric in self.metrics
        }


def _of_video(matched: Matched) -> EMScores | None:
    return matched.clauses or matched.video or matched.frames


class _Sides:
    """Make of embeddings what the kernels take, of each text and video of some rows once."""

    def __init__(self, idf: IdfTable | None) -> None:
        self._idf = idf
        self._made: dict[int, Embedded] = {}

    def text(self, text: TextEmbedding) -> Embedded:
        """Return a caption."""
        if id(text) not in self._made:
            weights = None if self._idf is None or text.tokens is None else self._idf.lookup(text.token_ids)
            self._made[id(text)] = Embedded(text.tokens, text.pooled, weights)
        return self._made[id(text)]

    def video(self, video: TimedEmbeddings) -> Embedded:
        """Return a video."""
        if id(video) not in self._made:
            self._made[id(video)] = self.part(video.values)
        return self._made[id(video)]

    @staticmethod
    def part(frames: Tensor) -> Embedded:
        """Return some frames, float (N, D), as a video."""
        mask = torch.ones(1, len(frames), dtype=torch.bool)
        return Embedded(frames, mean_direction(frames[None], mask)[0])

    @staticmethod
    def frames(video: TimedEmbeddings) -> list[Embedded]:
        """Return each frame as a video."""
        return [Embedded(frame[None], frame) for frame in video.values]
