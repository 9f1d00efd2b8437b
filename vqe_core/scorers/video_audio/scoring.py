"""One call of video-audio similarity, from checked rows to a report."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vqe_core.embed import FrameRecipe, FrameViews
from vqe_core.errors import InputError, VqeError
from vqe_core.functional.reference_bank import ReferenceBank, make_bank
from vqe_core.samplers import sampler_spec
from vqe_core.scorers.call import Call
from vqe_core.scorers.fingerprint import environment
from vqe_core.scorers.report import ScoreReport, assemble_report
from vqe_core.scorers.row_errors import FaultWatch, outcomes_of
from vqe_core.scorers.video_audio.calibration import (
    BANK_MADE_BY,
    bank_space,
    check_bank,
    load_bank,
    measure,
    save_bank,
)
from vqe_core.scorers.video_audio.frame_comparison import FrameComparison
from vqe_core.scorers.video_audio.methods import comparison_for
from vqe_core.scorers.video_audio.pairs import Comparison, SoundPair
from vqe_core.scorers.video_audio.report import SoundOutcome, gather_rows, passes, reducible, result_names, row_outcome
from vqe_core.scorers.video_audio.rows import SoundRow

if TYPE_CHECKING:
    from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity


@dataclass(frozen=True)
class VideoAudioScoring:
    """One call at work: the rows, and the comparison with its models loaded."""

    scorer: VideoAudioSimilarity
    call: Call
    comparison: Comparison

    @classmethod
    def of(cls, scorer: VideoAudioSimilarity, call: Call) -> VideoAudioScoring:
        """Load the models of the method that the options name, or the first that inputs and model allow."""
        method = scorer.method_for(call.given)
        return cls(scorer, call, comparison_for(scorer, method, scorer.is_described(call.given)))

    def frame_recipe(self) -> FrameRecipe | None:
        """Return which frames are embedded, and how; None for a method that looks at windows, or shows frames."""
        comparison = self.comparison
        if not isinstance(comparison, FrameComparison):
            return None
        return FrameRecipe(comparison.sampler, comparison.encoder, comparison.settings)

    def outcomes(self) -> list[SoundOutcome]:
        """Compare every video of every row with the row's audio; a row fails with its first failing video."""
        rows = self.call.rows
        pairs = [
            SoundPair(i, video, row.audio, row.description)
            for i, row in enumerate(rows)
            if isinstance(row, SoundRow)
            for video in row.videos
        ]
        errors = {i: row for i, row in enumerate(rows) if isinstance(row, VqeError)}
        found = gather_rows(len(rows), [pair.row for pair in pairs], self.comparison.compare(pairs), errors)
        names, watch = result_names(self.comparison.name, self.scorer.return_profile), FaultWatch()
        outcomes = [reducible(outcome, self.scorer, names) for outcome in found]
        for outcome in outcomes:
            watch.note(outcome.error)
        return outcomes

    def report(self, outcomes: Sequence[SoundOutcome]) -> ScoreReport:
        """Measure what the similarities are worth, and make the report of the call."""
        scorer, comparison, call = self.scorer, self.comparison, self.call
        bank = load_bank(scorer.reference_bank)
        signature = self.signature(bank)
        if bank is not None and comparison.space is not None:
            check_bank(bank, signature)
        # Without a bank no percentile for a batch: it is not the data set.
        numbers, percentiles = measure(
            outcomes, call.columns, comparison, bank=bank, of_call=call.whole, seed=scorer.seed
        )
        unknown = any(o.error is None and math.isnan(p) for o, p in zip(outcomes, percentiles, strict=True))
        if scorer.min_percentile is not None and unknown and scorer.on_error == "raise" and not call.of_run:
            raise InputError(
                f"min_percentile ({scorer.min_percentile}) needs other sounds to compare with, and there are none in "
                "this call; give more rows, or a reference_bank from fit_bank"
            )
        names = result_names(comparison.name, scorer.return_profile)
        rows = [row_outcome(o, p, scorer, names) for o, p in zip(outcomes, percentiles, strict=True)]
        readers = {pair.reader for outcome in outcomes for pair in outcome.pairs}
        surroundings = environment(comparison.signature(), readers)
        report = assemble_report(rows, names, signature, numbers, surroundings)
        of_a_part = not call.whole and bank is None and comparison.space is not None
        return replace(report, evidence=evidence_of(outcomes, scorer)) if of_a_part else report

    def signature(self, bank: ReferenceBank | None) -> dict[str, Any]:
        """Return everything that can change a similarity or a percentile."""
        scorer, comparison = self.scorer, self.comparison
        of_embeddings: dict[str, Any] = {}
        if comparison.space is not None:  # a judge has none
            flips = FrameViews(scorer.horizontal_flip, scorer.vertical_flip).names
            bank_digest = None if bank is None else bank.digest()
            of_embeddings = {"flips": flips, "seed": scorer.seed, "reference_bank": bank_digest}
            if comparison.name != "description" or scorer.return_profile:  # a description has no windows of its own
                windows = {"window": scorer.window, "hop": scorer.hop}
                of_embeddings |= {name: seconds for name, seconds in windows.items() if seconds is not None}
        return scorer.signed(
            {"method": comparison.name, **comparison.signature()},
            sampler=sampler_spec(comparison.sampler),
            **of_embeddings,
        )


