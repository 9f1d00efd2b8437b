"""EMScore of one row, from embeddings alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vqe_core.functional.calibration import rescale
from vqe_core.functional.emscore import (
    COGR_WEIGHT,
    REFERENCE_WEIGHT,
    EmbeddedBatch,
    EMScores,
    combine,
    emscore,
    mean_direction,
    over_references,
)
from vqe_core.functional.idf import IdfTable
from vqe_core.options import FrameAggregation, MultiReference
from vqe_core.scorers.embedded_rows import EmbeddedRow
from vqe_core.scorers.emscore.score_types import BOTH, REFERENCE, VIDEO, left_out, score_keys
from vqe_core.scorers.report import RowOutcome
from vqe_core.types import RowWarning, TextEmbedding, TimedEmbeddings


@dataclass(frozen=True)
class RowScorer:
    """Scoring of one row after the other, with fixed options.

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

    def outcome(self, row: EmbeddedRow) -> RowOutcome:
        """Score one row, with the warnings and details that belong to it."""
        warnings = row.warnings
        if self.weights_vanish(row.candidate, *row.references):
            warnings += (RowWarning("idf weighs every word of a caption 0; equal weights used", code="idf_zero"),)
        warnings += left_out(row.video is not None, bool(row.references), self.score_types)
        details: dict[str, Any] = {}
        if self.with_frames and row.video is not None:
            details["frame_details"] = self.score_frames(row.candidate, row.references, row.video)
        return RowOutcome(self.score_row(row), warnings, details)

    def score_row(self, row: EmbeddedRow) -> dict[str, float]:
        """Return scores by ``"<score type>_<metric>"``; NaN where the row lacks the video or the references."""
        return self.score(row.candidate, row.references, row.video, row.clauses)

    def score(
        self,
        candidate: TextEmbedding,
        references: Sequence[TextEmbedding],
        video: TimedEmbeddings | None,
        clauses: Sequence[TextEmbedding] = (),
    ) -> dict[str, float]:
        """Return scores by ``"<score type>_<metric>"``; NaN where the row lacks the video or the references."""
        caption = self._text(candidate)
        by_type: dict[str, EMScores] = {}
        if references:
            by_type[REFERENCE] = self._against_references(caption, references)
        if video is not None:
            by_type[VIDEO] = EMScores(*[value.reshape(()) for value in self._against_video(caption, video, clauses)])
        return self._named(by_type)

    def _against_video(
        self, caption: EmbeddedBatch, video: TimedEmbeddings, clauses: Sequence[TextEmbedding]
    ) -> EMScores:
        if self.frame_aggregation == "mean_of_frames":
            return _mean(self._per_frame(caption, video))
        frames = video.values
        if not clauses or len(frames) < len(clauses):  # one event, or too few frames to part
            return emscore(caption, _video(frames), self.cogr_weight)
        parts = zip(clauses, frames.tensor_split(len(clauses)), strict=True)
        each = [emscore(self._text(clause), _video(part), self.cogr_weight) for clause, part in parts]
        return _mean(EMScores(*map(torch.cat, zip(*each, strict=True))))

    def score_frames(
        self, candidate: TextEmbedding, references: Sequence[TextEmbedding], video: TimedEmbeddings
    ) -> list[dict[str, Any]]:
        """Score each sampled frame as a video of its own: frame_index, timestamp (s), and metrics by score type."""
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
        """Tell whether idf weighs every token of one of the texts 0, so that equal weights replace it."""
        return self.idf is not None and any(float(self.idf.lookup(text.token_ids).sum()) <= 0 for text in texts)

    def _text(self, text: TextEmbedding) -> EmbeddedBatch:
        if text.tokens is None:
            return EmbeddedBatch(None, None, text.pooled[None])
        mask = torch.ones(1, len(text.tokens), dtype=torch.bool)
        weights = None if self.idf is None else self.idf.lookup(text.token_ids)[None]
        return EmbeddedBatch(text.tokens[None], mask, text.pooled[None], weights)

    def _against_references(self, caption: EmbeddedBatch, references: Sequence[TextEmbedding]) -> EMScores:
        # One reference at a time: no padding, so no rounding that depends on the other references.
        each = [emscore(caption, self._text(reference), self.cogr_weight) for reference in references]
        together = EMScores(*[torch.cat(values) for values in zip(*each, strict=True)])
        return over_references(together, self.multi_reference, self.cogr_weight)

    def _per_frame(self, caption: EmbeddedBatch, video: TimedEmbeddings) -> EMScores:
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
        return emscore(captions, EmbeddedBatch(frames[:, None], one_each, frames), self.cogr_weight)

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

    def against_videos(self, candidate: TextEmbedding, videos: EmbeddedBatch, metric: str) -> Tensor:
        """Score one caption, as a whole, against each of V videos, padded by ``padded``: float (V,), not rescaled."""
        caption, count = self._text(candidate), len(videos.whole)
        captions = EmbeddedBatch(*[None if part is None else part.expand(count, *part.shape[1:]) for part in caption])
        if self.frame_aggregation != "mean_of_frames":
            return getattr(emscore(captions, videos, self.cogr_weight), metric)  # type: ignore[no-any-return]
        assert videos.parts is not None and videos.mask is not None  # padded
        frames, real = videos.parts.flatten(0, 1), videos.mask
        repeated = EmbeddedBatch(
            *[None if part is None else part[:1].expand(len(frames), *part.shape[1:]) for part in captions]
        )
        one_each = torch.ones(len(frames), 1, dtype=torch.bool)
        each: Tensor = getattr(
            emscore(repeated, EmbeddedBatch(frames[:, None], one_each, frames), self.cogr_weight), metric
        )
        return (each.view_as(real) * real).sum(dim=1) / real.sum(dim=1)

    def in_order_against(self, row: EmbeddedRow, videos: Sequence[TimedEmbeddings], metric: str) -> Tensor:
        """Score a caption of several clauses against each of V videos: float (V,), not rescaled."""
        caption = self._text(row.candidate)
        return torch.stack(
            [getattr(self._against_video(caption, each, row.clauses), metric).reshape(()) for each in videos]
        )

    @staticmethod
    def padded(videos: Sequence[TimedEmbeddings]) -> EmbeddedBatch:
        """Return videos of any numbers of frames side by side, for ``against_videos``."""
        parts = pad_sequence([video.values for video in videos], batch_first=True)
        counts = torch.tensor([len(video.values) for video in videos])
        mask = torch.arange(parts.shape[1]) < counts[:, None]
        return EmbeddedBatch(parts, mask, mean_direction(parts, mask))

    def _named(self, by_type: dict[str, EMScores]) -> dict[str, float]:
        nested = self._nested(by_type)
        return {
            f"{score_type}_{metric}": nested.get(score_type, {}).get(metric, math.nan)
            for score_type in self.score_types
            for metric in self.metrics
        }


def _video(frames: Tensor) -> EmbeddedBatch:
    frames = frames[None]
    mask = torch.ones(frames.shape[:2], dtype=torch.bool)
    return EmbeddedBatch(frames, mask, mean_direction(frames, mask))


def _mean(scores: EMScores) -> EMScores:
    return EMScores(*[value.mean(dim=0) for value in scores])
