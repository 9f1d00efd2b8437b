"""Video-audio similarity: does the sound fit the video?"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from vqe_core.errors import InputError
from vqe_core.runtime import own_precision
from vqe_core.scorers.base import Scorer
from vqe_core.scorers.call import Call, Input
from vqe_core.scorers.report import ResultNames, ScoreReport
from vqe_core.scorers.video_audio.options import VideoAudioOptions, check_method, is_judged
from vqe_core.scorers.video_audio.report import SCORES, result_names
from vqe_core.scorers.video_audio.rows import SoundRow, read_sound_row


@dataclass(frozen=True, kw_only=True)
class VideoAudioSimilarity(VideoAudioOptions, Scorer):
    """Video-audio similarity: does the sound fit the video?

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
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("videos", "video_key", "video", required=True),
        Input("audios", "audio_key", "audio"),
        Input("audio_descriptions", "description_key", "text"),
        Input("groups", "group_key", "value"),
    )
    asked_for: ClassVar[tuple[str, ...]] = ("profile",)
    words: ClassVar[tuple[str, ...]] = ("description", "reason")

    def __post_init__(self) -> None:
        _ = self.model
        super().__post_init__()
        check_method(self)
        if self.describer is not None or self.api_url is not None or is_judged(self):
            from vqe_core.scorers.llm_calls import describer_for, judge_for

            _ = judge_for(self) if is_judged(self) else describer_for(self)

    def compute(
        self, *, videos: Any, audios: Any = None, audio_descriptions: Any = None, groups: Any = None
    ) -> dict[str, Any]:
        """Compare audio and images and return plain Python values, as the ``evaluate`` module does.

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
            ``warnings`` (rows by code), ``signature``; ``samples`` and ``profile`` where asked for. By a judge neither
            ``percentile`` nor the numbers against mismatches.

        Raises:
            VqeError: see ``score``.
        """
        given = {"audios": audios, "audio_descriptions": audio_descriptions, "groups": groups}
        result: dict[str, Any] = super().compute(videos=videos, **given)
        return result

    def score(
        self, *, videos: Any, audios: Any = None, audio_descriptions: Any = None, groups: Any = None
    ) -> ScoreReport:
        """Compare audio and images; arguments as ``compute``.

        Raises:
            InputError: columns that cannot be compared at all.
            ModelNotFoundError, ModelError, MissingPackageError: before anything is decoded.
            MediaError, InputError, RowsFailedError: rows that cannot be compared, with ``on_error="raise"``.
        """
        given = {"audios": audios, "audio_descriptions": audio_descriptions, "groups": groups}
        report: ScoreReport = super().score(videos=videos, **given)
        return report

    def result_names(self, given: Collection[str]) -> ResultNames:
        """Return the columns of the method that the options name, or that inputs and model allow."""
        return result_names(self.method_for(given), self.return_profile)

    def writes_score(self, name: str) -> bool:
        """Tell whether a score, with these or other options, is called ``name``."""
        return name in (*SCORES, "logit", "passed_filter")

    def method_for(self, given: Collection[str]) -> str:
        """Return the method that the options name, or the first that inputs and model allow. Loads nothing."""
        if self.method != "auto":
            return self.method
        if is_judged(self):
            return "judge"
        if self.is_described(given):
            return "description"
        from vqe_core.encoders.audio_loading import is_joint

        return "joint" if is_joint(self.model) else "tags"

    def is_described(self, given: Collection[str]) -> bool:
        """Tell whether audio comes with words, or with something that finds some."""
        return "audio_descriptions" in given or self.describer is not None or self.api_url is not None

    def check_batch(self) -> None:
        """Check that percentiles do not depend on the batch; see ``Scorer.check_batch``."""
        if self.min_percentile is not None and self.reference_bank is None:
            raise InputError(
                "min_percentile would differ from batch to batch; measure it against sounds that stay the same: "
                "scorer = scorer.fit_bank(audios=...)"
            )

    def completed_by_all_rows(self) -> bool:
        """Tell whether rows pass by their percentile among all rows of a run; see ``Scorer.completed_by_all_rows``."""
        return self.min_percentile is not None and self.reference_bank is None

    def read_row(self, cells: Mapping[str, Any], given: Collection[str]) -> SoundRow:
        """Check one row; see ``Scorer.read_row``."""
        return read_sound_row(cells["videos"], cells["audios"], cells["audio_descriptions"])

    def prepare(self, call: Call) -> Any:
        """Load the models of the method; see ``Scorer.prepare``."""
        from vqe_core.scorers.video_audio.scoring import VideoAudioScoring

        return VideoAudioScoring.of(self, call)

    @own_precision()
    def calibrated(
        self, evidence: Mapping[str, Any], columns: Mapping[str, Any], given: Collection[str]
    ) -> tuple[dict[str, Any], dict[str, list[float]]]:
        """Measure the similarities of all rows against their mismatches; see ``Scorer.calibrated``."""
        from vqe_core.scorers.video_audio.scoring import calibrate_rows

        groups = columns.get(self.group_key) if self.group_key is not None else None
        return calibrate_rows(self, evidence, groups, given)

    @own_precision()
    def fit_bank(
        self,
        *,
        videos: Any,
        audios: Any = None,
        audio_descriptions: Any = None,
        path: str | os.PathLike[str] | None = None,
    ) -> VideoAudioSimilarity:
        """Return a copy that measures percentiles against the audio of other clips, so that one row alone has one.

        Args:
            videos, audios, audio_descriptions: the other clips, as for ``compute``.
            path: also save the bank there, for ``reference_bank=path``.

        Raises:
            InputError: a judge compares, or none of the clips can be compared.
        """
        from vqe_core.scorers.video_audio.scoring import fit_bank

        if is_judged(self):
            raise InputError("fit_bank needs embeddings, and method 'judge' has none; use another method")
        call = self.call(whole=True, videos=videos, audios=audios, audio_descriptions=audio_descriptions)
        return replace(self, reference_bank=fit_bank(self, call, path))

    def own_signature(self) -> dict[str, Any]:
        """Return the options of reductions and of the filter, the latter where they are set."""
        bounds = {name: getattr(self, name) for name in ("min_score", "max_score", "min_percentile")}
        filters = {name: bound for name, bound in bounds.items() if bound is not None}
        if not filters.keys() <= {"min_percentile"}:  # which is the row's, not a video's
            filters["any_or_all"] = self.any_or_all
        return {"reduce_mode": self.reduce_mode, **filters}
