"""Explanation of one EMScore: every word against every sampled frame.

Task: hand a notebook or an app all that ``EMScore`` computed a score from.
Conventions: times in seconds; similarities are cosines; axes L tokens, W words, N frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from vqe_core.deadline import deadline_stopped
from vqe_core.embed import EmbedSettings, embed_texts, embed_videos
from vqe_core.encoders import ImageTextEncoder
from vqe_core.errors import InputError, ModelError, VqeError
from vqe_core.functional.emscore import METRICS, mean_direction
from vqe_core.functional.idf import IdfTable
from vqe_core.media import TableMismatchError, Video, as_media_source, gathered, of_one_size, shrunk
from vqe_core.report.word_alignment import Word, WordEvidence, frame_names, read_words, word_evidence
from vqe_core.report.word_support import (
    WordSupport,
    least_supported,
    marked_parts,
    speaks_against,
    word_spans,
    word_supports,
)
from vqe_core.runtime import own_precision
from vqe_core.scorers.caption_scorer import CaptionScorer
from vqe_core.scorers.emscore.idf import resolve_idf
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.scorers.report import ScoreReport
from vqe_core.scorers.rows import check_references, read_row
from vqe_core.types import RowWarning, TextEmbedding, TimedEmbeddings
from vqe_core.workers import WorkerPool, open_video_in

THUMBNAIL = 320  # pixels of the longer side: enough to see what a frame shows, and 256 of them stay small


@dataclass(frozen=True, eq=False)
class Explanation:
    """All that one EMScore was computed from.

    Attributes:
        caption: as scored.
        tokens: L texts, the pieces the model read; the first and last are its start and end tokens.
        token_weights: float32 (L,), how much each token counts in figr_P; they sum to 1.
        evidence: words (W) against frames, see ``WordEvidence``.
        support: what the score gains by each word of the caption, in their order, see ``WordSupport``. Empty where the
            model's tokenizer does not tell where its tokens stand.
        timestamps: float64 (N,) seconds, or None for frames without a clock.
        frame_numbers: int64 (N,), in the video.
        frames: uint8 (N, H, W, 3) RGB, the sampled frames, shrunk to 320 pixels; where the size changes midway, fitted
            into that of the first.
        scores: by ``"<score type>_<metric>"``.
        frame_scores: of each frame as a video of its own, as ``return_all_frames`` gives them.
        notes: what was done to the caption or the video, empty for nothing.
        signature: everything that can change the scores.
        warnings: the notes one by one, with their codes.
    """

    caption: str
    tokens: tuple[str, ...]
    token_weights: np.ndarray = field(repr=False)
    evidence: WordEvidence = field(repr=False)
    support: tuple[WordSupport, ...] = field(repr=False)
    timestamps: np.ndarray | None = field(repr=False)
    frame_numbers: np.ndarray = field(repr=False)
    frames: np.ndarray = field(repr=False)
    scores: dict[str, float]
    frame_scores: list[dict[str, Any]] = field(repr=False)
    notes: str
    signature: dict[str, Any] = field(repr=False)
    warnings: tuple[RowWarning, ...] = ()

    @property
    def similarity(self) -> np.ndarray:
        """Cosine of each token with each frame, float32 (L, N): figr_P and figr_R follow from it alone."""
        return self.evidence.token_similarity

    @property
    def words(self) -> tuple[Word, ...]:
        """W words, each with the positions of its tokens."""
        return self.evidence.words

    @property
    def best_frame(self) -> list[int | None]:
        """Position of each word's best frame, W entries; None where all frames are as good as alike to it."""
        return self.evidence.best_frame

    @property
    def least_supported(self) -> list[WordSupport]:
        """The two words that the score gains least by, the least first; motion and order are not ranked."""
        return least_supported(self.support)

    @property
    def speaks_against(self) -> list[WordSupport]:
        """Those of the two without which the caption would clearly fit better."""
        return speaks_against(self.support)

    @property
    def frame_names(self) -> list[str]:
        """Short name of each frame: its time, ``"0.75 s"``, or its number, ``"#3"``, where there is no clock."""
        return frame_names(self.timestamps, len(self.frames))

    @property
    def marked_caption(self) -> list[tuple[str, WordSupport | None]]:
        """The caption in pieces, each with the word that speaks against it, or None."""
        return marked_parts(self.caption, self.speaks_against)

    @property
    def least_marked_caption(self) -> list[tuple[str, WordSupport | None]]:
        """The caption in pieces, each with the word that is one of its two least supported, or None."""
        return marked_parts(self.caption, self.least_supported)

    def warned(self, code: str) -> str | None:
        """Return the warning of a code, None where there is none."""
        return next((str(warning) for warning in self.warnings if warning.code == code), None)

    @property
    def headline(self) -> str:
        """Name of the first number to look at: full_F of the score type that uses most of what was given."""
        return [name for name in self.scores if name.endswith("_full_F")][-1]

    def as_dict(self) -> dict[str, Any]:
        """Return all but the pixels as plain Python values, for JSON."""
        rows = zip(self.words, self.evidence.similarity.tolist(), self.best_frame, strict=True)
        words = [
            {"text": word.text, "special": word.special, "similarity": row, "best_frame": best}
            for word, row, best in rows
        ]
        least, against = ({word.span for word in some} for some in (self.least_supported, self.speaks_against))
        support = [
            {
                "text": word.text,
                "start": word.span[0],
                "end": word.span[1],
                "support": word.support,
                "unranked": word.unranked or None,
                "least_supported": word.span in least,
                "speaks_against": word.span in against,
            }
            for word in self.support
        ]
        about = {"caption": self.caption, "scores": self.scores, "notes": str(self.notes), "support": support}
        return {**about, "words": words, "frames": self.frame_scores}

    def over_time(self, score: str = "EMScore(X,V)_full_F") -> tuple[np.ndarray, np.ndarray]:
        """Return the score of each sampled frame as a video of its own: times (s, or numbers from 1) and values, (N,).

        Args:
            score: ``"<score type>_<metric>"``.

        Raises:
            InputError: no such score; the message lists those there are.
        """
        named = {f"{kind}_{m}": (kind, m) for kind in self.frame_scores[0] if "(" in kind for m in METRICS}
        if score not in self.scores or score not in named:
            raise InputError(f"score ({score!r}) is none of {', '.join(self.scores)}")
        score_type, metric = named[score]
        times = np.arange(1.0, len(self.frames) + 1) if self.timestamps is None else self.timestamps
        return times, np.array([frame[score_type][metric] for frame in self.frame_scores])


