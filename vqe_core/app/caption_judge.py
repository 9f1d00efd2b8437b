"""Page of the caption judge: a video and captions in; a model's numbers with its reasons out.

The judge is a model behind an endpoint that the owner names and pays for, so its requests are counted; without one
there is the teaching model.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vqe_core.app.captions import read_captions
from vqe_core.app.charts import NUM_COLOURS, render
from vqe_core.app.inputs import (
    check_clip,
    example_clips,
    example_number,
    frames_at,
    linked_example,
    linked_number,
    open_upload,
)
from vqe_core.app.page import SCORER_LIMITS, TOY, alert, scoring_page
from vqe_core.app.results import Result
from vqe_core.app.stages import ASK, READ
from vqe_core.errors import InputError, ModelError
from vqe_core.report.html import Scale, frame_strip
from vqe_core.report.plots import plot_captions
from vqe_core.report.verdict import Ranking, rank
from vqe_core.report.word_alignment import frame_names
from vqe_core.samplers import cap_positions
from vqe_core.scorers.caption_judge import CaptionJudgeScore
from vqe_core.scorers.report import ScoreReport
from vqe_core.timings import timed

if TYPE_CHECKING:
    from gradio import Blocks

URL, MODEL, DAILY = "VQE_APP_JUDGE_URL", "VQE_APP_JUDGE_MODEL", "VQE_APP_JUDGE_DAILY"
DEFAULT_DAILY = 200  # captions that strangers may have judged a day, each a request that the owner pays for
MOST_JUDGED = 4  # captions of one request
FRAMES = (1, 16, 8)  # least, most, default
PROMPTS = ("zero-shot", "vc-inspector")
STEP = 0.05  # half a point of ten, the finest step in which judges answer
WHY = "a judge answers in points or halves of ten, so a lead counts above half a point (0.05)"
NO_JUDGE = "This page has no judge."
NO_JUDGE_HERE = (
    "A caption judge is a large model behind an address, and the owner of this page names none. Choose the toy judge "
    "for drawn clips, or EMScore and CLIPScore, which need no such model."
)
NO_JUDGE_OWNER = (
    f"Set {URL} and {MODEL} to an OpenAI-compatible endpoint and a model that sees pictures, and OPENAI_API_KEY as a "
    f"secret. {DAILY} limits the captions a day (default {DEFAULT_DAILY}): each is a request that you pay for."
)
_DAY = 86_400.0


@dataclass
class Allowance:
    """Requests that are left of a day.

    Attributes:
        left: of the day that began at ``since`` (seconds of a monotonic clock).
    """

    left: int = 0
    since: float = float("-inf")

    def take(self, count: int, daily: int, now: float | None = None) -> bool:
        """Take some, or none where fewer are left; a new day begins with ``daily``.

        Example:
            >>> allowance = Allowance()
            >>> allowance.take(2, daily=3, now=0), allowance.take(2, daily=3, now=5), allowance.take(2, 3, now=90_000)
            (True, False, True)
        """
        now = time.monotonic() if now is None else now
        with _COUNTING:
            if now - self.since >= _DAY:
                self.left, self.since = daily, now
            if count > self.left:
                return False
            self.left -= count
            return True


_COUNTING = threading.Lock()
_ALLOWANCE = Allowance()


def caption_judge_page(card: Path) -> Blocks:
    """Build the page; ``card`` is the README.md of the Space, shown under the form."""
    return scoring_page(
        card,
        title="Caption judge",
        question="Does a caption fit a video? Upload a clip, type captions, and read what a model says of them.",
        **caption_judge_parts(),
    )


def caption_judge_parts() -> dict[str, Any]:
    """Return the parts of the page, for ``scoring_page``."""
    judges = allowed_judges()
    return {
        "waits_for": "captions",
        "form": lambda gr: _form(gr, judges),
        "examples": _examples,
        "score": partial(judge_captions, judges),
        "stages": (READ, ASK),
        "restore": lambda query: restored(judges, query),
    }


def allowed_judges() -> dict[str, str]:
    """Return the judges that visitors may choose, by the name they see; the first is the default."""
    named = os.environ.get(MODEL, "the owner's model")
    endpoint = {f"{named}, at the owner's endpoint": "endpoint"}
    toy = {"Toy (for teaching, shapes only)": TOY}
    return {**endpoint, **toy} if os.environ.get(URL) else {**toy, "A large model": "endpoint"}


def restored(judges: Mapping[str, str], query: Mapping[str, str]) -> list[Any]:
    """Return the values of the form that a link names, None for each that it does not.

    Example:
        >>> restored({"Toy": "toy"}, {"captions": "a star", "prompt": "vc-inspector"})
        [None, 'a star', None, None, 'vc-inspector', None]
    """
    judge, prompt = query.get("judge"), query.get("prompt")
    frames = linked_number(query, "frames", *FRAMES[:2])
    return [
        linked_example(query),
        query.get("captions"),
        query.get("references"),
        judge if judge in judges.values() else None,
        prompt if prompt in PROMPTS else None,
        None if frames is None else int(frames),
    ]


def judge_captions(
    judges: Mapping[str, str],
    video: str | None,
    captions: str | None,
    references: str | None,
    judge: str | None,
    prompt: str | None,
    frames: float,
) -> Result | str:
    """Have the captions of one clip judged.

    Args:
        judges: that may be chosen, by the name shown.
        video: path of the upload.
        captions, references: as typed, one a line.
        judge: one of ``judges``.
        prompt: one of ``PROMPTS``.
        frames: how many the judge is shown.

    Returns:
        The result, or HTML that says what is missing.

    Raises:
        VqeError: the clip or a caption cannot be judged.
    """
    read = read_captions(video, captions, references, most=MOST_JUDGED)
    if isinstance(read, str):
        return read
    video, texts, given = read
    if judge is None or judge not in judges.values() or prompt is None or prompt not in PROMPTS:
        raise InputError(f"The judge must be one of {', '.join(judges)}, the prompt one of {', '.join(PROMPTS)}.")
    if judge == "endpoint" and not os.environ.get(URL):
        return alert(NO_JUDGE, NO_JUDGE_HERE, NO_JUDGE_OWNER)
    check_clip(video)
    scorer = scorer_of(judge, prompt, int(frames))
    if judge == "endpoint" and not _ALLOWANCE.take(len(texts), daily_limit()):
        return alert(
            "The judge has answered enough for today.",
            "Its owner pays for each answer. Come back tomorrow, or choose the toy judge for drawn clips.",
            f"{DAILY} limits the captions a day.",
        )
    with timed("ask"):
        report = scorer.score(
            predictions=texts, videos=[video] * len(texts), references=[given] * len(texts) if given else None
        )
    example = example_number(video)
    link = {
        "example": str(example or ""),
        "captions": "\n".join(texts),
        "references": "\n".join(given),
        "judge": judge,
        "prompt": prompt,
        "frames": str(int(frames)),
    }
    return _result(texts, report, scorer, video, link, restored=example is not None)


def scorer_of(judge: str, prompt: str, frames: int) -> CaptionJudgeScore:
    """Make the scorer of a judge that may be chosen."""
    options: dict[str, Any] = {"frame_num": frames, **SCORER_LIMITS}
    if judge == TOY:
        return CaptionJudgeScore(judge=TOY, **options)
    asked: dict[str, Any] = {"api_url": os.environ[URL], "model_name": os.environ.get(MODEL), "judge_prompt": prompt}
    return CaptionJudgeScore(**asked, max_workers=MOST_JUDGED, timeout=30.0, retries=1, keep_answers=False, **options)


def daily_limit() -> int:
    """Return how many captions a day the owner pays for.

    Raises:
        ModelError: the variable holds no whole number.
    """
    given = os.environ.get(DAILY, str(DEFAULT_DAILY))
    if not given.isdecimal():
        raise ModelError(f"{DAILY} ({given!r}) must be a whole number of captions a day")
    return int(given)


def _result(
    texts: Sequence[str],
    report: ScoreReport,
    scorer: CaptionJudgeScore,
    video: str,
    link: Mapping[str, str],
    *,
    restored: bool,
) -> Result:
    values, reasons = report.rows["caption_judge"], report.details["caption_judge_reason"]
    frames, moments = _shown(video, scorer)
    strange = scorer.judge == TOY and any("cannot judge this clip" in str(reason) for reason in reasons)
    warning = str(reasons[0]).partition("; ")[2] if strange else None
    shown = [str(reason).partition("; ")[0] for reason in reasons] if strange else reasons
    best = rank(values, STEP) if len(texts) > 1 and not strange else None
    if best is not None:
        best = Ranking(best.best, best.close, STEP, WHY)
    title = "This model cannot judge this clip." if strange else headline(values, best)
    html = render(
        "caption_judge",
        captions=list(zip(texts, values, shown, report.messages, strict=True)),
        warning=warning,
        headline=title,
        best=best,
        bars=Scale(0.0, 1.0),
        frame_names=frame_names(moments, len(frames)),
        shape=frames.shape,
        strip=frame_strip(frames),
        colours=NUM_COLOURS,
        signature=report.signature,
    )
    rows = [
        {"caption": text, "caption_judge": value, "reason": reason}
        for text, value, reason in zip(texts, values, reasons, strict=True)
    ]
    content = {"verdict": title, "captions": rows, "signature": report.signature}
    picture = partial(plot_captions, texts, values, frames, title, "caption_judge, from 0 to 1")
    return Result(html, "caption_judge", content, picture, link, restored, dict(zip(texts, values, strict=True)))


def headline(values: Sequence[float], best: Ranking | None) -> str:
    """Return the verdict in one sentence."""
    if best is None:
        return f"The judge gives {values[0]:.2f} of 1."
    if best.best is not None:
        return f"Caption {best.best + 1} fits best, the judge says."
    numbers = [str(i + 1) for i in best.close]
    return f"Too close to call: captions {', '.join(numbers[:-1])} and {numbers[-1]}."


def _shown(video: str, scorer: CaptionJudgeScore) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames that the judge was shown, small, and when each begins."""
    with open_upload(video) as opened:
        positions, _ = cap_positions(scorer.frame_sampler.select(opened.table), scorer.max_frames)
        times = opened.table.timestamps[np.unique(positions)]
    return frames_at(video, times)


