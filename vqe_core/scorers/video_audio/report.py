"""Pairs to rows: reductions, the filter, and the columns of a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vqe_core.errors import VqeError, attempt
from vqe_core.functional.similarity import reduce_similarities
from vqe_core.scorers.report import ResultNames, RowOutcome
from vqe_core.scorers.video_audio.options import VideoAudioOptions
from vqe_core.scorers.video_audio.pairs import PairResult

SIMILARITIES = ("similarity", "avg_similarity", "max_similarity", "min_similarity")
SCORES = (*SIMILARITIES, "percentile")
# Of methods that have others: a judge has no mismatches, and so no percentile.
_SCORES_OF = {"joint": (*SCORES, "logit"), "judge": SIMILARITIES}
_WORDS_OF = {"tags": ("tags",), "description": ("description",), "judge": ("reason",)}


@dataclass(frozen=True, eq=False)
class SoundOutcome:
    """Outcome of one row: the results of its videos, or the error that stopped it."""

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


def reducible(outcome: SoundOutcome, options: VideoAudioOptions, names: ResultNames) -> SoundOutcome:
    """Return the outcome of a row, or the error of one whose numbers cannot be put together."""
    found = attempt(lambda: (row_outcome(outcome, math.nan, options, names), outcome.error or outcome.visual))
    return SoundOutcome(error=found) if isinstance(found, VqeError) else outcome


def row_outcome(outcome: SoundOutcome, percentile: float, options: VideoAudioOptions, names: ResultNames) -> RowOutcome:
    """Return scores, warnings and details of one row; see ``RowOutcome``."""
    if outcome.error is not None:
        return RowOutcome(error=outcome.error)
    scores = {**row_scores(outcome, options, percentile), "passed_filter": passes(outcome, options, percentile)}
    details = {name: _one_or_list([_plain(getattr(pair, name)) for pair in outcome.pairs]) for name in names.texts}
    return RowOutcome(scores, tuple(note for pair in outcome.pairs for note in pair.notes), details)


def result_names(method: str, with_profile: bool) -> ResultNames:
    """Return the columns of a method; by it alone, so that every batch of a data set has the same."""
    texts = (*_WORDS_OF.get(method, ()), *(["profile"] if with_profile else []))
    return ResultNames(_SCORES_OF.get(method, SCORES), ("passed_filter",), texts)


def row_scores(outcome: SoundOutcome, options: VideoAudioOptions, percentile: float) -> dict[str, float]:
    """Return the scores of one row that did not fail."""
    values = torch.cat([pair.similarities for pair in outcome.pairs])
    scores = {f"{mode}_similarity": float(reduce_similarities(values, mode)) for mode in ("avg", "max", "min")}
    logits = [pair.logit for pair in outcome.pairs if pair.logit is not None]
    if logits:
        scores["logit"] = math.fsum(logits) / len(logits)
    return {"similarity": scores[f"{options.reduce_mode}_similarity"], **scores, "percentile": percentile}


def passes(outcome: SoundOutcome, options: VideoAudioOptions, percentile: float) -> bool:
    """Tell whether a row that did not fail passes the filter.

    Each video is held to ``min_score`` and ``max_score``, and ``any_or_all`` decides for the row; the percentile
    is the row's.
    """
    if options.min_percentile is not None and not percentile >= options.min_percentile:
        return False
    low = -math.inf if options.min_score is None else options.min_score
    high = math.inf if options.max_score is None else options.max_score
    kept = [low <= float(reduce_similarities(p.similarities, options.reduce_mode)) <= high for p in outcome.pairs]
    return all(kept) if options.any_or_all == "all" else any(kept)


def _one_or_list(values: list[Any]) -> Any:
    if len(values) == 1:
        return values[0]
    return values or None


def _plain(value: Any) -> Any:
    """Return tags as ``[{"label", "weight"}]``, everything else as it is."""
    if isinstance(value, tuple):
        return [{"label": label, "weight": weight} for label, weight in value]
    return value