def explain_emscore(caption: str, video: Any, *, references: Any = None, **options: Any) -> Explanation:
    """Score one caption and keep what the score was computed from.

    Each token's best cosine over the frames, weighted, sums to figr_P; the mean over the frames of their best cosine
    over the tokens is figr_R (with ``frame_aggregation="video"``, the default).

    Args:
        caption: one text.
        video: anything ``EMScore`` takes but an open decoder, as it is read twice.
        references: a reference caption, a list of them, or None.
        options: of ``EMScore``.

    Raises:
        InputError, MediaError: the caption, the video or an option cannot be used.
        ModelNotFoundError, ModelError: no such model, or it has no token-level text embeddings.

    Example:
        >>> red = np.zeros((4, 64, 64, 3), np.uint8) + np.array([220, 40, 40], np.uint8)
        >>> explained = explain_emscore("a red square", red, clip_model_path="toy", frame_num=2)
        >>> [word.text for word in explained.words]
        ['start', 'a', 'red', 'square', 'end']
        >>> explained.similarity.shape, explained.frame_names
        ((5, 2), ['#1', '#2'])
    """
    return explain_captions(EMScore(**options), [caption], video, references=references)[0]


def explain_captions(
    scorer: EMScore, captions: Sequence[str], video: Any, *, references: Any = None
) -> list[Explanation]:
    """Explain several captions of one video; the video is embedded once for all of them.

    Args:
        scorer: the options.
        captions: at least one.
        video, references: as for ``explain_emscore``; the references are those of every caption.

    Raises:
        VqeError: as ``explain_emscore``.

    Example:
        >>> red = np.zeros((4, 64, 64, 3), np.uint8) + np.array([220, 40, 40], np.uint8)
        >>> scorer = EMScore(clip_model_path="toy", frame_num=2)
        >>> [explained.caption for explained in explain_captions(scorer, ["red", "a star"], red)]
        ['red', 'a star']
    """
    with ExitStack() as stack:
        # The second look at the video finds its embeddings there.
        folder = scorer.cache_dir or stack.enter_context(TemporaryDirectory(prefix="vqe-explain-"))
        return _explain(
            replace(scorer, return_all_frames=True, on_error="raise", cache_dir=folder), captions, video, references
        )


