"""Metrics of captions whose texts and images one model embeds: EMScore, CLIPScore, and those to come.

A metric of its own says what its scores are called (``result_names``) and how an embedded row is scored
(``score_row``); see ``clip_score.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from vqe_core.encoders import ImageTextEncoder, load_image_text_encoder
from vqe_core.errors import InputTypeError, VqeError, attempt
from vqe_core.runtime import one_thread
from vqe_core.samplers import sampler_spec
from vqe_core.scorers.base import Scorer
from vqe_core.scorers.call import Call, Input
from vqe_core.scorers.caption_bank import check_captions, load_captions
from vqe_core.scorers.fingerprint import environment
from vqe_core.scorers.options import CaptionOptions
from vqe_core.scorers.presets import take_preset
from vqe_core.scorers.report import RowOutcome, ScoreReport, as_outcome, assemble_report
from vqe_core.scorers.row_errors import FaultWatch
from vqe_core.scorers.rows import CaptionRow, check_references, check_text, read_video
from vqe_core.timings import timed

if TYPE_CHECKING:
    from torch import Tensor

    from vqe_core.embed import FrameRecipe
    from vqe_core.scorers.caption_bank import CaptionBank
    from vqe_core.scorers.embedded_rows import EmbeddedRow
    from vqe_core.types import TextEmbedding, TimedEmbeddings


@dataclass(frozen=True, kw_only=True)
class CaptionScorer(CaptionOptions, Scorer):
    """A metric of captions against videos, reference captions, or both."""

    inputs: ClassVar[tuple[Input, ...]] = (
        Input("predictions", "candidate_key", "text", required=True),
        Input("references", "reference_key", "texts"),
        Input("videos", "video_key", "video"),
    )

    def __new__(cls, *others: Any, **given: Any) -> CaptionScorer:
        """Remember which options are given: a preset fills in the others."""
        scorer = super().__new__(cls)
        scorer.__dict__["_given"] = tuple(given)
        return scorer

    def __post_init__(self) -> None:
        take_preset(self, self.__dict__.pop("_given", ()))
        if not isinstance(self.prompt, str):
            raise InputTypeError(f"prompt ({self.prompt!r}) must be a string, got {type(self.prompt).__name__}")
        _ = self.model
        super().__post_init__()
        check_captions(self.reference_bank)

    @property
    def bank_names(self) -> tuple[str, str]:
        """Score that a ``reference_bank`` ranks, and the column of its percentile. Default: the metric's own name."""
        return self.name, f"{self.name}_caption_percentile"

    def compute(self, *, predictions: Any, videos: Any = None, references: Any = None) -> dict[str, Any]:
        """Score captions and return plain Python values, as the ``evaluate`` module does.

        Args:
            predictions: list of captions.
            videos: list of videos (path, bytes, ``{"path", "bytes", "start", "end"}``, uint8 frames (N, H, W, 3),
                PIL images, decoder), None for a row without one.
            references: list of a string or a list of strings a row, None for a row without.

        Returns:
            Mean of each score, ``num_rows``, ``num_failed``, ``warnings`` (rows by code), ``signature``; ``samples``
            and ``frame_details`` where asked for.

        Raises:
            VqeError: see ``score``.
        """
        result: dict[str, Any] = super().compute(predictions=predictions, videos=videos, references=references)
        return result

    def score(self, *, predictions: Any, videos: Any = None, references: Any = None) -> ScoreReport:
        """Score captions; arguments as ``compute``.

        Raises:
            InputError: columns that cannot be scored at all.
            ModelNotFoundError, ModelError: before anything is decoded.
            MediaError, InputError, RowsFailedError: rows that cannot be scored, with ``on_error="raise"``.
        """
        report: ScoreReport = super().score(predictions=predictions, videos=videos, references=references)
        return report

    def read_row(self, cells: Mapping[str, Any], given: Collection[str]) -> CaptionRow:
        """Check one row, and put the prompt before its texts; see ``Scorer.read_row``."""
        caption = self.prompted(check_text(cells["predictions"], "predictions"))
        references = tuple(map(self.prompted, check_references(cells["references"])))
        return CaptionRow(caption, references, read_video(cells["videos"]))

    def prompted(self, text: str) -> str:
        """Return a caption as it is embedded, behind the prompt."""
        return self.prompt + text

    def score_row(self, row: EmbeddedRow) -> Mapping[str, float] | RowOutcome:
        """Score one embedded row."""
        raise NotImplementedError

    def load_encoder(self) -> ImageTextEncoder:
        """Load the encoder that the options name; raise where it cannot be had, or not for what is asked for."""
        return load_image_text_encoder(self.model, self.device, self.dtype, self.backend, self.resize, self.quantize)

    def prepare(self, call: Call) -> CaptionScoring:
        """Load the encoder; see ``Scorer.prepare``."""
        return CaptionScoring(self, call, self.load_encoder())