def _form(gr: Any, judges: Mapping[str, str]) -> list[Any]:
    video = gr.Video(label="Video", sources=["upload"], include_audio=True, elem_id="video", height=260)
    captions = gr.Textbox(
        label=f"Captions, one a line, at most {MOST_JUDGED}", lines=3, max_lines=8, elem_id="captions"
    )
    references = gr.Textbox(
        label="Reference captions, one a line (optional)", lines=2, max_lines=6, elem_id="references"
    )
    judge = gr.Dropdown(list(judges.items()), value=next(iter(judges.values())), label="Judge", elem_id="judge")
    prompt = gr.Dropdown(list(PROMPTS), value=PROMPTS[0], label="What the model is told", elem_id="prompt")
    least, most, default = FRAMES
    frames = gr.Slider(least, most, value=default, step=1, label="Frames", elem_id="frames")
    return [video, captions, references, judge, prompt, frames]


def _examples(gr: Any, form: list[Any]) -> None:
    rows, names = [], []
    for path, clip in example_clips():
        right, foils = clip.captions(2), clip.foils()
        rows.append([path, "\n".join([right[0], foils[1].text, foils[-1].text]), "", TOY, PROMPTS[0], FRAMES[2]])
        names.append(right[0])
    gr.Examples(rows, form, label="Examples, for the toy judge", example_labels=names, api_visibility="private")
