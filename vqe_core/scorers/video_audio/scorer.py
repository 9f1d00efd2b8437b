"""Video-audio similarity: does the sound fit the picture?"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar

import torch

from vqe_core.embed import FrameViews
from vqe_core.errors import InputError, VqeError
from vqe_core.functional.reference_bank import ReferenceBank, make_bank
from vqe_core.media import audio_versions
from vqe_core.options import AnyOrAll, Method, OnError, ReduceMode, check_choice, check_positive, plain_numbers
from vqe_core.runtime import own_precision, settle_in_process
from vqe_core.samplers import FrameSampler, sampler_spec
from vqe_core.scorers.base import MapFunction, ScoreReport, report_to_result
from vqe_core.scorers.options import VideoAudioOptions, check_running
from vqe_core.scorers.row_errors import report_failures
from vqe_core.scorers.rows import as_columns, is_missing, sound_column, video_column
from vqe_core.scorers.video_audio.calibration import bank_space, load_bank, measure, save_bank
from vqe_core.scorers.video_audio.judge import refuse_bank
from vqe_core.scorers.video_audio.methods import check_chosen, comparison_for, frame_sampler, method_for
from vqe_core.scorers.video_audio.pairs import Comparison, SoundPair
from vqe_core.scorers.video_audio.report import (
    SCORES,
    SoundOutcome,
    detail_names,
    gather_rows,
    score_names,
    sound_report,
)
from vqe_core.scorers.video_audio.rows import SoundRow, read_sound_rows
from vqe_core.version import __version__


@dataclass(frozen=True, kw_only=True)
class VideoAudioSimilarity(MapFunction, VideoAudioOptions):
    """Video-audio similarity with fixed options.

    Four ways to compare (``method``): frames with the sound's description, frames with its tags, both in the
    space of a model that was trained on both, or by a judge that sees and hears. A similarity is a cosine and has no
    scale of its own: read it beside its ``percentile`` and the numbers of the call. A judge's is from 0 to 1, and
    has neither.

    The object is itself the function for ``datasets.map(scorer, batched=True)``; it holds options only.

    Args: see ``VideoAudioOptions``.

    Raises:
        InputError: an option breaks its rule.

    Example:
        >>> from vqe_core.toy.clips import make_clip
        >>> clips = [make_clip(seed) for seed in range(3)]
        >>> scorer = VideoAudioSimilarity(hf_clip="toy", method="description")  # a teaching model
        >>> result = scorer.compute(videos=[clip.frames for clip in clips], audio_descriptions=["a bell tolls"] * 3)
        >>> result["num_rows"], result["num_failed"]
        (3, 0)
    """

    name: ClassVar[str] = "video_audio_similarity"
    needed_key: ClassVar[str] = "video_key"

    def __post_init__(self) -> None:
        choices = {"method": Method, "reduce_mode": ReduceMode, "any_or_all": AnyOrAll, "on_error": OnError}
        for option, allowed in choices.items():
            check_choice(option, getattr(self, option), allowed)
        check_running(self)
        self.check_result_names()
        for option in ("window", "hop"):
            if getattr(self, option) is not None:
                check_positive(option, getattr(self, option), "seconds")
        for option in ("min_score", "max_score", "min_percentile"):
            value = getattr(self, option)
            if value is not None and not (isinstance(value, Real) and math.isfinite(value)):
                raise InputError(f"{option} ({value!r}) must be a number, or None for no bound")
        if self.min_percentile is not None and not 0 <= self.min_percentile <= 1:
            raise InputError(f"min_percentile ({self.min_percentile!r}) must be between 0 and 1")
        if self.trust_remote_code:
            raise InputError(
                f"trust_remote_code ({self.trust_remote_code!r}) must be False: code from a checkpoint is never run, "
                "as it could do anything on this machine; use a model whose classes transformers has"
            )
        check_chosen(self)
        plain_numbers(self)

    @property
    def sampler(self) -> FrameSampler:
        """The sampler that the options name."""
        return frame_sampler(self)

    def compute(
        self, *, videos: Any, audios: Any = None, audio_descriptions: Any = None, groups: Any = None
    ) -> dict[str, Any]:
        """Compare sounds and pictures and return plain Python values, as the ``evaluate`` module does.

        Args:
            videos: list; a row is a video (path, bytes, ``{"path", "bytes", "start", "end"}``, frames, decoder), or
                a list of videos.
            audios: list of sounds (path, bytes, ``{"array", "sampling_rate"}``, decoder). None, for the call or for
                a row: each video's own track.
            audio_descriptions: list of the sounds in words, None for a row without.
            groups: list, equal for rows that share a sound. Default: rows with one sound or description.

        Returns:
            Means of ``similarity``, ``avg_similarity``, ``max_similarity``, ``min_similarity``, ``percentile`` and
            ``passed_filter``; ``mismatched_mean``, ``gap``, ``auc``, ``r1_v2a``, ``r1_a2v``, ``median_rank``,
            ``p_value`` and ``chance``, their levels without any relation; ``num_rows``, ``num_failed``,
            ``signature``; ``samples`` and ``profile`` where asked for. By a judge neither ``percentile`` nor the
            numbers against mismatches.

        Raises:
            VqeError: see ``score``.
        """
        report = self.score(videos=videos, audios=audios, audio_descriptions=audio_descriptions, groups=groups)
        return report_to_result(report, self)

    def score(
        self, *, videos: Any, audios: Any = None, audio_descriptions: Any = None, groups: Any = None
    ) -> ScoreReport:
        """Compare sounds and pictures; arguments as ``compute``.

        Raises:
            InputError: columns that cannot be compared at all.
            ModelNotFoundError, ModelError, MissingPackageError: before anything is decoded.
            MediaError, InputError, RowsFailedError: rows that cannot be compared, with ``on_error="raise"``.
        """
        columns = as_columns(videos=videos, audios=audios, audio_descriptions=audio_descriptions, groups=groups)
        return self._score_columns(columns, of_call=True, by_columns=False)

    def score_batch(self, batch: Mapping[str, Any], base_dir: str | None = None, *, whole: bool = False) -> ScoreReport:
        """Compare a batch of rows of a data set, or with ``whole`` all of them; ``base_dir`` is where paths start.

        Raises:
            InputError: ``min_percentile`` without a bank, which would differ from batch to batch.
            VqeError: see ``score``.
        """
        if self.min_percentile is not None and self.reference_bank is None and not whole:
            raise InputError(
                "min_percentile would differ from batch to batch; measure it against sounds that stay the same: "
                "scorer = scorer.fit_bank(audios=...)"
            )
        # Without a bank no percentile: a batch is not the data set.
        return self._score_columns(as_columns(**self.inputs_from(batch, base_dir)), of_call=whole, by_columns=True)

    def columns_for(self, columns: Collection[str]) -> dict[str, str]:
        """Name and type of each column that the object, as a function, adds to a table with ``columns``."""
        self.check_columns(columns)
        method = method_for(self, self._described(self.description_key in columns))
        return self.column_types(score_names(method), ["passed_filter"], detail_names(method, self.return_profile))

    def inputs_from(self, columns: Mapping[str, Any], base_dir: str | None = None) -> dict[str, Any]:
        """The arguments of ``score`` from a table, by the ``*_key`` options; ``base_dir`` is where paths start."""
        self.check_columns(columns)
        optional = {"audio_descriptions": self.description_key, "groups": self.group_key}
        return {
            "videos": video_column(columns, self.video_key, self.start_key, self.end_key, base_dir),
            "audios": sound_column(columns, self.audio_key, base_dir),
            **{name: list(columns[key]) if key in columns else None for name, key in optional.items()},
        }

    def _described(self, given: bool) -> bool:
        return given or self.describer is not None or self.api_url is not None

    def writes_score(self, name: str) -> bool:
        """Whether a score, with these or other options, is called ``name``."""
        return name in (*SCORES, "logit", "passed_filter")

    @own_precision()
    def fit_bank(
        self,
        *,
        videos: Any,
        audios: Any = None,
        audio_descriptions: Any = None,
        path: str | os.PathLike[str] | None = None,
    ) -> VideoAudioSimilarity:
        """A copy that measures percentiles against the sounds of other clips, so that one row alone has one.

        Args:
            videos, audios, audio_descriptions: the other clips, as for ``compute``.
            path: also save the bank there, for ``reference_bank=path``.
        """
        refuse_bank(self)
        columns = as_columns(videos=videos, audios=audios, audio_descriptions=audio_descriptions, groups=None)
        outcomes, method = self._compare(columns, whole=True)
        known = [outcome.sound for outcome in outcomes if outcome.error is None]
        if not known:
            raise InputError("none of these clips has a sound that can be compared; see on_error='raise'")
        bank = make_bank(torch.stack(known), bank_space(method))
        if path is not None:
            save_bank(bank, path)
        return replace(self, reference_bank=bank)

    def _compare(
        self, columns: Mapping[str, Any], *, whole: bool, by_columns: bool = False
    ) -> tuple[list[SoundOutcome], Comparison]:
        settle_in_process()
        rows = read_sound_rows(columns["videos"], columns["audios"], columns["audio_descriptions"])
        errors = {i: row for i, row in enumerate(rows) if isinstance(row, VqeError)}
        if self.on_error == "raise":
            report_failures(errors, len(rows), "raise")
        descriptions = columns["audio_descriptions"]
        # Of a data set the column decides, not its values: every batch must be compared by one method.
        given = descriptions is not None and (by_columns or not all(map(is_missing, descriptions)))
        method = comparison_for(self, self._described(given))
        pairs = [
            SoundPair(i, video, row.audio, row.description)
            for i, row in enumerate(rows)
            if isinstance(row, SoundRow)
            for video in row.videos
        ]
        outcomes = gather_rows(len(rows), [pair.row for pair in pairs], method.compare(pairs), errors)
        failed = {i: outcome.error for i, outcome in enumerate(outcomes) if outcome.error is not None}
        report_failures(failed, len(rows), self.on_error, whole=whole)
        return outcomes, method

    @own_precision()
    def _score_columns(self, columns: Mapping[str, Any], *, of_call: bool, by_columns: bool) -> ScoreReport:
        outcomes, method = self._compare(columns, whole=of_call, by_columns=by_columns)
        bank = load_bank(self.reference_bank)
        numbers, percentiles = measure(outcomes, columns, method, bank=bank, of_call=of_call, seed=self.seed)
        unknown = any(o.error is None and math.isnan(p) for o, p in zip(outcomes, percentiles, strict=True))
        if self.min_percentile is not None and unknown and self.on_error == "raise":
            raise InputError(
                f"min_percentile ({self.min_percentile}) needs other sounds to compare with, and there are none in "
                "this call; give more rows, or a reference_bank from fit_bank"
            )
        return sound_report(outcomes, percentiles, numbers, self._signature(method, outcomes, bank), self, method)

    def _signature(
        self, method: Comparison, outcomes: Sequence[SoundOutcome], bank: ReferenceBank | None
    ) -> dict[str, Any]:
        readers = {pair.reader for outcome in outcomes for pair in outcome.pairs}
        return {
            "metric": self.name,
            "version": __version__,
            "method": method.name,
            **method.signature(),
            "sampler": sampler_spec(method.sampler),
            "flips": FrameViews(self.horizontal_flip, self.vertical_flip).names,
            **{name: getattr(self, name) for name in ("window", "hop", "max_frames", "reduce_mode")},
            "reader": ", ".join(sorted(readers)),
            "audio": audio_versions(),
            "reference_bank": None if bank is None else bank.digest(),
            "seed": self.seed,
        }
