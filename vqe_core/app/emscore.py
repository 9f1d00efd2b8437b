"""Page of EMScore: a video and captions in; scores, frames, words and moments out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vqe_core.app.captions import CaptionRequest, caption_page
from vqe_core.app.charts import NUM_COLOURS, Series, TimeChart, render, time_chart
from vqe_core.functional.emscore import METRICS
from vqe_core.report.explain import Explanation, explain_captions
from vqe_core.report.html import bar_scale, frame_strip, gain_scale, heat_scale
from vqe_core.report.word_support import HIT_RATE, REASONS
from vqe_core.scorers.emscore.scorer import EMScore

if TYPE_CHECKING:
    from gradio import Blocks

SCORE_TYPES = ("EMScore(X,V)", "EMScore(X,X*)", "EMScore(X,V,X*)")
DETAIL = ("figr_P", "figr_R", "figr_F", "cogr")


def emscore_page(card: Path) -> Blocks:
    """Build the page; ``card`` is the README.md of the Space, shown under the form."""
    return caption_page(
        card,
        title="EMScore",
        question="Does a caption fit a video? Upload a clip, type captions, and see which words find which frames.",
        score=_score,
    )


def _score(request: CaptionRequest) -> str:
    scorer = EMScore(**request.options)
    return render_explanations(explain_captions(scorer, request.captions, request.video, references=request.references))


def render_explanations(explanations: list[Explanation]) -> str:
    """Render the results of one video as HTML.

    Args:
        explanations: at least one, in the order typed.
    """
    first = explanations[0]
    score_types = [name for name in SCORE_TYPES if f"{name}_full_F" in first.scores]
    values = [value for e in explanations for name, value in e.scores.items() if name.endswith(("full_F", *DETAIL))]
    best = max(explanations, key=lambda e: e.scores[f"{score_types[-1]}_full_F"])
    return render(
        "emscore",
        explanations=explanations,
        frame_names=first.frame_names,
        shape=first.frames.shape,
        strip=frame_strip(first.frames),
        score_types=score_types,
        detail=DETAIL,
        metrics=METRICS,
        bars=bar_scale(values),
        best=best if len(explanations) > 1 else None,
        gains=gain_scale([word.support for e in explanations for word in e.support if word.support is not None]),
        reasons=REASONS,
        hit_rate=HIT_RATE,
        heat=heat_scale([e.evidence.similarity for e in explanations]),
        chart=_chart(explanations),
        colours=NUM_COLOURS,
        signature=first.signature,
    )


def _chart(explanations: list[Explanation]) -> TimeChart:
    series = []
    for explanation in explanations:
        times, values = explanation.over_time()
        whole = explanation.scores["EMScore(X,V)_full_F"]
        # frames that were sampled twice are one moment
        moments = dict(zip(times.tolist(), values.tolist(), strict=True))
        series.append(Series(explanation.caption, list(moments), list(moments.values()), whole))
    return time_chart(series, unit="frame" if explanations[0].timestamps is None else "s")
