"""One call of EMScore, from checked rows to a report, and the baseline that a call gives."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from vqe_core.encoders import ImageTextEncoder
from vqe_core.errors import InputError, VqeError, attempt
from vqe_core.runtime import one_thread
from vqe_core.scorers.calibration import MOST_ROWS, evenly
from vqe_core.scorers.call import Call
from vqe_core.scorers.caption_scorer import CaptionScoring
from vqe_core.scorers.embedded_rows import CHUNK_ROWS, EmbeddedRow
from vqe_core.scorers.emscore.baseline import MADE_BY, Baseline, load_baseline, save_baseline
from vqe_core.scorers.emscore.chance import ChanceBank, groups_of, keys_of
from vqe_core.scorers.emscore.chance_file import chance_metric, load_chance
from vqe_core.scorers.emscore.idf import resolve_idf
from vqe_core.scorers.emscore.row_scorer import RowScorer
from vqe_core.scorers.emscore.score_types import VIDEO, available_score_types
from vqe_core.scorers.report import RowOutcome, ScoreReport, mean_known
from vqe_core.scorers.row_errors import outcomes_of

if TYPE_CHECKING:
    from vqe_core.scorers.emscore.scorer import EMScore

# Options that change a score only where there are such inputs.
_ONLY_WITH = {
    "frame_aggregation": {"videos"},
    "multi_reference": {"references"},
    "reference_weight": {"videos", "references"},
}
PARTNERS = 20  # other clips a caption is compared with for a baseline: their mean is what counts, and needs no more


class EMScoring(CaptionScoring):
    """One call of EMScore, its encoder loaded and the weights of its tokens known."""

    def __init__(self, scorer: EMScore, call: Call, encoder: ImageTextEncoder, *, hold: bool = False) -> None:
        super().__init__(scorer, call, encoder)
        self.chance_by = chance_metric(scorer.against_chance)
        self.held: dict[int, EmbeddedRow] = {}
        self.holds = hold or self.chance_by is not None
        self._places: dict[int, dict[str, float]] = {}
        score_types = available_score_types(scorer.score_types, call.given)
        idf = resolve_idf(
            scorer.idf, encoder, call.rows, scorer.long_text, scorer.on_error, scorer.idf_eos, scorer.prompt
        )
        self.row_scorer = RowScorer(
            score_types,
            scorer.metrics,
            scorer.multi_reference,
            scorer.frame_aggregation,
            idf,
            scorer.return_all_frames,
            scorer.cogr_weight,
            scorer.reference_weight,
        )

        self.chance: ChanceBank | None = None
        self.baseline = load_baseline(scorer.baseline)
        if self.baseline is not None:
            self.baseline.check(self.signature(), self.row_scorer.keys)
            self.row_scorer = replace(self.row_scorer, baseline=self.baseline.values)
        self.chance = load_chance(scorer.against_chance)
        if self.chance is not None:
            self.chance.check(self.signature())

    @one_thread()
    def score_rows(self, rows: Sequence[EmbeddedRow]) -> list[RowOutcome | VqeError]:
        """Score embedded rows, their captions matched together; what fails costs its row."""
        matched = self.row_scorer.match(rows)
        return [attempt(self.row_scorer.outcome, row, found) for row, found in zip(rows, matched, strict=True)]

    def video_scores(self, rows: Sequence[EmbeddedRow]) -> Tensor:
        """Return the score that a bank ranks of each row's caption with its video; see ``CaptionScoring``."""
        return self.row_scorer.video_scores(rows, self.scorer.bank_names[0].removeprefix(f"{VIDEO}_"))

    @one_thread()
    def hold_on(self, number: int, row: EmbeddedRow) -> None:
        """Keep a row that is to be compared with others, or compare it with those of a bank."""
        if self.chance is not None and row.video is not None:
            keys = keys_of(self.call.rows[number], row)
            self._places[number] = self.chance.place(row, keys, self._plain)
        if self.holds:
            self.held[number] = row

    @property
    def _plain(self) -> RowScorer:
        return replace(self.row_scorer, baseline=None)

    def report(self, outcomes: Sequence[RowOutcome]) -> ScoreReport:
        """Make the report of the call, with its numbers against chance where they are asked for."""
        if self.chance_by is not None:
            self._compare_held(self.chance_by)
        if self.chance is None:
            return super().report(outcomes)
        placed = [
            replace(o, scores={**o.scores, **{f"{VIDEO}_{name}": value for name, value in self._places[i].items()}})
            if i in self._places
            else o
            for i, o in enumerate(outcomes)
        ]
        return replace(super().report(placed), calibration=dict(self.chance.numbers))

    @one_thread()
    def _compare_held(self, metric: str) -> None:
        """Set the rows of the call against those of them that stand for all."""
        held = {i: (row, keys_of(self.call.rows[i], row)) for i, row in self.held.items() if row.video is not None}
        chosen = [i for i in evenly(len(self.call.rows), MOST_ROWS).tolist() if i in held]
        rows, keys = [held[i][0] for i in chosen], [held[i][1] for i in chosen]
        self.chance, places = ChanceBank.measure(rows, keys, self._plain, metric)
        self._places = dict(zip(chosen, places, strict=True))
        for i, (row, own) in held.items():
            if i not in self._places:
                self._places[i] = self.chance.place(row, own, self._plain)

    def signature(self) -> dict[str, Any]:
        """Return everything that can change a score, the weights of tokens and a baseline by their digests."""
        idf, signature = self.row_scorer.idf, super().signature()
        idle = {option for option, needed in _ONLY_WITH.items() if not self.call.given.issuperset(needed)}
        signature = {name: value for name, value in signature.items() if name not in idle}
        signature["idf"] = "none" if idf is None else idf.digest()
        if self.baseline is not None:
            signature["baseline"] = self.baseline.digest()
        if self.chance is not None:
            signature["against_chance"] = f"{self.chance.metric} among {self.chance.num_videos} videos"
        return signature