@own_precision()
def _explain(scorer: EMScore, captions: Sequence[str], video: Any, references: Any) -> list[Explanation]:
    given = check_references(references)
    rows = [read_row(scorer.prompted(caption), tuple(map(scorer.prompted, given)), video) for caption in captions]
    report = scorer.score(
        predictions=list(captions), videos=[video] * len(rows), references=[list(given)] * len(rows) if given else None
    )
    seen = look_at_video(scorer, video, [row.candidate for row in rows], longest_side=THUMBNAIL)
    encoder = scorer.load_encoder()
    if not seen.evidence:
        raise ModelError(
            f"clip_model_path ({scorer.clip_model_path!r}) has no token-level text embeddings, so its scores cannot "
            "be explained word by word; use a CLIP-type model"
        )
    idf = resolve_idf(scorer.idf, encoder, rows, scorer.long_text, idf_eos=scorer.idf_eos, prompt=scorer.prompt)
    return [_explanation(i, row.candidate, report, seen, encoder, idf, scorer) for i, row in enumerate(rows)]


def support_in(
    video: TimedEmbeddings, caption: str, words: Sequence[Word], encoder: ImageTextEncoder, scorer: CaptionScorer
) -> tuple[WordSupport, ...]:
    """Leave each word of a caption out, and compare the whole caption with the mean of the frames (cogr).

    Args:
        video: the frames as the encoder embedded them.
        caption: one text.
        words: of it, as ``read_words`` gives them.
        encoder, scorer: that embedded both, with its options.
    """
    spans = word_spans(caption, words, encoder.tokenizer, scorer.long_text)
    mask = torch.ones(1, len(video.values), dtype=torch.bool)
    direction = mean_direction(video.values[None], mask)[0]

    def coarse(texts: list[str]) -> list[float]:
        found = embed_texts(texts, encoder, EmbedSettings.of(scorer), long_text=scorer.long_text)
        pooled = [embedded.pooled for text in texts if isinstance(embedded := found[text], TextEmbedding)]
        return (torch.stack(pooled) @ direction).tolist()

    if not spans:
        return ()
    numbers: dict[tuple[int, int], int] = {}
    for number, span in spans.items():
        numbers.setdefault(span, number)  # of the first window that has the word
    return tuple(replace(word, number=numbers[word.span]) for word in word_supports(caption, list(numbers), coarse))


def _explanation(
    row: int,
    caption: str,
    report: ScoreReport,
    seen: SeenVideo,
    encoder: ImageTextEncoder,
    idf: IdfTable | None,
    scorer: EMScore,
) -> Explanation:
    windows = encoder.tokenizer.split(caption, scorer.long_text).windows
    ids = [token_id for window in windows for token_id in window]
    return Explanation(
        caption=caption,
        tokens=_token_texts(ids, seen.evidence[caption].words, encoder.tokenizer.inner),
        token_weights=_shares(np.ones(len(ids), np.float32) if idf is None else idf.lookup(ids).numpy()),
        evidence=seen.evidence[caption],
        support=support_in(seen.embeddings, caption, seen.evidence[caption].words, encoder, scorer),
        timestamps=seen.timestamps,
        frame_numbers=seen.indices,
        frames=seen.frames,
        scores={name: column[row] for name, column in report.rows.items()},
        frame_scores=report.details["frame_details"][row],
        notes=report.messages[row],
        signature=report.signature,
        warnings=report.warnings[row],
    )


