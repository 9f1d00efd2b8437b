"""Page of CLIPScore: a video and captions in; a verdict, the captions, best first, and the frames seen, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from vqe_core.app.banks import caption_bank_for, caption_verdicts
from vqe_core.app.captions import CaptionRequest, caption_page
from vqe_core.app.charts import NUM_COLOURS, render
from vqe_core.app.results import Result
from vqe_core.deadline import deadline_stopped
from vqe_core.report.explain import THUMBNAIL, SeenVideo, look_at_video
from vqe_core.report.html import bar_scale, frame_strip
from vqe_core.report.plots import plot_captions
from vqe_core.report.verdict import RULE, Ranking, Verdict, rank
from vqe_core.report.word_alignment import frame_names
from vqe_core.scorers.caption_bank import CaptionBank
from vqe_core.scorers.clip_score import CLIPScore
from vqe_core.scorers.report import ScoreReport
from vqe_core.timings import timed
from vqe_core.toy.known_world import OUT_OF_WORLD, UNKNOWN_WORDS

if TYPE_CHECKING:
    from gradio import Blocks

SCORES = ("ref_clip_score", "clip_score")  # the first that there is ranks the captions


@dataclass(frozen=True)
class RankedCaption:
    """A caption with its scores by name.

    Attributes:
        text: as typed.
        scores: by name.
        notes: what was done to it, empty for nothing.
        verdict: its place among other captions, None where there is none, or the model cannot judge.
        unknown: why the model cannot judge the caption, None where it can.
        warning: why the model cannot judge the clip, None where it can.
    """

    text: str
    scores: dict[str, float]
    notes: str
    verdict: Verdict | None = None
    unknown: str | None = None
    warning: str | None = None

    @property
    def value(self) -> float:
        """The score that ranks."""
        return next(self.scores[name] for name in SCORES if name in self.scores)


def clip_score_page(card: Path) -> Blocks:
    """Build the page; ``card`` is the README.md of the Space, shown under the form."""
    return caption_page(
        card,
        title="CLIPScore",
        question="Does a caption as a whole fit a video? Upload a clip, type captions, and see which fits best.",
        score=score_captions,
    )


def score_captions(request: CaptionRequest) -> Result:
    """Score the captions of one clip.

    Raises:
        VqeError: the clip or a text cannot be scored.
    """
    with TemporaryDirectory(prefix="vqe-clip-score-") as folder:  # the second look finds the embeddings there
        scorer = CLIPScore(**{"cache_dir": folder, **request.options})
        with deadline_stopped():  # a model is loaded for all requests to come
            bank = caption_bank_for(scorer)
        count = len(request.captions)
        report = replace(scorer, reference_bank=bank).score(
            predictions=request.captions,
            videos=[request.video] * count,
            references=None if request.references is None else [request.references] * count,
        )
        seen = look_at_video(scorer, request.video, longest_side=THUMBNAIL)
    with timed("score"):
        captions = rank_captions(request.captions, report, bank)
        margin = None if bank is None else bank.margins.get(next(name for name in SCORES if name in report.rows))
        best = best_of(captions, margin, frame_scores(captions, seen, scorer))
        html = render_ranking(captions, best, seen, report, owner=bank is None)
        texts, values = [c.text for c in captions], [c.value for c in captions]
        title = headline(captions, best)
        picture = partial(plot_captions, texts, values, seen.frames, title, next(iter(captions[0].scores)))
        by_caption = {caption.text: caption.value for caption in captions}
        content, example = _content(captions, title, report), request.example is not None
        return Result(html, "clip_score", content, picture, request.link, example, by_caption)


def rank_captions(captions: Sequence[str], report: ScoreReport, bank: CaptionBank | None = None) -> list[RankedCaption]:
    """Sort captions by RefCLIPScore where there are references, else by CLIPScore, best first; ties as typed.

    Args:
        captions: one a row of ``report``.
        report: every row scored.
        bank: that its percentiles are among.
    """
    names = [name for name in SCORES if name in report.rows]
    found: Sequence[Verdict | None] = [None] * len(captions)
    if bank is not None:
        found = caption_verdicts(captions, report.rows["clip_score_caption_percentile"], bank)
    ranked = []
    for i, text in enumerate(captions):
        told = {w.code: str(w) for w in (report.warnings[i] if report.warnings else ())}
        unknown, warning = told.get(UNKNOWN_WORDS), told.get(OUT_OF_WORLD)
        scores = {name: report.rows[name][i] for name in names}
        verdict = found[i] if unknown is None and warning is None else None
        others = [word for code, word in told.items() if code not in (UNKNOWN_WORDS, OUT_OF_WORLD)]
        notes = "; ".join(others) if told else report.messages[i]
        ranked.append(RankedCaption(text, scores, notes, verdict, unknown, warning))
    return sorted(ranked, key=lambda caption: -caption.scores[names[0]])


def frame_scores(captions: Sequence[RankedCaption], seen: SeenVideo, scorer: CLIPScore) -> list[list[float]]:
    """Return the score that ranks of each caption with each sampled frame alone.

    Args:
        captions: with the scores of the whole clip.
        seen: the frames.
        scorer: with its model.
    """
    prompted = [scorer.prompted(caption.text) for caption in captions]
    texts = scorer.load_encoder().embed_texts(prompted, long_text=scorer.long_text, batch_size=16)
    alone = scorer.weight * (torch.stack([text.pooled for text in texts]) @ seen.embeddings.values.T).clamp(min=0)
    rows = []
    for caption, values in zip(captions, alone, strict=True):
        whole, with_references = caption.scores["clip_score"], caption.scores.get("ref_clip_score")
        if (
            with_references is not None and 2 * whole > with_references > 0
        ):  # the harmonic mean, solved for its other side
            reference = with_references * whole / (2 * whole - with_references)
            values = 2 * values * reference / (values + reference)
        rows.append(values.tolist())
    return rows


def best_of(
    captions: Sequence[RankedCaption], margin: float | None, by_frame: Sequence[Sequence[float]]
) -> Ranking | None:
    """Tell which caption is best of those that the model can judge; None for fewer than two."""
    numbers = [i for i, caption in enumerate(captions) if caption.unknown is None and caption.warning is None]
    if len(numbers) < 2:
        return None
    found = rank([captions[i].value for i in numbers], margin, [by_frame[i] for i in numbers])
    best = None if found.best is None else numbers[found.best]
    return replace(found, best=best, close=tuple(numbers[i] for i in found.close))


def headline(captions: Sequence[RankedCaption], best: Ranking | None) -> str:
    """Return the verdict in one sentence."""
    first = captions[0]
    if first.warning is not None:
        return "This model cannot judge this clip."
    if len(captions) == 1:
        if first.verdict is not None:
            return first.verdict.headline("captions")
        return "No verdict" + (": the model does not know all words." if first.unknown else ".")
    if best is None:
        return "No verdict: the model knows the words of fewer than two captions."
    if best.best is not None:
        return f"Caption {best.best + 1} fits best."
    numbers = [str(i + 1) for i in best.close]
    return f"Too close to call: captions {', '.join(numbers[:-1])} and {numbers[-1]}."


def render_ranking(
    ranking: Sequence[RankedCaption], best: Ranking | None, seen: SeenVideo, report: ScoreReport, *, owner: bool = False
) -> str:
    """Render the results of one video as HTML.

    Args:
        ranking: at least one caption, best first.
        best: which of them is best.
        seen: the sampled frames.
        report: for its signature.
        owner: whether to say how an owner gives a page a bank.
    """
    return render(
        "clip_score",
        ranking=ranking,
        headline=headline(ranking, best),
        best=best,
        rule=RULE,
        owner=owner,
        names=list(ranking[0].scores),
        bars=bar_scale([value for caption in ranking for value in caption.scores.values()]),
        frame_names=frame_names(seen.timestamps, len(seen.frames)),
        shape=seen.frames.shape,
        strip=frame_strip(seen.frames),
        colours=NUM_COLOURS,
        signature=report.signature,
    )


def _content(captions: Sequence[RankedCaption], verdict: str, report: ScoreReport) -> dict[str, Any]:
    rows = [
        {
            "caption": caption.text,
            "scores": caption.scores,
            "verdict": None if caption.verdict is None else caption.verdict.headline("captions"),
            "notes": caption.notes,
        }
        for caption in captions
    ]
    return {"verdict": verdict, "captions": rows, "signature": report.signature}
