"""Page of CLIPScore: a video and captions in; the captions, best first, and the frames they were compared with, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from vqe_core.app.captions import CaptionRequest, caption_page
from vqe_core.app.charts import NUM_COLOURS, render
from vqe_core.report.explain import THUMBNAIL, SeenVideo, look_at_video
from vqe_core.report.html import bar_scale, frame_strip
from vqe_core.report.word_alignment import frame_names
from vqe_core.scorers.clip_score import CLIPScore
from vqe_core.scorers.report import ScoreReport

if TYPE_CHECKING:
    from gradio import Blocks

SCORES = ("ref_clip_score", "clip_score")  # the first that there is ranks the captions


@dataclass(frozen=True)
class RankedCaption:
    """A caption with its scores by name; ``notes`` say what was done to it, empty for nothing."""

    text: str
    scores: dict[str, float]
    notes: str


def clip_score_page(card: Path) -> Blocks:
    """Build the page; ``card`` is the README.md of the Space, shown under the form."""
    return caption_page(
        card,
        title="CLIPScore",
        question="Does a caption as a whole fit a video? Upload a clip, type captions, and see which fits best.",
        score=score_captions,
    )


def score_captions(request: CaptionRequest) -> str:
    """Score the captions of one clip and render the results as HTML.

    Raises:
        VqeError: the clip or a text cannot be scored.
    """
    with TemporaryDirectory(prefix="vqe-clip-score-") as folder:  # the second look finds the embeddings there
        scorer = CLIPScore(**request.options, cache_dir=folder)
        count = len(request.captions)
        report = scorer.score(
            predictions=request.captions,
            videos=[request.video] * count,
            references=None if request.references is None else [request.references] * count,
        )
        seen = look_at_video(scorer, request.video, longest_side=THUMBNAIL)
    return render_ranking(rank_captions(request.captions, report), seen, report)


def rank_captions(captions: Sequence[str], report: ScoreReport) -> list[RankedCaption]:
    """Sort captions by RefCLIPScore where there are references, else by CLIPScore, best first; ties as typed.

    Args:
        captions: one a row of ``report``.
        report: every row scored.
    """
    names = [name for name in SCORES if name in report.rows]
    ranked = [
        RankedCaption(text, {name: report.rows[name][i] for name in names}, report.messages[i])
        for i, text in enumerate(captions)
    ]
    return sorted(ranked, key=lambda caption: -caption.scores[names[0]])


def render_ranking(ranking: Sequence[RankedCaption], seen: SeenVideo, report: ScoreReport) -> str:
    """Render the results of one video as HTML.

    Args:
        ranking: at least one caption, best first.
        seen: the sampled frames.
        report: for its signature.
    """
    return render(
        "clip_score",
        ranking=ranking,
        names=list(ranking[0].scores),
        bars=bar_scale([value for caption in ranking for value in caption.scores.values()]),
        frame_names=frame_names(seen.timestamps, len(seen.frames)),
        shape=seen.frames.shape,
        strip=frame_strip(seen.frames),
        colours=NUM_COLOURS,
        signature=report.signature,
    )
