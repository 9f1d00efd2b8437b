"""EMScore: does a caption fit a video, its reference captions, or both?"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from vqe_core.encoders import ImageTextEncoder, load_image_text_encoder, load_text_side
from vqe_core.errors import InputError, ModelError, VqeError
from vqe_core.functional.emscore import FINE_GRAINED_METRICS, METRICS
from vqe_core.functional.idf import idf_to_json
from vqe_core.options import FrameAggregation, LongText, MultiReference, OnError, check_choice, plain_numbers
from vqe_core.runtime import own_precision, settle_in_process
from vqe_core.samplers import FrameSampler, sampler_spec
from vqe_core.samplers.base import sampler_from_options
from vqe_core.scorers.base import MapFunction, RowOutcome, ScoreReport, assemble_report, report_to_result
from vqe_core.scorers.embedded_rows import EmbeddedRow, embed_rows
from vqe_core.scorers.emscore.idf import check_idf, fit_captions, resolve_idf
from vqe_core.scorers.emscore.row_scorer import (
    SCORE_TYPES,
    RowScorer,
    available_score_types,
    chosen_names,
    left_out,
    needed_columns,
    nothing_to_score,
    score_keys,
)
from vqe_core.scorers.options import EMScoreOptions, check_running
from vqe_core.scorers.row_errors import FaultWatch, report_failures
from vqe_core.scorers.rows import as_columns, is_missing, read_rows, video_column
from vqe_core.version import __version__

DEFAULT_FRAME_NUM = 10  # Shi et al., CVPR 2022, section 4: 10 frames, evenly spread


@dataclass(frozen=True, kw_only=True)
class EMScore(MapFunction, EMScoreOptions):
    """EMScore with fixed options.

    The object is itself the function for ``datasets.map(scorer, batched=True)``; it holds options only, so it
    pickles to a few hundred bytes, and its fingerprint is the same before and after its model loads.

    Args: see ``EMScoreOptions``.

    Raises:
        InputError: an option breaks its rule.

    Source:
        Shi et al., "EMScore: Evaluating Video Captioning via Coarse-Grained and Fine-Grained Embedding
        Matching", CVPR 2022.

    Example:
        >>> import numpy as np
        >>> red = np.zeros((4, 64, 64, 3), np.uint8) + np.array([220, 40, 40], np.uint8)
        >>> scorer = EMScore(clip_model_path="toy", frame_num=2)  # a teaching model
        >>> result = scorer.compute(predictions=["a red square"], videos=[red])
        >>> sorted(result)[:3]
        ['EMScore(X,V)_cogr', 'EMScore(X,V)_figr_F', 'EMScore(X,V)_figr_P']
    """

    name: ClassVar[str] = "emscore"
    needed_key: ClassVar[str] = "candidate_key"

    def __post_init__(self) -> None:
        object.__setattr__(self, "score_types", chosen_names("score_types", self.score_types, SCORE_TYPES))
        object.__setattr__(self, "metrics", chosen_names("metrics", self.metrics, METRICS) or METRICS)
        check_choice("on_error", self.on_error, OnError)
        choices = {"multi_reference": MultiReference, "frame_aggregation": FrameAggregation, "long_text": LongText}
        for option, allowed in choices.items():
            check_choice(option, getattr(self, option), allowed)
        check_running(self)
        self.check_result_names()
        check_idf(self.idf)
        _ = self.sampler  # built once here, so that a wrong option is told at once
        plain_numbers(self)

    @property
    def sampler(self) -> FrameSampler:
        """The sampler that the options name."""
        return sampler_from_options(
            frame_sampling_method=self.frame_sampling_method,
            every_n_seconds=self.every_n_seconds,
            every_n_frames=self.every_n_frames,
            frame_num=self.frame_num,
            default_frame_num=DEFAULT_FRAME_NUM,
        )

    def fit(self, captions: Iterable[Any], path: str | os.PathLike[str] | None = None) -> EMScore:
        """A copy whose idf weights come from ``captions`` (strings, or a list of strings a row). Loads no weights.

        Args:
            captions: usually all references of the data set. What cannot be scored does not count, or raises by
                ``on_error="raise"``.
            path: also save the weights there, for ``idf=path``.
        """
        reader = load_text_side(self.clip_model_path)
        self._check_fine(reader.has_token_embeddings)
        table = fit_captions(captions, reader, self.long_text, self.on_error)
        if path is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(idf_to_json(table))
        return replace(self, idf=table)

    def compute(self, *, predictions: Any, videos: Any = None, references: Any = None) -> dict[str, Any]:
        """Score captions and return plain Python values, as the ``evaluate`` module does.

        Args:
            predictions: list of captions.
            videos: list of videos (path, bytes, ``{"path", "bytes", "start", "end"}``, uint8 frames (N, H, W, 3),
                PIL images, decoder), None for a row without one.
            references: list of a string or a list of strings a row, None for a row without.

        Returns:
            Mean of each ``"<score type>_<metric>"``, ``num_rows``, ``num_failed``, ``signature``; ``samples``
            and ``frame_details`` where asked for.

        Raises:
            VqeError: see ``score``.
        """
        return report_to_result(self.score(predictions=predictions, videos=videos, references=references), self)

    def score_batch(self, batch: Mapping[str, Any], base_dir: str | None = None, *, whole: bool = False) -> ScoreReport:
        """Score a batch of rows of a data set, or with ``whole`` all of them; ``base_dir`` is where paths start.

        Raises:
            InputError: ``idf=True``, which would differ from batch to batch.
            VqeError: see ``score``.
        """
        if self.idf is True and not whole:
            raise InputError(
                "idf=True would differ from batch to batch; fit it on the whole column first: "
                "scorer = scorer.fit(ds['reference'])"
            )
        columns = as_columns(**self.inputs_from(batch, base_dir))
        # By the columns there are, not by their values: every batch must give the same columns.
        given = {name for name, column in columns.items() if column is not None}
        return self._score_columns(columns, available_score_types(self.score_types, given), whole=whole)

    def columns_for(self, columns: Collection[str]) -> dict[str, str]:
        """Name and type of each column that the object, as a function, adds to a table with ``columns``."""
        self.check_columns(columns)
        keys = {"videos": self.video_key, "references": self.reference_key}
        given = {name for name, key in keys.items() if key in columns}
        scores = score_keys(available_score_types(self.score_types, given), self.metrics)
        return self.column_types(scores, [], ["frame_details"] if self.return_all_frames else [])

    def inputs_from(self, columns: Mapping[str, Any], base_dir: str | None = None) -> dict[str, Any]:
        """The arguments of ``score`` from a table, by the ``*_key`` options.

        Args:
            columns: lists by column name.
            base_dir: folder that relative media paths are relative to. Default: the working directory.

        Raises:
            InputError: a column that is needed is not there.
        """
        self.check_columns(columns)
        return {
            "predictions": columns[self.candidate_key],
            "videos": video_column(columns, self.video_key, self.start_key, self.end_key, base_dir),
            "references": columns[self.reference_key] if self.reference_key in columns else None,  # noqa: SIM401
        }

    def writes_score(self, name: str) -> bool:
        """Whether a score, with these or other options, is called ``name``."""
        return name.rpartition("_")[0].startswith(SCORE_TYPES)

    def score(self, *, predictions: Any, videos: Any = None, references: Any = None) -> ScoreReport:
        """Score captions; arguments as ``compute``.

        Raises:
            InputError: columns that cannot be scored at all.
            ModelNotFoundError, ModelError: before anything is decoded.
            MediaError, InputError, RowsFailedError: rows that cannot be scored, with ``on_error="raise"``.
        """
        columns = as_columns(predictions=predictions, videos=videos, references=references)
        given = {name for name, column in columns.items() if column and not all(map(is_missing, column))}
        return self._score_columns(columns, available_score_types(self.score_types, given))

    @own_precision()
    def _score_columns(
        self, columns: Mapping[str, list[Any] | None], score_types: tuple[str, ...], *, whole: bool = True
    ) -> ScoreReport:
        settle_in_process()
        # With idf=True words are counted in the references, also where no score type compares with them.
        columns = needed_columns(columns, score_types, also={"references"} if self.idf is True else set())
        rows = [
            row if isinstance(row, VqeError) else nothing_to_score(row, score_types) or row
            for row in read_rows(columns["predictions"] or [], columns["references"], columns["videos"])
        ]
        if self.on_error == "raise":
            report_failures({i: row for i, row in enumerate(rows) if isinstance(row, VqeError)}, len(rows), "raise")
        encoder = self.load_encoder()
        idf = resolve_idf(self.idf, encoder, rows, self.long_text, self.on_error)
        scorer = RowScorer(score_types, self.metrics, self.multi_reference, self.frame_aggregation, idf)
        outcomes = [RowOutcome()] * len(rows)
        readers: set[str] = set()
        watch = FaultWatch()
        for i, row in embed_rows(rows, self.sampler, encoder, self):
            if isinstance(row, VqeError):
                watch.note(row)
            outcome = row if isinstance(row, VqeError) else watch.attempt(self._outcome, row, scorer)
            outcomes[i] = RowOutcome(error=outcome) if isinstance(outcome, VqeError) else outcome
            if isinstance(row, EmbeddedRow) and row.video is not None:
                readers.add(row.video.reader)
        failures = {i: o.error for i, o in enumerate(outcomes) if o.error is not None}
        report_failures(failures, len(rows), self.on_error, whole=whole)
        return assemble_report(outcomes, scorer.keys, self._signature(encoder, scorer, readers), self.return_all_frames)

    def load_encoder(self) -> ImageTextEncoder:
        """The encoder that the options name; raises where it cannot be had, or not for the metrics asked for."""
        encoder = load_image_text_encoder(self.clip_model_path, self.device, self.dtype, self.backend)
        self._check_fine(encoder.has_token_embeddings)
        return encoder

    def _check_fine(self, has_token_embeddings: bool) -> None:
        fine = [metric for metric in self.metrics if metric in FINE_GRAINED_METRICS]
        if fine and not has_token_embeddings:
            raise ModelError(
                f"clip_model_path ({self.clip_model_path!r}) has no token-level text embeddings, so {', '.join(fine)} "
                "cannot be computed; use metrics=['cogr'], or a CLIP-type model"
            )

    def _outcome(self, row: EmbeddedRow, scorer: RowScorer) -> RowOutcome:
        notes = row.notes
        if scorer.weights_vanish(row.candidate, *row.references):
            notes += ("idf weighs every word of a caption 0; equal weights used",)
        notes += left_out(row.video is not None, bool(row.references), scorer.score_types)
        frames = None
        if self.return_all_frames and row.video is not None:
            frames = scorer.score_frames(row.candidate, row.references, row.video)
        return RowOutcome(scorer.score(row.candidate, row.references, row.video), notes, frames)

    def _signature(self, encoder: ImageTextEncoder, scorer: RowScorer, readers: Iterable[str]) -> dict[str, Any]:
        return {
            "metric": self.name,
            "version": __version__,
            **encoder.signature(),
            "sampler": sampler_spec(self.sampler),
            "max_frames": self.max_frames,
            "reader": ", ".join(sorted(readers)),
            "idf": "none" if scorer.idf is None else scorer.idf.digest(),
            "frame_aggregation": self.frame_aggregation,
            "long_text": self.long_text,
            "multi_reference": self.multi_reference,
        }