def evidence_of(outcomes: Sequence[SoundOutcome], scorer: VideoAudioSimilarity) -> dict[str, Tensor]:
    """Return what percentiles among all rows, and the filter by them, will need; NaN where a row failed.

    Returns:
        ``visual`` and ``sound``, embeddings; with ``min_percentile`` also ``within``, 1 for rows that pass whatever
        their percentile. Nothing where all failed.
    """
    good = next((outcome for outcome in outcomes if outcome.error is None), None)
    if good is None:
        return {}
    names = ("visual", "sound")
    unknown = {name: torch.full_like(getattr(good, name), torch.nan) for name in names}
    evidence = {
        name: torch.stack([unknown[name] if o.error is not None else getattr(o, name) for o in outcomes])
        for name in names
    }
    if scorer.min_percentile is not None:
        within = [math.nan if o.error is not None else float(passes(o, scorer, math.inf)) for o in outcomes]
        evidence["within"] = torch.tensor(within)
    return evidence


@dataclass(frozen=True, eq=False)
class KeptOutcome:
    """An outcome as far as ``evidence_of`` kept it."""

    visual: Tensor
    sound: Tensor

    @property
    def error(self) -> InputError | None:
        """Something where the row failed."""
        return InputError("the row failed") if bool(self.visual.isnan().any()) else None


def calibrate_rows(
    scorer: VideoAudioSimilarity, evidence: Mapping[str, Tensor], groups: Any, given: Collection[str]
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Measure the rows of a run by what its parts kept; see ``Scorer.calibrated``."""
    comparison = comparison_for(scorer, scorer.method_for(given), scorer.is_described(given))
    outcomes: Any = [KeptOutcome(*row) for row in zip(evidence["visual"], evidence["sound"], strict=True)]
    numbers, percentiles = measure(outcomes, {"groups": groups}, comparison, bank=None, of_call=True, seed=scorer.seed)
    added = {"percentile": percentiles}
    if scorer.min_percentile is not None and "within" in evidence:
        pairs = zip(evidence["within"].tolist(), percentiles, strict=True)  # of a row that failed both are NaN
        added["passed_filter"] = [float(within == 1 and place >= scorer.min_percentile) for within, place in pairs]
    return numbers, added


def fit_bank(scorer: VideoAudioSimilarity, call: Call, path: str | os.PathLike[str] | None) -> ReferenceBank:
    """Embed the audio of a call and keep it as a bank; see ``VideoAudioSimilarity.fit_bank``."""
    scoring = VideoAudioScoring.of(scorer, call)
    outcomes = outcomes_of(scoring)
    scorer.check_failures(outcomes, whole=True)
    known = [outcome.sound for outcome in outcomes if outcome.error is None]
    if not known:
        raise InputError("none of these clips has a sound that can be compared; see on_error='raise'")
    signature = scoring.signature(None)
    made_by = {name: signature.get(name) for name in BANK_MADE_BY}
    bank = make_bank(torch.stack(known), bank_space(scoring.comparison), made_by)
    if path is not None:
        save_bank(bank, path)
    return bank
