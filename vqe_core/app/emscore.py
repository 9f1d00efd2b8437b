"""Page of EMScore: a video and captions in; a verdict, scores, frames, words and moments out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqe_core.app.banks import caption_bank_for, caption_verdicts
from vqe_core.app.captions import CaptionRequest, caption_page
from vqe_core.app.charts import NUM_COLOURS, Series, TimeChart, render, time_chart
from vqe_core.app.results import Result
from vqe_core.deadline import deadline_stopped
from vqe_core.functional.emscore import METRICS
from vqe_core.report.explain import Explanation, explain_captions
from vqe_core.report.html import bar_scale, frame_strip, gain_scale, heat_scale
from vqe_core.report.plots import plot_captions
from vqe_core.report.verdict import RULE, Ranking, Verdict, rank
from vqe_core.report.word_support import HIT_RATE, REASONS
from vqe_core.scorers.caption_bank import CaptionBank
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.timings import timed
from vqe_core.toy.known_world import OUT_OF_WORLD, UNKNOWN_WORDS

if TYPE_CHECKING:
    from gradio import Blocks

SCORE_TYPES = ("EMScore(X,V)", "EMScore(X,X*)", "EMScore(X,V,X*)")
DETAIL = ("figr_P", "figr_R", "figr_F", "cogr")
# What stands beside each name, and what it asks.
PLAIN = {
    "figr_P": ("words seen", "precision: is each word of the caption to be seen in some frame?"),
    "figr_R": ("frames told", "recall: is what each frame shows said by some word?"),
    "figr_F": ("word by word", "the harmonic mean of words seen and frames told"),
    "cogr": ("as wholes", "the whole caption against the mean of all frames"),
    "EMScore(X,V)": ("against the video", "full_F: the mean of word by word and as wholes"),
    "EMScore(X,X*)": ("against the references", "the same, with reference captions in the place of the video"),
    "EMScore(X,V,X*)": ("against both", "the mean of the two before"),
}


def emscore_page(card: Path) -> Blocks:
    """Build the page; ``card`` is the README.md of the Space, shown under the form."""
    return caption_page(
        card,
        title="EMScore",
        question="Does a caption fit a video? Upload a clip, type captions, and see which words find which frames.",
        score=score_captions,
    )


def score_captions(request: CaptionRequest) -> Result:
    """Score and explain the captions of one clip.

    Raises:
        VqeError: the clip or a text cannot be scored.
    """
    scorer = EMScore(**request.options)
    with deadline_stopped():  # a model is loaded for all requests to come
        bank = caption_bank_for(scorer)
    scorer = replace(scorer, reference_bank=bank)
    explanations = explain_captions(scorer, request.captions, request.video, references=request.references)
    with timed("score"):
        page = Page.of(explanations, bank)
        return Result(
            page.html(owner=bank is None),
            "emscore",
            page.content(),
            partial(
                plot_captions,
                [explanation.caption for explanation in explanations],
                page.values,
                explanations[0].frames,
                page.headline,
                page.score,
            ),
            request.link,
            request.example is not None,
            dict(zip(request.captions, page.values, strict=True)),
        )


def render_explanations(explanations: list[Explanation]) -> str:
    """Render the results of one video as HTML.

    Args:
        explanations: at least one, in the order typed.
    """
    return Page.of(explanations, None).html()


class Page:
    """Results of one video, and what they are worth.

    Attributes:
        explanations: in the order typed.
        verdicts: of each caption among those of a bank, None where there is none or the model cannot judge.
        ranking: which caption is best, None where fewer than two can be judged.
        warning: why the model cannot judge the clip, None where it can.
        score: name of the score that ranks.
        values: of it, of each caption.
    """

    def __init__(
        self,
        explanations: Sequence[Explanation],
        verdicts: Sequence[Verdict | None],
        ranking: Ranking | None,
        warning: str | None,
        score: str,
    ) -> None:
        self.explanations, self.verdicts, self.ranking, self.warning = explanations, verdicts, ranking, warning
        self.score = score
        self.values = [explanation.scores[score] for explanation in explanations]

    @classmethod
    def of(cls, explanations: Sequence[Explanation], bank: CaptionBank | None) -> Page:
        """Say what results are worth.

        Args:
            explanations: at least one.
            bank: that their percentiles are among.
        """
        first = explanations[0]
        score, warning = first.headline, first.warned(OUT_OF_WORLD)
        captions = [explanation.caption for explanation in explanations]
        judged = [e.warned(UNKNOWN_WORDS) is None and warning is None for e in explanations]
        verdicts: list[Verdict | None] = [None] * len(captions)
        if bank is not None:
            places = [explanation.scores["EMScore(X,V)_caption_percentile"] for explanation in explanations]
            found = caption_verdicts(captions, places, bank)
            verdicts = [verdict if known else None for verdict, known in zip(found, judged, strict=True)]
        margin = None if bank is None else bank.margins.get(score)
        return cls(explanations, verdicts, _ranked(explanations, judged, score, margin), warning, score)

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        if self.warning is not None:
            return "This model cannot judge this clip."
        if len(self.explanations) == 1:
            verdict = self.verdicts[0]
            if verdict is not None:
                return verdict.headline("captions")
            unknown = self.explanations[0].warned(UNKNOWN_WORDS)
            return "No verdict" + (": the model does not know all words." if unknown else ".")
        if self.ranking is None:
            return "No verdict: the model knows the words of fewer than two captions."
        if self.ranking.best is not None:
            return f"Caption {self.ranking.best + 1} fits best."
        numbers = [str(i + 1) for i in self.ranking.close]
        return f"Too close to call: captions {', '.join(numbers[:-1])} and {numbers[-1]}."

    def html(self, *, owner: bool = False) -> str:
        """Render the results.

        Args:
            owner: whether to say how an owner gives a page a bank.
        """
        explanations, first = self.explanations, self.explanations[0]
        score_types = [name for name in SCORE_TYPES if f"{name}_full_F" in first.scores]
        values = [v for e in explanations for name, v in e.scores.items() if name.endswith(("full_F", *DETAIL))]
        return render(
            "emscore",
            explanations=explanations,
            headline=self.headline,
            verdicts=self.verdicts,
            ranking=self.ranking,
            warning=self.warning,
            unknown=[explanation.warned(UNKNOWN_WORDS) for explanation in explanations],
            notes=["; ".join(told) for told in map(_other_notes, explanations)],
            rule=RULE,
            owner=owner,
            plain=PLAIN,
            frame_names=first.frame_names,
            shape=first.frames.shape,
            strip=frame_strip(first.frames),
            score_types=score_types,
            detail=DETAIL,
            metrics=METRICS,
            bars=bar_scale(values),
            gains=gain_scale([word.support for e in explanations for word in e.support if word.support is not None]),
            reasons=REASONS,
            hit_rate=HIT_RATE,
            heat=heat_scale([e.evidence.similarity for e in explanations]),
            chart=_chart(explanations),
            colours=NUM_COLOURS,
            signature=first.signature,
        )

    def content(self) -> Mapping[str, Any]:
        """Return the results as plain values, for JSON."""
        first = self.explanations[0]
        captions = [
            {**e.as_dict(), "verdict": None if v is None else v.headline("captions")}
            for e, v in zip(self.explanations, self.verdicts, strict=True)
        ]
        times = None if first.timestamps is None else first.timestamps.tolist()
        return {"verdict": self.headline, "captions": captions, "timestamps": times, "signature": first.signature}


def _other_notes(explanation: Explanation) -> list[str]:
    """Return the warnings that do not stand beside the verdict already; what words are unknown in short."""
    codes = {warning.code for warning in explanation.warnings}
    short = ["words that the model never saw"] if UNKNOWN_WORDS in codes else []
    told = [str(warning) for warning in explanation.warnings if warning.code not in (OUT_OF_WORLD, UNKNOWN_WORDS)]
    return [*short, *told]


def _ranked(
    explanations: Sequence[Explanation], judged: Sequence[bool], score: str, margin: float | None
) -> Ranking | None:
    """Rank the captions that can be judged; None for fewer than two."""
    numbers = [i for i, known in enumerate(judged) if known]
    if len(numbers) < 2:
        return None
    chosen = [explanations[i] for i in numbers]
    by_frame = [e.over_time(score)[1].tolist() for e in chosen]
    found = rank([e.scores[score] for e in chosen], margin, by_frame)
    best = None if found.best is None else numbers[found.best]
    return replace(found, best=best, close=tuple(numbers[i] for i in found.close))


def _chart(explanations: Sequence[Explanation]) -> TimeChart:
    series = []
    for explanation in explanations:
        times, values = explanation.over_time()
        whole = explanation.scores["EMScore(X,V)_full_F"]
        # frames that were sampled twice are one moment
        moments = dict(zip(times.tolist(), values.tolist(), strict=True))
        series.append(Series(explanation.caption, list(moments), list(moments.values()), whole))
    return time_chart(series, unit="frame" if explanations[0].timestamps is None else "s")