class CaptionScoring:
    """One call of a metric of captions, its encoder loaded; extended by metrics with work before the first row."""

    def __init__(self, scorer: CaptionScorer, call: Call, encoder: ImageTextEncoder) -> None:
        self.scorer, self.call, self.encoder = scorer, call, encoder
        self.readers: set[str] = set()
        self.bank = load_captions(scorer.reference_bank)
        self._placing: BankPlacing | None = None
        if self.bank is not None:
            self.bank.check(encoder.signature())

    def frame_recipe(self) -> FrameRecipe | None:
        """Return which frames are embedded, and how; None where there are no videos."""
        from vqe_core.embed import EmbedSettings, FrameRecipe

        if "videos" not in self.call.given:
            return None
        return FrameRecipe(self.scorer.sampler_for(self.encoder), self.encoder, EmbedSettings.of(self.scorer))

    def score_row(self, row: EmbeddedRow) -> Mapping[str, float] | RowOutcome:
        """Score one embedded row."""
        return self.scorer.score_row(row)

    @one_thread()
    def score_rows(self, rows: Sequence[EmbeddedRow]) -> Sequence[RowOutcome | VqeError]:
        """Score embedded rows, by default each for itself; what fails costs its row."""
        with timed("score"):
            return [attempt(self._scored, row) for row in rows]

    def outcomes(self) -> list[RowOutcome]:
        """Embed and score the rows, some at a time; one that fails gives its error."""
        from vqe_core.scorers.embedded_rows import embed_rows

        outcomes, watch = [RowOutcome()] * len(self.call.rows), FaultWatch()
        for some in embed_rows(self.call.rows, self.encoder, self.scorer):
            good = {i: row for i, row in some.items() if not isinstance(row, VqeError)}
            bad = {i: row for i, row in some.items() if isinstance(row, VqeError)}
            scored = self.placed(list(good.values()), self.score_rows(list(good.values())))
            for i, outcome in {**bad, **dict(zip(good, scored, strict=True))}.items():
                watch.note(outcome)
                outcomes[i] = as_outcome(outcome)
            for i, row in good.items():
                if outcomes[i].error is None:
                    self.hold_on(i, row)
            self.readers.update(row.video.reader for row in good.values() if row.video is not None)
        return outcomes

    def placed(
        self, rows: Sequence[EmbeddedRow], outcomes: Sequence[RowOutcome | VqeError]
    ) -> list[RowOutcome | VqeError]:
        """Add the percentile of each row among the captions of a bank, where there is one."""
        if self.bank is None:
            return list(outcomes)
        if self._placing is None:
            self._placing = BankPlacing.of(self.bank, self)
        return [
            outcome if isinstance(outcome, VqeError) else attempt(self._placing.placed, row, outcome)
            for row, outcome in zip(rows, outcomes, strict=True)
        ]

    def video_scores(self, rows: Sequence[EmbeddedRow]) -> Tensor:
        """Return the score that a bank ranks of each row's caption with its video, float (R,)."""
        import torch

        name, _ = self.scorer.bank_names
        return torch.tensor([as_outcome(self.score_row(row)).scores[name] for row in rows])

    def hold_on(self, number: int, row: EmbeddedRow) -> None:
        """Keep an embedded row that has scores, for a metric that looks at several rows together."""

    def _scored(self, row: EmbeddedRow) -> RowOutcome:
        outcome = as_outcome(self.score_row(row))
        return outcome if outcome.warnings else RowOutcome(outcome.scores, row.warnings, outcome.details)

    def report(self, outcomes: Sequence[RowOutcome]) -> ScoreReport:
        """Make the report of the call."""
        names = self.scorer.result_names(self.call.given)
        surroundings = environment(self.encoder.signature(), self.readers)
        return assemble_report(outcomes, names, self.signature(), environment=surroundings)

    def signature(self) -> dict[str, Any]:
        """Return everything that can change a score, and nothing else."""
        signature = self.scorer.signed(self.encoder.signature(), self.call.given)
        if "sampler" in signature:  # an encoder of clips has its own
            signature["sampler"] = sampler_spec(self.scorer.sampler_for(self.encoder))
        if self.bank is not None:
            signature["reference_bank"] = self.bank.digest()
        return signature


class BankPlacing:
    """Percentiles of captions among those of a bank, all against the row's own video.

    Args:
        texts: the bank, embedded.
        scoring: scores a caption with a video.
    """

    def __init__(self, texts: Sequence[TextEmbedding], scoring: CaptionScoring) -> None:
        self._texts, self._scoring = texts, scoring
        self._video: TimedEmbeddings | None = None
        self._values: Tensor | None = None

    @classmethod
    def of(cls, bank: CaptionBank, scoring: CaptionScoring) -> BankPlacing:
        """Embed a bank.

        Raises:
            VqeError: a caption of it cannot be embedded.
        """
        from vqe_core.embed import EmbedSettings, embed_texts

        scorer = scoring.scorer
        prompted = list(map(scorer.prompted, bank.captions))
        found = embed_texts(prompted, scoring.encoder, EmbedSettings.of(scorer), long_text=scorer.long_text)
        texts = []
        for text in prompted:
            embedded = found[text]
            if isinstance(embedded, VqeError):
                raise embedded
            texts.append(embedded)
        return cls(texts, scoring)

    @one_thread()
    def placed(self, row: EmbeddedRow, outcome: RowOutcome) -> RowOutcome:
        """Return the outcome of a row with its percentile; the caption itself is none of the others."""
        from vqe_core.functional.reference_bank import bank_percentile

        if row.video is None or outcome.error is not None:
            return outcome
        bare = replace(row, references=(), clauses=())
        if self._values is None or row.video is not self._video:  # rows of one video come together
            rows = [replace(bare, candidate=text) for text in self._texts]
            self._video, self._values = row.video, self._scoring.video_scores(rows)
        others = [text.token_ids != row.candidate.token_ids for text in self._texts]
        own = self._scoring.video_scores([bare])[0]
        percentile = float(bank_percentile(own, self._values[others]).percentile)
        return replace(outcome, scores={**outcome.scores, self._scoring.scorer.bank_names[1]: percentile})
