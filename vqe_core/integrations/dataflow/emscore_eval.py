"""EMScore as an operator of DataFlow."""

from __future__ import annotations

from typing import Any, ClassVar

from vqe_core.integrations.dataflow.descriptions import EMSCORE, in_language
from vqe_core.integrations.dataflow.score_operator import ResultColumns, ScoreOperator, shows_options
from vqe_core.options import OnError
from vqe_core.scorers.emscore.score_types import SCORE_TYPES
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.scorers.report import ScoreReport

NO_FRAMES = "[]"  # frame_details of a row without scores


class EMScoreEval(ScoreOperator):
    """EMScore of the rows of a storage: does a caption fit a video, its reference captions, or both?

    Args:
        every_n_seconds: sample a frame every so many seconds, by presentation time.
        every_n_frames: sample every so many frames. Give at most one of the two; neither: 10 frames, evenly spread.
        return_all_frames: also write ``frame_details``, the scores of each frame as JSON.
        clip_model_path: hub id, folder, OpenAI name such as ``"ViT-B/32"``, or ``"toy"``.
        score_types: among ``EMScore(X,X*)``, ``EMScore(X,V)``, ``EMScore(X,V,X*)``. Default: all the table allows.
        metrics: among ``figr_P``, ``figr_R``, ``figr_F``, ``cogr``, ``full_P``, ``full_R``, ``full_F``. Default: all.
        on_error: rows that cannot be scored: ``"skip"`` (they keep their place, without scores), ``"warn"``,
            ``"raise"`` (nothing is written).
        base_dir: folder that relative paths start from. Default: the working directory.
        overwrite: replace columns that have the name of a result.
        status_key, message_key, warnings_key: columns for status, message and warnings of each row.
        signature_key: column for what the scores depend on, as JSON. Default: none; it is in ``summary`` and the log.
        options: any other option of ``vqe_core.EMScore``.

    Raises:
        MissingPackageError: open-dataflow is not installed.
        InputError: an option breaks its rule.
    """

    fit_first: ClassVar[str] = (
        "Count over all captions first, and give the operator what was fitted: "
        "idf = vqe_core.EMScore(clip_model_path=...).fit(captions).idf; EMScoreEval(..., idf=idf)"
    )

    @shows_options(EMScore)
    def __init__(
        self,
        every_n_seconds: float | None = None,
        every_n_frames: int | None = None,
        return_all_frames: bool = False,
        clip_model_path: Any = None,
        score_types: Any = None,
        metrics: Any = None,
        *,
        on_error: OnError = "skip",
        base_dir: str | None = None,
        overwrite: bool = False,
        status_key: str = "emscore_status",
        message_key: str = "emscore_message",
        warnings_key: str | None = "emscore_warnings",
        signature_key: str | None = None,
        **options: Any,
    ) -> None:
        named = {
            "every_n_seconds": every_n_seconds,
            "every_n_frames": every_n_frames,
            "return_all_frames": return_all_frames,
            "score_types": score_types,
            "metrics": metrics,
            "on_error": on_error,
            "status_key": status_key,
            "message_key": message_key,
            "warnings_key": warnings_key,
            **({} if clip_model_path is None else {"clip_model_path": clip_model_path}),
        }
        results = ResultColumns(signature_key, overwrite)
        super().__init__(EMScore, named, options, results, base_dir)

    @staticmethod
    def get_desc(lang: str = "zh") -> str:
        """Describe the operator in ``"zh"`` or ``"en"``."""
        return in_language(EMSCORE, lang)

    def run(
        self,
        storage: Any,
        video_key: str = "video_path",
        candidate_key: str = "candidate",
        reference_key: str = "reference",
        *,
        start_key: str | None = None,
        end_key: str | None = None,
    ) -> list[str]:
        """Score the rows of a storage and write them with their scores.

        Args:
            storage: ``DataFlowStorage``, after ``step()``.
            video_key, candidate_key: columns of videos and captions.
            reference_key: column of reference captions, a string or a list a row; the column may be absent.
            start_key, end_key: columns of where each row's segment starts and ends, in seconds. Default: none.

        Returns:
            Names of the columns written.

        Raises:
            InputError: a column is not there, or has the name of a result.
            ModelNotFoundError, ModelError: the model cannot be had.
            VqeError: rows that cannot be scored, with ``on_error="raise"``.
        """
        keys = {"video_key": video_key, "candidate_key": candidate_key, "reference_key": reference_key}
        segment = {"start_key": start_key, "end_key": end_key}
        return self._run(storage, (video_key, reference_key), {**keys, **segment})

    def _columns(self, report: ScoreReport) -> dict[str, Any]:
        columns = super()._columns(report)
        if self.scorer.return_all_frames:  # always a list
            columns["frame_details"] = [NO_FRAMES if text == "null" else text for text in columns["frame_details"]]
        return columns

    def _columns_of_nothing(self) -> tuple[str, ...]:
        scores = [f"{kind}_{m}" for kind in self.scorer.score_types or SCORE_TYPES for m in self.scorer.metrics]
        return (*scores, *(["frame_details"] if self.scorer.return_all_frames else []))
