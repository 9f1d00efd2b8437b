"""EMScore: does a caption fit a video, its reference captions, or both?"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from vqe_core.encoders import ImageTextEncoder, load_text_side
from vqe_core.encoders.base import embeds_clips
from vqe_core.errors import InputError, ModelError
from vqe_core.options import FrameAggregation, IdfEos, MultiReference, option
from vqe_core.runtime import own_precision
from vqe_core.scorers.call import Call
from vqe_core.scorers.caption_scorer import CaptionScorer, CaptionScoring
from vqe_core.scorers.emscore.clauses import clauses
from vqe_core.scorers.emscore.score_types import (
    ALIASES,
    BOTH,
    CHANCE_COLUMNS,
    FINE_GRAINED_METRICS,
    METRICS,
    NEEDED_COLUMNS,
    REFERENCE,
    SCORE_TYPES,
    VIDEO,
    available_score_types,
    chosen_names,
    nothing_to_score,
    score_keys,
)
from vqe_core.scorers.report import ResultNames
from vqe_core.scorers.rows import CaptionRow

if TYPE_CHECKING:
    from vqe_core.functional.idf import IdfCounts
    from vqe_core.scorers.survey import Survey


@dataclass(frozen=True, kw_only=True)
class EMScore(CaptionScorer):
    """EMScore: does a caption fit a video, its reference captions, or both?

    The caption's tokens and sampled frames, or the tokens of a reference caption, are matched both ways (fine-grained
    precision, recall, F1) and compared as wholes. Scores are cosines.

    The object is itself the function for ``datasets.map(scorer, batched=True)``; it holds options only, so it
    pickles to a few hundred bytes, and its fingerprint is the same before and after its model loads.

    Raises:
        InputError: an option breaks its rule.

    Source:
        Shi et al., "EMScore: Evaluating Video Captioning via Coarse-Grained and Fine-Grained Embedding
        Matching", CVPR 2022; 10 frames, evenly spread, by its section 4. ``preset="factvc"`` computes FactVC (Liu
        and Wan, EMNLP 2023), ``preset="pac-s"`` PAC-S for videos (Sarto et al., CVPR 2023); see
        ``vqe_core.scorers.presets``.

    Example:
        >>> import numpy as np
        >>> red = np.zeros((4, 64, 64, 3), np.uint8) + np.array([220, 40, 40], np.uint8)
        >>> scorer = EMScore(clip_model_path="toy", frame_num=2)  # a teaching model
        >>> result = scorer.compute(predictions=["a red square"], videos=[red])
        >>> sorted(result)[:3]
        ['EMScore(X,V)_cogr', 'EMScore(X,V)_figr_F', 'EMScore(X,V)_figr_P']
    """

    name: ClassVar[str] = "emscore"
    asked_for: ClassVar[tuple[str, ...]] = ("frame_details",)
    headlines: ClassVar[tuple[str, ...]] = tuple(f"{t}_full_F" for t in (VIDEO, BOTH, REFERENCE))

    score_types: Any = option(
        None,
        "xv, xr, xvr, short for EMScore(X,V), EMScore(X,X*), EMScore(X,V,X*); default: all the inputs allow",
        many=True,
        metavar="TYPE",
        choices=(*ALIASES, *SCORE_TYPES),
    )
    metrics: Any = option(
        None,
        "figr_P figr_R figr_F cogr full_P full_R full_F; default: all",
        many=True,
        metavar="METRIC",
        choices=METRICS,
    )
    idf: Any = option(
        False,
        "token weights: false, true (fitted on the references, else the predictions), or a saved idf file",
        bare="true",
        names="file",
    )
    idf_eos: IdfEos | None = option(
        None, "weight of the end token: mean of all (EMScore), own, which is 0 (FactVC), or as a given idf says (mean)"
    )
    cogr_weight: float = option(0.5, "share of cogr in full_P, full_R and full_F (FactVC: 0.25)", rule="share")
    reference_weight: float = option(0.5, "share of EMScore(X,X*) in EMScore(X,V,X*)", rule="share")
    frame_aggregation: FrameAggregation = option(
        "video",
        "video (the paper's: all frames at once), mean_of_frames (each frame a video, averaged), or in_order (English "
        "captions of several events, as in 'a, then b': each clause with its own part of the frames, averaged)",
    )
    multi_reference: MultiReference = option(
        "max_component", "several references: max_component (the paper's) or best_reference (one for all metrics)"
    )
    against_chance: Any = option(
        None,
        "set each caption against the videos of the other rows, by a metric of EMScore(X,V), or true for "
        "full_F: adds percentile, rank and z a row, auc, recall at 1 and p_value",
        bare="true",
        metavar="METRIC",
        choices=METRICS,
        names="file",
    )
    baseline: Any = option(
        None,
        "file that fit_baseline or vqe baseline build wrote: a score s becomes (s - b) / (1 - b), so that 0 is what "
        "unrelated captions score (default: none, cosines)",
        names="file",
    )
    return_all_frames: bool = option(False, "add 'frame_details': the scores of each sampled frame")

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "score_types", chosen_names("score_types", self.score_types, SCORE_TYPES))
        object.__setattr__(self, "metrics", chosen_names("metrics", self.metrics, METRICS) or METRICS)
        if not isinstance(self.idf, bool):
            from vqe_core.scorers.emscore.idf import check_idf

            check_idf(self.idf)
        if self.against_chance in (True, "true"):
            usual = "full_F" if "full_F" in self.metrics else self.metrics[-1]
            object.__setattr__(self, "against_chance", usual)
        elif self.against_chance is False:
            object.__setattr__(self, "against_chance", None)
        if self.against_chance not in (None, *METRICS):
            from vqe_core.scorers.emscore.chance_file import check_chance

            check_chance(self.against_chance)
        if self.baseline is not None:
            from vqe_core.scorers.emscore.baseline import check_baseline

            check_baseline(self.baseline)

    @property
    def bank_names(self) -> tuple[str, str]:
        """Score that a ``reference_bank`` ranks: full_F against the video, or what stands for it; and the column."""
        metric = "full_F" if "full_F" in self.metrics else self.metrics[-1]
        return f"{VIDEO}_{metric}", f"{VIDEO}_caption_percentile"

    def result_names(self, given: Collection[str]) -> ResultNames:
        """Return the names ``"<score type>_<metric>"`` of the score types asked for, or that the inputs allow."""
        scores = score_keys(available_score_types(self.score_types, frozenset(given)), self.metrics)
        if self.against_chance is not None:
            if "videos" not in given:
                raise InputError("against_chance sets captions against videos; give videos, or leave it out")
            scores += score_keys([VIDEO], CHANCE_COLUMNS)
        if self.reference_bank is not None:
            if "videos" not in given:
                raise InputError("reference_bank sets other captions against videos; give videos, or leave it out")
            scores += self.bank_names[1:]
        return ResultNames(scores, texts=("frame_details",) if self.return_all_frames else ())

    def writes_score(self, name: str) -> bool:
        """Tell whether a score, with these or other options, is called ``name``."""
        return name.rpartition("_")[0].startswith(SCORE_TYPES)

    def check_batch(self) -> None:
        """Check that weights of tokens are those of the whole data set; see ``Scorer.check_batch``."""
        if self.idf is True:
            raise InputError(
                "idf=True would differ from batch to batch; fit it on the whole column first: "
                "scorer = scorer.fit(ds['reference'])"
            )
        if self.against_chance in METRICS:
            raise InputError(
                "against_chance would differ from batch to batch; fit it on the whole data set first: "
                "scorer = scorer.fit_chance(predictions=..., videos=...)"
            )

    def survey(self, given: Collection[str]) -> Survey | None:
        """Return the first pass over a data set, for ``idf=True`` and ``against_chance``; see ``Scorer.survey``."""
        if self.idf is not True and self.against_chance not in METRICS:
            return None
        from vqe_core.scorers.emscore.survey import EMScoreSurvey

        return EMScoreSurvey(self, frozenset(given))

    def fit(self, captions: Iterable[Any] | IdfCounts, path: str | os.PathLike[str] | None = None) -> EMScore:
        """Return a copy whose idf weights come from ``captions``. Loads no weights of the model.

        Args:
            captions: strings, or a list of strings a row; usually all references of the data set. What cannot be
                scored does not count, or raises by ``on_error="raise"``. Or what ``count`` counted in them.
            path: also save the weights there, for ``idf=path``.
        """
        from vqe_core.functional.idf import IdfCounts, idf_from_counts, idf_to_json

        reader = self._text_side()
        counts = captions if isinstance(captions, IdfCounts) else self.count(captions)
        table = idf_from_counts(counts, reader.end_id, reader.tokenizer.digest(), self.idf_eos or "mean")
        if path is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(idf_to_json(table))
        return replace(self, idf=table)

    def count(self, captions: Iterable[Any]) -> IdfCounts:
        """Count in how many captions each token occurs: what ``fit`` makes of parts of a data set adds up.

        Args:
            captions: as for ``fit``; none at all is a count of 0.

        Example:
            >>> scorer = EMScore(clip_model_path="toy")
            >>> counts = scorer.count(["a red dog"]) + scorer.count(["a cat", "a dog"])
            >>> scorer.fit(counts).idf == scorer.fit(["a red dog", "a cat", "a dog"]).idf
            True
        """
        from vqe_core.scorers.emscore.idf import count_captions

        return count_captions(captions, self._text_side(), self.long_text, self.on_error, self.prompt)

    def _text_side(self) -> Any:
        reader = load_text_side(self.model)
        self._check_fine(reader.has_token_embeddings)
        return reader

    @own_precision()
    def fit_baseline(
        self,
        *,
        predictions: Any,
        videos: Any = None,
        references: Any = None,
        path: str | os.PathLike[str] | None = None,
    ) -> EMScore:
        """Return a copy whose scores s become (s - b) / (1 - b), b being what unrelated captions score.

        Each caption is scored against up to 20 other clips; of more than 1,000 rows, evenly spaced ones stand for all.
        Rows of one video, or of the same references, are never set against each other.

        Args:
            predictions, videos, references: captions that fit, as for ``compute``; of at least two clips.
            path: also save the baseline there, for ``baseline=path``.

        Raises:
            InputError: fewer than two clips have scores.
            VqeError: as ``compute``.

        Example:
            >>> from vqe_core.toy.clips import make_clip
            >>> clips = [make_clip(seed) for seed in range(3)]
            >>> rows = {"predictions": [c.captions(1)[0] for c in clips], "videos": [c.frames for c in clips]}
            >>> scorer = EMScore(clip_model_path="toy", metrics="cogr").fit_baseline(**rows)
            >>> list(scorer.baseline.values)
            ['EMScore(X,V)_cogr']
        """
        from vqe_core.scorers.emscore.scoring import measure_baseline

        plain = replace(self, baseline=None, against_chance=None)
        call = plain.call(whole=True, predictions=predictions, videos=videos, references=references)
        return replace(self, baseline=measure_baseline(plain, call, path))

    @own_precision()
    def fit_chance(
        self,
        *,
        predictions: Any,
        videos: Any,
        references: Any = None,
        path: str | os.PathLike[str] | None = None,
    ) -> EMScore:
        """Return a copy that sets every caption against the videos of these rows, also in batches of a data set.

        Of more than 1,000 rows, evenly spaced ones stand for all. A row is never set against itself, nor against rows
        of the same file or of the same references.

        Args:
            predictions, videos, references: captions and videos, as for ``compute``; usually the whole data set.
            path: also save them there, embedded, for ``against_chance=path``; it must end in ``.safetensors``.

        Raises:
            VqeError: as ``compute``.

        Example:
            >>> from vqe_core.toy.clips import make_clip
            >>> clips = [make_clip(seed) for seed in range(3)]
            >>> rows = {"predictions": [c.captions(1)[0] for c in clips], "videos": [c.frames for c in clips]}
            >>> scorer = EMScore(clip_model_path="toy", metrics="cogr").fit_chance(**rows)
            >>> one = scorer.compute(predictions=rows["predictions"][:1], videos=rows["videos"][:1])
            >>> one["EMScore(X,V)_percentile"], one["EMScore(X,V)_rank"]
            (1.0, 1.0)
        """
        from vqe_core.scorers.emscore.survey import fitted_chance

        plain = self if self.against_chance in METRICS else replace(self, against_chance=True)
        call = plain.call(whole=True, predictions=predictions, videos=videos, references=references)
        return replace(self, against_chance=fitted_chance(plain, call, path))

    def read_row(self, cells: Mapping[str, Any], given: Collection[str]) -> CaptionRow:
        """Check one row; what no score type needs is not looked at, so that no video is opened in vain."""
        score_types = available_score_types(self.score_types, frozenset(given))
        needed = {"predictions", *(name for score_type in score_types for name in NEEDED_COLUMNS[score_type])}
        if self.idf is True:  # words are counted in the references, also where no score type compares with them
            needed.add("references")
        row = super().read_row({name: cell if name in needed else None for name, cell in cells.items()}, given)
        lacking = nothing_to_score(row, score_types)
        if lacking is not None:
            raise lacking
        if self.frame_aggregation == "in_order" and row.video is not None:
            told = clauses(row.candidate.removeprefix(self.prompt))
            if len(told) > 1:
                return replace(row, clauses=tuple(map(self.prompted, told)))
        return row

    def load_encoder(self) -> ImageTextEncoder:
        """Load the encoder that the options name; raise where it cannot be had, or not for the metrics asked for."""
        encoder = super().load_encoder()
        self._check_fine(encoder.has_token_embeddings, clips=embeds_clips(encoder))
        return encoder

    def _check_fine(self, has_token_embeddings: bool, *, clips: bool = False) -> None:
        asked = (*self.metrics, *([self.against_chance] if self.against_chance in METRICS else []))
        fine = [metric for metric in asked if metric in FINE_GRAINED_METRICS]
        if fine and not has_token_embeddings:
            lacks = "embeds whole clips and whole captions" if clips else "has no token-level text embeddings"
            raise ModelError(
                f"clip_model_path ({self.model!r}) {lacks}, so {', '.join(fine)} "
                "cannot be computed; use metrics=['cogr'], or a CLIP-type model"
            )

    def prepare(self, call: Call) -> CaptionScoring:
        """Load the encoder, and fit or read the weights of tokens; see ``Scorer.prepare``."""
        from vqe_core.scorers.emscore.scoring import EMScoring

        return EMScoring(self, call, self.load_encoder())

    def own_signature(self) -> dict[str, Any]:
        """Return the options that can change a score; see ``Scorer.own_signature``."""
        names = ("cogr_weight", "reference_weight", "prompt", "frame_aggregation", "long_text", "multi_reference")
        return {"idf": "none", **{name: getattr(self, name) for name in names}}


def fit_baseline(
    *,
    predictions: Any,
    videos: Any = None,
    references: Any = None,
    path: str | os.PathLike[str] | None = None,
    **options: Any,
) -> EMScore:
    """Measure what unrelated captions score, and return an EMScore that is rescaled by it: 0 is unrelated.

    Args:
        predictions, videos, references: captions that fit, as for ``EMScore.compute``; of at least two clips.
        path: also save the baseline there, for ``EMScore(baseline=path)`` and ``vqe score emscore --baseline``.
        options: of ``EMScore``.

    Raises:
        VqeError: see ``EMScore.fit_baseline``.

    Example:
        >>> from vqe_core.toy.clips import make_clip
        >>> clips = [make_clip(seed) for seed in range(4)]
        >>> captions, videos = [clip.captions(1)[0] for clip in clips], [clip.frames for clip in clips]
        >>> scorer = fit_baseline(predictions=captions, videos=videos, clip_model_path="toy")
        >>> right = scorer.compute(predictions=captions, videos=videos)["EMScore(X,V)_full_F"]
        >>> wrong = scorer.compute(predictions=captions[::-1], videos=videos)["EMScore(X,V)_full_F"]
        >>> right > 0.5 > wrong
        True
    """
    fitted: EMScore = EMScore(**options).fit_baseline(
        predictions=predictions, videos=videos, references=references, path=path
    )
    return fitted
