"""Pairs to rows: reductions, the filter, and the columns of a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vqe_core.errors import VqeError
from vqe_core.functional.similarity import reduce_similarities
from vqe_core.scorers.base import ScoreReport, mean_known
from vqe_core.scorers.options import VideoAudioOptions
from vqe_core.scorers.video_audio.pairs import Comparison, PairResult

SIMILARITIES = ("similarity", "avg_similarity", "max_similarity", "min_similarity")
SCORES = (*SIMILARITIES, "percentile")
# Of methods that have others: a judge has no mismatches, and so no percentile.
_SCORES_OF = {"joint": (*SCORES, "logit"), "judge": SIMILARITIES}
_WORDS_OF = {"tags": ("tags",), "description": ("description",), "judge": ("reason",)}


@dataclass(frozen=True, eq=False)
class SoundOutcome:
    """What became of one row: the results of its videos, or the error that stopped it."""

    pairs: tuple[PairResult, ...] = ()
    error: VqeError | None = None

    @property
    def visual(self) -> Tensor:
        """Mean over its videos, float (D,)."""
        return torch.stack([pair.visual for pair in self.pairs]).mean(dim=0)

    @property
    def sound(self) -> Tensor:
        """Mean over its videos, float (D,)."""
        return torch.stack([pair.sound for pair in self.pairs]).mean(dim=0)


def gather_rows(
    num_rows: int, rows: Sequence[int], results: Sequence[PairResult | VqeError], errors: Mapping[int, VqeError]
) -> list[SoundOutcome]:
    """Outcomes of all rows; a row fails with its first failing video.

    Args:
        num_rows: of the call.
        rows: number of the row of each result.
        results: of all pairs.
        errors: of rows that failed before.
    """
    by_row: dict[int, list[PairResult | VqeError]] = {}
    for row, result in zip(rows, results, strict=True):
        by_row.setdefault(row, []).append(result)
    outcomes = []
    for i in range(num_rows):
        parts = by_row.get(i, [])
        error = errors.get(i) or next((part for part in parts if isinstance(part, VqeError)), None)
        pairs = tuple(part for part in parts if isinstance(part, PairResult))
        outcomes.append(SoundOutcome(error=error) if error is not None else SoundOutcome(pairs))
    return outcomes


def sound_report(
    outcomes: Sequence[SoundOutcome],
    percentiles: Sequence[float],
    numbers: dict[str, Any],
    signature: dict[str, Any],
    options: VideoAudioOptions,
    method: Comparison,
) -> ScoreReport:
    """The report of a call; a failed row is NaN in every score column and left out of the means."""
    pairs = list(zip(outcomes, percentiles, strict=True))
    per_row = [row_scores(outcome, options, percentile) for outcome, percentile in pairs]
    rows: dict[str, list[Any]] = {
        name: [scores.get(name, math.nan) for scores in per_row] for name in score_names(method.name)
    }
    passed: list[Any] = [passes(outcome, options, percentile) for outcome, percentile in pairs]
    return ScoreReport(
        scores={
            **{name: mean_known(column) for name, column in rows.items()},
            "passed_filter": sum(passed) / len(passed),
        },
        rows={**rows, "passed_filter": passed},
        status=["ok" if outcome.error is None else outcome.error.code for outcome in outcomes],
        messages=[row_message(outcome) for outcome in outcomes],
        signature=signature,
        details=row_details(outcomes, method.name, options.return_profile),
        calibration=numbers,
    )


def score_names(method: str) -> tuple[str, ...]:
    """Score columns of a method."""
    return _SCORES_OF.get(method, SCORES)


def detail_names(method: str, with_profile: bool) -> list[str]:
    """Columns beside the scores: the words that stood for the sound or for a number, and the profile if asked for."""
    return [*_WORDS_OF.get(method, ()), *(["profile"] if with_profile else [])]


def row_scores(outcome: SoundOutcome, options: VideoAudioOptions, percentile: float) -> dict[str, float]:
    """Score columns of one row; NaN where it failed."""
    if outcome.error is not None:
        return dict.fromkeys(SCORES, math.nan)
    values = torch.cat([pair.similarities for pair in outcome.pairs])
    scores = {f"{mode}_similarity": float(reduce_similarities(values, mode)) for mode in ("avg", "max", "min")}
    logits = [pair.logit for pair in outcome.pairs if pair.logit is not None]
    if logits:
        scores["logit"] = math.fsum(logits) / len(logits)
    return {"similarity": scores[f"{options.reduce_mode}_similarity"], **scores, "percentile": percentile}


def passes(outcome: SoundOutcome, options: VideoAudioOptions, percentile: float) -> bool:
    """Whether the row passes the filter; a row that failed does not.

    Each video is held to ``min_score`` and ``max_score``, and ``any_or_all`` decides for the row; the percentile
    is the row's.
    """
    if outcome.error is not None:
        return False
    if options.min_percentile is not None and not percentile >= options.min_percentile:
        return False
    low = -math.inf if options.min_score is None else options.min_score
    high = math.inf if options.max_score is None else options.max_score
    kept = [low <= float(reduce_similarities(p.similarities, options.reduce_mode)) <= high for p in outcome.pairs]
    return all(kept) if options.any_or_all == "all" else any(kept)


def row_details(outcomes: Sequence[SoundOutcome], method: str, with_profile: bool) -> dict[str, list[Any]]:
    """Values of the columns beside the scores.

    A row of several videos has a list of them, one a video. Which columns there are depends on the method alone, so
    that every batch of a data set has the same.
    """
    return {
        name: [_one_or_list([_plain(getattr(pair, name)) for pair in outcome.pairs]) for outcome in outcomes]
        for name in detail_names(method, with_profile)
    }


def _one_or_list(values: list[Any]) -> Any:
    if len(values) == 1:
        return values[0]
    return values or None


def _plain(value: Any) -> Any:
    """Tags as ``[{"label", "weight"}]``, everything else as it is."""
    if isinstance(value, tuple):
        return [{"label": label, "weight": weight} for label, weight in value]
    return value


def row_message(outcome: SoundOutcome) -> str:
    """Remarks, or the error's words."""
    if outcome.error is not None:
        return str(outcome.error)
    return "; ".join(dict.fromkeys(note for pair in outcome.pairs for note in pair.notes))
