"""Page of all metrics side by side: one clip and its captions in; what each metric says, out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from vqe_core.app import caption_judge, clip_score, emscore, video_audio
from vqe_core.app.captions import CaptionRequest, caption_parts
from vqe_core.app.charts import NUM_COLOURS, render
from vqe_core.app.page import TOY, plain_words, scoring_page
from vqe_core.app.results import Result
from vqe_core.app.stages import ASK, LISTEN, LOOK, READ, SCORE
from vqe_core.errors import InternalError, VqeError

if TYPE_CHECKING:
    from gradio import Blocks

STAGES = (READ, LOOK, SCORE, ASK, LISTEN)


@dataclass(frozen=True, eq=False)
class Answer:
    """Answer of one metric.

    Attributes:
        metric: its name for people.
        question: that it answers.
        result: None where it has none.
        why: why not, empty where it has one.
    """

    metric: str
    question: str
    result: Result | None
    why: str = ""

    @property
    def verdict(self) -> str:
        """The verdict in one sentence, or why there is none."""
        return self.why if self.result is None else str(self.result.content["verdict"])


def side_by_side_page(card: Path) -> Blocks:
    """Build the page; ``card`` is the README.md of the Space, shown under the form."""
    parts = {**caption_parts(score_by_all), "stages": STAGES}
    return scoring_page(
        card,
        title="Video metrics side by side",
        question="Do caption and sound fit a video? Upload a clip, type captions, and see what every metric says.",
        **parts,
    )


def score_by_all(request: CaptionRequest) -> Result:
    """Score one clip and its captions by every metric; one that cannot says why, and costs no other.

    Raises:
        InternalError: a fault of ours.
    """
    model = str(request.options["clip_model_path"])
    with TemporaryDirectory(prefix="vqe-side-by-side-") as folder:  # the second metric finds the embeddings there
        kept = replace(request, options={**request.options, "cache_dir": folder})
        answers = [
            asked("EMScore", "word by word", lambda: emscore.score_captions(kept)),
            asked("CLIPScore", "as a whole", lambda: clip_score.score_captions(kept)),
            asked("Caption judge", "what a model says", lambda: _judged(request, model)),
            asked("Video-audio similarity", "does the sound fit?", lambda: _heard(request, model)),
        ]
    numbered = {
        answer.metric: answer.result.by_caption for answer in answers if answer.result and answer.result.by_caption
    }
    html = render(
        "side_by_side",
        captions=request.captions,
        numbered=numbered,
        colours=NUM_COLOURS,
        answers=answers,
        inner=[Markup(a.result.html) if a.result else None for a in answers],
    )
    content = {
        answer.metric: {"verdict": answer.why} if answer.result is None else answer.result.content for answer in answers
    }
    drawn = next((answer.result.picture for answer in answers if answer.result is not None), None)
    return Result(html, "side_by_side", content, drawn, request.link, request.example is not None)


def asked(metric: str, question: str, score: Callable[[], Result | str]) -> Answer:
    """Ask one metric.

    Args:
        metric: its name for people.
        question: that it answers.
        score: gives its result, or in plain words why there is none.
    """
    try:
        found = score()
    except InternalError:
        raise
    except VqeError as error:
        headline, detail = plain_words(error)
        return Answer(metric, question, None, f"{headline} {detail}")
    return Answer(metric, question, None, found) if isinstance(found, str) else Answer(metric, question, found)


def _judged(request: CaptionRequest, model: str) -> Result | str:
    judge = "endpoint" if os.environ.get(caption_judge.URL) else TOY
    if judge == TOY and model != TOY:
        return "Not asked: this page has no judge but the toy one, which knows drawn clips only."
    if len(request.captions) > caption_judge.MOST_JUDGED:
        return f"Not asked: a judge is asked about at most {caption_judge.MOST_JUDGED} captions at a time."
    judges: Mapping[str, str] = {"judge": judge}
    texts = "\n".join(request.captions), "\n".join(request.references or [])
    found = caption_judge.judge_captions(judges, request.video, *texts, judge, caption_judge.PROMPTS[0], 8)
    return found if isinstance(found, Result) else "Not asked: the judge has answered enough for today."


def _heard(request: CaptionRequest, model: str) -> Result | str:
    models = {"model": model}
    score: Any = partial(video_audio.score_audio, models, request.video, None, None, "auto", model)
    found: Result | str = score(video_audio.WINDOW[2])
    return found
