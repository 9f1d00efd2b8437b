"""EMScore: does a caption fit a video, its reference captions, or both?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, get_args

from vqe_core import __version__
from vqe_core.embed import embed_texts, embed_videos
from vqe_core.encoders import ImageTextEncoder, load_image_text_encoder
from vqe_core.encoders.tokens import check_long_text
from vqe_core.errors import InputError, ModelError, VqeError
from vqe_core.functional.emscore import FINE_GRAINED_METRICS, METRICS, MultiReference
from vqe_core.functional.idf import idf_to_json
from vqe_core.media import source_identity
from vqe_core.samplers import FrameSampler, sampler_spec
from vqe_core.scorers.emscore_rows import SCORE_TYPES, FrameAggregation, RowScorer, needed_columns
from vqe_core.scorers.idf import check_idf, fit_captions, resolve_idf
from vqe_core.scorers.options import EMScoreOptions
from vqe_core.scorers.results import RESULT_COLUMNS, RowOutcome, assemble_report, report_to_columns, report_to_result
from vqe_core.scorers.rows import (
    CaptionRow,
    as_columns,
    check_on_error,
    is_missing,
    read_rows,
    report_failures,
    video_column,
)
from vqe_core.scorers.sampling import sampler_from_options
from vqe_core.types import ScoreReport, TextEmbedding, TimedEmbeddings

DEFAULT_FRAME_NUM = 10  # Shi et al., CVPR 2022, section 4: 10 frames, evenly spread


@dataclass(frozen=True, kw_only=True)
class EMScore(EMScoreOptions):
    """EMScore with fixed options.

    The object is itself the function for ``datasets.map(scorer, batched=True)``; it holds options only, so it
    pickles to a few hundred bytes and hashes the same before and after its model loads.

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "score_types", _choice("score_types", self.score_types, SCORE_TYPES))
        object.__setattr__(self, "metrics", _choice("metrics", self.metrics, METRICS) or METRICS)
        for option, allowed in (("multi_reference", MultiReference), ("frame_aggregation", FrameAggregation)):
            if getattr(self, option) not in get_args(allowed):
                raise InputError(f"{option} ({getattr(self, option)!r}) must be one of {', '.join(get_args(allowed))}")
        for option in ("batch_size", "max_frames"):
            value = getattr(self, option)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"{option} ({value!r}) must be a whole number of at least 1")
        check_long_text(self.long_text)
        check_on_error(self.on_error)
        check_idf(self.idf)
        _ = self.sampler  # built once here, so that a wrong option is told at once

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
        """A copy whose idf weights come from ``captions`` (strings, or a list of strings a row).

        Args:
            captions: usually all references of the data set.
            path: also save the weights there, for ``idf=path``.
        """
        table = fit_captions(captions, self._encoder())
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

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Score a batch of rows of a data set: columns in, score columns with status and message out."""
        if self.idf is True:
            raise InputError(
                "idf=True would differ from batch to batch; fit it on the whole column first: "
                "scorer = scorer.fit(ds['reference'])"
            )
        return report_to_columns(self.score(**self.inputs_from(batch)))

    def inputs_from(self, columns: Mapping[str, Any], base_dir: str | None = None) -> dict[str, Any]:
        """The arguments of ``score`` from a table, by the ``*_key`` options.

        Args:
            columns: lists by column name.
            base_dir: folder that relative media paths are relative to. Default: the working directory.

        Raises:
            InputError: a column that is needed is not there.
        """
        if self.candidate_key not in columns:
            raise InputError(
                f"candidate_key ({self.candidate_key!r}) is no column; there are {', '.join(map(str, columns))}"
            )
        return {
            "predictions": columns[self.candidate_key],
            "videos": video_column(columns, self.video_key, self.start_key, self.end_key, base_dir),
            "references": columns[self.reference_key] if self.reference_key in columns else None,  # noqa: SIM401
        }

    def writes_column(self, name: str) -> bool:
        """Whether results may be written under ``name``, so that an input column must not be called so."""
        return name in RESULT_COLUMNS or name.rpartition("_")[0].startswith(SCORE_TYPES)

    def score(self, *, predictions: Any, videos: Any = None, references: Any = None) -> ScoreReport:
        """Score captions; arguments as ``compute``.

        Raises:
            InputError: columns that cannot be scored at all.
            ModelNotFoundError, ModelError: before anything is decoded.
            MediaError, InputError, RowsFailedError: rows that cannot be scored, with ``on_error="raise"``.
        """
        columns = as_columns(predictions=predictions, videos=videos, references=references)
        score_types = self._available_score_types(columns)
        rows = [
            row if isinstance(row, VqeError) else _nothing_to_score(row, score_types) or row
            for row in read_rows(columns["predictions"] or [], columns["references"], columns["videos"])
        ]
        if self.on_error == "raise":
            report_failures({i: row for i, row in enumerate(rows) if isinstance(row, VqeError)}, len(rows), "raise")
        encoder = self._encoder()
        good = [row for row in rows if isinstance(row, CaptionRow)]
        idf = resolve_idf(self.idf, encoder, good)
        scorer = RowScorer(score_types, self.metrics, self.multi_reference, self.frame_aggregation, idf)
        embedded = self._embed(rows, encoder)
        outcomes = [self._score_row(row, scorer, embedded) for row in rows]
        report_failures({i: o.error for i, o in enumerate(outcomes) if o.error is not None}, len(rows), self.on_error)
        return assemble_report(
            outcomes, scorer.keys, self._signature(encoder, scorer, embedded), self.return_all_frames
        )

    def _encoder(self) -> ImageTextEncoder:
        encoder = load_image_text_encoder(self.clip_model_path, self.device, self.dtype)
        fine = [metric for metric in self.metrics if metric in FINE_GRAINED_METRICS]
        if fine and not encoder.has_token_embeddings:
            raise ModelError(
                f"clip_model_path ({self.clip_model_path!r}) has no token-level text embeddings, so {', '.join(fine)} "
                "cannot be computed; use metrics=['cogr'], or a CLIP-type model"
            )
        return encoder

    def _available_score_types(self, columns: Mapping[str, Any]) -> tuple[str, ...]:
        """The score types asked for, or all that the given columns allow."""
        given = {name for name, column in columns.items() if column and not all(is_missing(v) for v in column)}
        needs = needed_columns(self.score_types or SCORE_TYPES)
        available = tuple(t for t, names in needs.items() if given.issuperset(names))
        if self.score_types and len(available) < len(needs):
            lacking = next(t for t in needs if t not in available)
            absent = [name for name in needs[lacking] if name not in given]
            raise InputError(
                f"score type {lacking} needs {' and '.join(absent)}; give them or leave it out of score_types"
            )
        if not available:
            raise InputError("a caption is judged by something: give videos, references, or both")
        return available

    def _embed(self, rows: Sequence[CaptionRow | VqeError], encoder: ImageTextEncoder) -> _Embedded:
        good = {i: row for i, row in enumerate(rows) if isinstance(row, CaptionRow)}
        texts = [text for row in good.values() for text in (row.candidate, *row.references)]
        sources, first_row = {}, {}
        for i, row in good.items():
            if row.video is not None:
                key = source_identity(row.video)
                sources.setdefault(key, row.video)
                first_row.setdefault(key, i)

        def stop_at(key: str, error: VqeError) -> None:
            if self.on_error == "raise":
                report_failures({first_row[key]: error}, len(rows), "raise")

        sizes = {"batch_size": self.batch_size}
        embedded_texts = embed_texts(texts, encoder, long_text=self.long_text, **sizes)
        sampling = {"max_frames": self.max_frames, "progress": self.progress, "on_failure": stop_at}
        return embedded_texts, embed_videos(sources, self.sampler, encoder, **sizes, **sampling)

    def _score_row(self, row: CaptionRow | VqeError, scorer: RowScorer, embedded: _Embedded) -> RowOutcome:
        if isinstance(row, VqeError):
            return RowOutcome(error=row)
        texts, videos = embedded
        try:
            candidate = _unless_error(texts[row.candidate])
            references = [_unless_error(texts[reference]) for reference in row.references]
            video = None if row.video is None else _unless_error(videos[source_identity(row.video)])
        except VqeError as error:
            return RowOutcome(error=error)
        notes = [*candidate.notes, *(note for text in references for note in text.notes)]
        notes += video.notes if video is not None else ()
        if scorer.weights_vanish(candidate, *references):
            notes.append("idf weighs every word of a caption 0; equal weights used")
        frames = scorer.score_frames(candidate, references, video) if self.return_all_frames and video else None
        return RowOutcome(scorer.score(candidate, references, video), tuple(dict.fromkeys(notes)), frames)

    def _signature(self, encoder: ImageTextEncoder, scorer: RowScorer, embedded: _Embedded) -> dict[str, Any]:
        readers = {video.reader for video in embedded[1].values() if isinstance(video, TimedEmbeddings)}
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


_Embedded = tuple[dict[str, TextEmbedding | VqeError], dict[str, TimedEmbeddings | VqeError]]


def _unless_error(value: Any) -> Any:
    if isinstance(value, VqeError):
        raise value
    return value


def _nothing_to_score(row: CaptionRow, score_types: Sequence[str]) -> VqeError | None:
    given = {"videos"} if row.video is not None else set()
    given |= {"references"} if row.references else set()
    if any(given.issuperset(names) for names in needed_columns(score_types).values()):
        return None
    return InputError(
        f"predictions ({row.candidate!r}) has {' and '.join(sorted(given)) or 'neither video nor references'}, "
        f"which is not enough for {', '.join(score_types)}; fill the row in or leave it out",
        code="no_input",
    )


def _choice(name: str, value: Any, allowed: Sequence[str]) -> tuple[str, ...] | None:
    """A tuple of allowed names, in the order given, from one name, several, or None."""
    if value is None:
        return None
    chosen = (value,) if isinstance(value, str) else tuple(value)
    wrong = [item for item in chosen if item not in allowed]
    if wrong or not chosen:
        raise InputError(f"{name} ({value!r}) must be among {', '.join(allowed)}")
    return tuple(dict.fromkeys(chosen))