def measure_baseline(scorer: EMScore, call: Call, path: str | os.PathLike[str] | None) -> Baseline:
    """Score captions against the videos and references of other clips; see ``EMScore.fit_baseline``."""
    scoring = EMScoring(scorer, call, scorer.load_encoder(), hold=True)
    outcomes = outcomes_of(scoring)
    scorer.check_failures(outcomes, whole=True)
    held = scoring.held
    numbers = [list(held)[position] for position in evenly(len(held), MOST_ROWS).tolist()] if held else []
    groups = groups_of({i: held[i] for i in numbers}, call.rows)
    if len(set(groups)) < 2:
        raise InputError(
            f"a baseline needs captions of at least 2 clips, got {len(set(groups))} with scores; give other clips too"
        )
    pairs = mismatches(numbers, groups)
    rows = [replace(held[i], references=held[j].references, video=held[j].video) for i, j in pairs]
    scores = []
    for start in range(0, len(rows), CHUNK_ROWS):
        for matched in scoring.row_scorer.match(rows[start : start + CHUNK_ROWS]):
            if isinstance(matched, VqeError):
                raise matched
            scores.append(scoring.row_scorer.score(matched))
    means = {name: mean_known([row[name] for row in scores]) for name in scoring.row_scorer.keys}
    signature = scoring.signature()
    made_by = {name: signature[name] for name in MADE_BY if name in signature}
    known = {name: value for name, value in means.items() if value == value}
    baseline = Baseline(known, made_by, len(numbers), len(set(groups)))
    if path is not None:
        save_baseline(baseline, path)
    return baseline


def mismatches(numbers: list[int], groups: list[int], seed: int = 0) -> list[tuple[int, int]]:
    """Pair each row with a row of each of up to ``PARTNERS`` other groups, drawn by ``seed``.

    Args:
        numbers: of the rows.
        groups: theirs.
        seed: of the draw.
    """
    members: dict[int, list[int]] = {}
    for number, group in zip(numbers, groups, strict=True):
        members.setdefault(group, []).append(number)
    generator = np.random.default_rng(seed)
    pairs = []
    for number, group in zip(numbers, groups, strict=True):
        others = [other for other in members if other != group]
        for position in generator.choice(len(others), min(PARTNERS, len(others)), replace=False):
            partners = members[others[position]]
            pairs.append((number, partners[int(generator.integers(len(partners)))]))
    return pairs