def _token_texts(ids: Sequence[int], words: Sequence[Word], tokenizer: Any) -> tuple[str, ...]:
    special = {word.positions[0]: word.text for word in words if word.special}
    return tuple(special.get(i) or tokenizer.decode([token]).strip() for i, token in enumerate(ids))


def _shares(weights: np.ndarray) -> np.ndarray:
    """Scale weights to a sum of 1; where they sum to 0 they become equal, as in the score."""
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(weights), 1 / len(weights), np.float32)


@dataclass(frozen=True, eq=False)
class SeenVideo:
    """Video as a scorer saw it.

    Attributes:
        frames: uint8 (N, H, W, 3) RGB, the sampled frames in the order sampled.
        timestamps: float64 (N,) seconds, or None without a clock.
        indices: int64 (N,), frame numbers in the stream.
        embeddings: of the frames.
        evidence: by caption. Empty where the model has no token-level space.
    """

    frames: np.ndarray = field(repr=False)
    timestamps: np.ndarray | None
    indices: np.ndarray
    embeddings: TimedEmbeddings = field(repr=False)
    evidence: dict[str, WordEvidence] = field(repr=False)


def look_at_video(
    scorer: CaptionScorer, video: Any, captions: Sequence[str] = (), *, longest_side: int | None = None
) -> SeenVideo:
    """Sample a video as ``scorer`` does, and match its frames with the words of ``captions``.

    Args:
        scorer: says which model and which frames.
        video: anything ``EMScore`` takes; not an open decoder, as the video is read twice.
        captions: those to explain. Default: none.
        longest_side: shrink the frames to this many pixels as they are read. Default: as they are.

    Raises:
        MediaError, InputError: the video or a caption cannot be used.
        ModelNotFoundError, ModelError: the model cannot be used.
    """
    source = as_media_source(video)
    with deadline_stopped():  # a model is loaded for all requests to come
        encoder = scorer.load_encoder()
    settings = EmbedSettings.of(scorer)
    seen = embed_videos({0: source}, scorer.sampler_for(encoder), encoder, settings)[0]
    if isinstance(seen, VqeError):
        raise seen
    with WorkerPool.of(settings, [source]) as pool, pool.worker() as worker:
        frames = open_video_in(worker, source, reader=settings.reader).read(
            lambda video: _read_frames(video, seen, longest_side)
        )
    evidence = {}
    for text, embedded in embed_texts(captions, encoder, settings, long_text=scorer.long_text).items():
        if isinstance(embedded, VqeError):
            raise embedded
        if embedded.tokens is not None:
            words = read_words(embedded.token_ids, encoder.tokenizer.inner)
            evidence[text] = word_evidence(words, embedded.tokens, seen.values)
    return SeenVideo(frames, seen.timestamps, seen.indices, seen, evidence)


def _read_frames(video: Video, seen: TimedEmbeddings, longest_side: int | None) -> np.ndarray:
    """Read the frames that were embedded, in the order sampled.

    Raises:
        TableMismatchError: the video was sampled from another table, that of the frames that really decode.
    """
    numbers, first, where = np.unique(seen.indices, return_index=True, return_inverse=True)
    positions = np.searchsorted(video.table.indices, numbers).clip(max=len(video.table) - 1)
    if seen.timestamps is not None and not np.array_equal(video.table.timestamps[positions], seen.timestamps[first]):
        raise TableMismatchError.at(float(seen.timestamps[0]), video.source.name)
    return of_one_size(gathered([shrunk(frame.pixels, longest_side) for frame in video.frames(positions)]))[where]
