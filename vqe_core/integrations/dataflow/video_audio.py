"""Video-audio similarity as an operator of DataFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from vqe_core.errors import InputError
from vqe_core.integrations.dataflow.descriptions import VIDEO_AUDIO, in_language
from vqe_core.integrations.dataflow.score_operator import ResultColumns, ScoreOperator, shows_options
from vqe_core.options import AnyOrAll, OnError, ReduceMode
from vqe_core.scorers.report import ScoreReport
from vqe_core.scorers.video_audio import scorer as metric
from vqe_core.scorers.video_audio.options import VideoAudioOptions, is_judged

DEFAULT_MODEL = "openai/clip-vit-base-patch32"
DEFAULT_FRAMES = ("uniform", 3)


class VideoAudioSimilarity(ScoreOperator):
    """Video-audio similarity of the rows of a storage: does the audio fit the video?

    Args:
        hf_clip: image-text model, or joint model such as ``facebook/pe-av-small-16-frame``, or ``"toy"``.
        trust_remote_code: only False: code from a checkpoint is never run.
        min_score, max_score: range of similarities that pass the filter, None for no bound. In a joint space true
            pairs may be below 0.
        frame_sampling_method: ``"uniform"``, ``"all_keyframes"`` (of the codec), ``"scene"`` and others.
        frame_num: frames of uniform sampling; of other methods, no meaning.
        horizontal_flip, vertical_flip: also compare flipped frames.
        any_or_all: a row of several videos passes if any, or if all of them pass.
        reduce_mode: ``similarity`` of a row from its frames or windows: ``"avg"``, ``"max"`` or ``"min"``.
        llm_serving: serving of DataFlow whose model takes audio; describes it, as ``describer`` does. With
            ``method="judge"`` its model is shown frames and audio, and judges, as ``judge`` does.
        on_error: rows that cannot be compared: ``"skip"`` (they keep their place, without scores), ``"warn"``,
            ``"raise"`` (nothing is written).
        base_dir: folder that relative paths start from. Default: the working directory.
        overwrite: replace columns that have the name of a result.
        status_key, message_key, warnings_key: columns for status, message and warnings of each row.
        signature_key: column for what the scores depend on, as JSON. Default: none; it is in ``summary`` and the log.
        options: any other option of ``vqe_core.VideoAudioSimilarity``.

    Raises:
        MissingPackageError: open-dataflow is not installed.
        InputError: an option breaks its rule, or ``llm_serving`` cannot do what it is for.
    """

    first_columns: ClassVar[tuple[str, ...]] = ("avg_similarity", "max_similarity", "min_similarity", "passed_filter")

    fit_first: ClassVar[str] = (
        "Fit a bank of other sounds first, and give it to the operator: bank = vqe_core.VideoAudioSimilarity(...)"
        ".fit_bank(videos=..., audios=...).reference_bank; VideoAudioSimilarity(..., reference_bank=bank)"
    )

    @shows_options(VideoAudioOptions)
    def __init__(
        self,
        hf_clip: Any = DEFAULT_MODEL,
        trust_remote_code: bool = False,
        min_score: float | None = 0.0,
        max_score: float | None = 1.0,
        frame_sampling_method: str | None = "uniform",
        frame_num: int | None = 3,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        any_or_all: AnyOrAll = "any",
        reduce_mode: ReduceMode = "avg",
        *,
        llm_serving: Any = None,
        on_error: OnError = "skip",
        base_dir: str | None = None,
        overwrite: bool = False,
        status_key: str = "video_audio_status",
        message_key: str = "video_audio_message",
        warnings_key: str | None = "video_audio_warnings",
        signature_key: str | None = None,
        **options: Any,
    ) -> None:
        named = {
            "hf_clip": DEFAULT_MODEL if hf_clip == "clip" else hf_clip,
            "trust_remote_code": trust_remote_code,
            "min_score": min_score,
            "max_score": max_score,
            **_sampling(frame_sampling_method, frame_num),
            "horizontal_flip": horizontal_flip,
            "vertical_flip": vertical_flip,
            "any_or_all": any_or_all,
            "reduce_mode": reduce_mode,
            "on_error": on_error,
            "status_key": status_key,
            "message_key": message_key,
            "warnings_key": warnings_key,
        }
        options = {**options, **_serving_role(llm_serving, options)}
        results = ResultColumns(signature_key, overwrite)
        super().__init__(metric.VideoAudioSimilarity, named, options, results, base_dir)
        self.llm_serving = llm_serving  # under this name pipelines find it, to shut it down after its last use

    @staticmethod
    def get_desc(lang: str = "zh") -> str:
        """Describe the operator in ``"zh"`` or ``"en"``."""
        return in_language(VIDEO_AUDIO, lang)

    def run(
        self,
        storage: Any,
        video_key: str = "video_path",
        audio_key: str = "audio_path",
        *,
        description_key: str = "audio_description",
        group_key: str = "group",
        start_key: str | None = None,
        end_key: str | None = None,
    ) -> list[str]:
        """Compare audio and video in each row of a storage and write the rows with their scores.

        Args:
            storage: ``DataFlowStorage``, after ``step()``.
            video_key: column of videos, one or a list a row.
            audio_key: column of audio; where it or a cell is absent, each video's own audio track is used.
            description_key: column that describes the audio in words; may be absent.
            group_key: column that is equal for rows that share their audio; may be absent.
            start_key, end_key: columns of where each row's segment starts and ends, in seconds. Default: none.

        Returns:
            Names of the columns written.

        Raises:
            InputError: a column is not there, or has the name of a result.
            ModelNotFoundError, ModelError, MissingPackageError: a model cannot be had.
            VqeError: rows that cannot be compared, with ``on_error="raise"``.
        """
        keys = {"video_key": video_key, "audio_key": audio_key, "description_key": description_key}
        others = {"group_key": group_key, "start_key": start_key, "end_key": end_key}
        return self._run(storage, (video_key, audio_key), {**keys, **others})

    def _unmeasured(self, scorer: Any) -> str:
        """Name what stands in the results of a whole table only; see ``ScoreOperator``."""
        return "" if scorer.reference_bank is not None or is_judged(scorer) else "percentile"

    def _tell(self, report: ScoreReport) -> None:
        super()._tell(report)
        known = report.num_rows - report.num_failed
        if report.signature["method"] == "joint" and known and not any(report.rows["passed_filter"]):
            self.logger.warning(
                f"no row passed min_score ({self.scorer.min_score}) and max_score ({self.scorer.max_score}): in a "
                "joint space the similarity of true pairs may be below 0; use min_score=None and min_percentile"
            )


def _serving_role(serving: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Pass a serving as the option that it stands for."""
    if serving is None:
        return {}
    role = "judge" if options.get("method") == "judge" else "describer"
    if options.get(role) is not None:
        raise InputError(f"llm_serving and {role} do the same; give one")
    return {role: serving}


def _sampling(method: str | None, frame_num: int | None) -> dict[str, Any]:
    """Return sampling options that were chosen; the scorer knows the defaults, also those of joint models."""
    if (method, frame_num) == DEFAULT_FRAMES:
        return {}
    return {"frame_sampling_method": method, "frame_num": frame_num if method in ("uniform", None) else None}
