"""A page that shows scores with what they were computed from: frames, captions, words.

Task: one HTML file that needs nothing else: no script, no request, light and dark, wide and narrow.
Conventions: times in seconds; scores are cosines; every text is escaped, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from vqe_core.errors import InputError
from vqe_core.report_chart import (
    HEAT_STEPS,
    STRONG_HEAT,
    bar_scale,
    frame_strip,
    heat_scale,
    severity_chart,
)
from vqe_core.report_evidence import WordEvidence, changed_words, changes, frame_names
from vqe_core.report_summary import ScoredCaption, summarise_attributes, summarise_severity

SHOWN_METRICS = ("full_F", "figr_P", "figr_R", "figr_F", "cogr")
KIND_NAMES = {
    "right": "right",
    "paraphrase": "right, in other words",
    "foil": "wrong",
    "unrelated": "of another clip",
}
_TEMPLATES = Path(__file__).parent / "templates"
_OPEN_CARDS = 2  # how many videos show their words at once; the others on a click


@dataclass(frozen=True, eq=False)
class ReportCaption:
    """A caption with its scores.

    Attributes:
        text: as scored.
        kind: one of ``KIND_NAMES``.
        wrong: names of what it says wrongly.
        scores: by metric (``SHOWN_METRICS``), None or absent where the row has no score.
        evidence: its words against the frames, or None. Shown for the captions that have it.
        remark: why there is no score, or what was done to the text.
    """

    text: str
    kind: str
    wrong: tuple[str, ...] = ()
    scores: Mapping[str, float | None] = field(default_factory=dict)
    evidence: WordEvidence | None = None
    remark: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KIND_NAMES:
            raise InputError(f"kind ({self.kind!r}) must be one of {', '.join(KIND_NAMES)}")

    @property
    def kind_name(self) -> str:
        """The kind in words."""
        return KIND_NAMES[self.kind]


@dataclass(frozen=True, eq=False)
class ReportVideo:
    """A video as the metric saw it.

    Attributes:
        title: for example its file name. Names the video in the summary too, so titles differ.
        frames: uint8 (N, H, W, 3) RGB, the sampled frames in order.
        timestamps: float64 (N,) seconds, or None without a clock.
        captions: what it was scored against; the first of kind ``"right"`` is what the others are compared with.
        soundless: whether it has no sound track.
        remark: a line beside the title.
    """

    title: str
    frames: np.ndarray = field(repr=False)
    timestamps: np.ndarray | None
    captions: tuple[ReportCaption, ...]
    soundless: bool = False
    remark: str = ""

    def __post_init__(self) -> None:
        if self.frames.dtype != np.uint8 or self.frames.ndim != 4 or self.frames.shape[-1] != 3 or not len(self.frames):
            raise InputError(
                f"frames must be uint8 (N, H, W, 3) RGB with N >= 1, got {self.frames.dtype} {self.frames.shape}"
            )
        columns = [len(c.evidence.best_of_frame) for c in self.captions if c.evidence is not None]
        columns += [] if self.timestamps is None else [len(self.timestamps)]
        if any(n != len(self.frames) for n in columns):
            raise InputError(f"timestamps and evidence must have one entry for each of {len(self.frames)} frames")

    @property
    def frame_names(self) -> list[str]:
        """A short name a frame: its time, or its number."""
        return frame_names(self.timestamps, len(self.frames))

    @property
    def right(self) -> ReportCaption | None:
        """The plain right caption."""
        return next((caption for caption in self.captions if caption.kind == "right"), None)


@dataclass(frozen=True)
class ReportSound:
    """A video with its own sound and with another one.

    Attributes:
        title: of the video.
        heard: what a tagger heard in its sound.
        right, shuffled: similarity with its own sound and with another one, by each method of ``SOUND_METHODS``.
    """

    title: str
    heard: str
    right: Sequence[float]
    shuffled: Sequence[float]


SOUND_METHODS = ("joint space", "tags")


@dataclass(frozen=True, eq=False)
class Report:
    """What the page says.

    Attributes:
        title, intro: the head of the page: what was compared.
        videos: one card each.
        signature: everything that can change a score.
        notice: a warning under the head, for example about a teaching model; empty for none.
        sounds: how the sounds fit; empty for none.
    """

    title: str
    intro: str
    videos: tuple[ReportVideo, ...]
    signature: Mapping[str, Any]
    notice: str = ""
    sounds: tuple[ReportSound, ...] = ()

    def scored_captions(self) -> list[ScoredCaption]:
        """Every caption with its full_F, for the summary."""
        return [
            ScoredCaption(video.title, caption.kind, caption.wrong, caption.scores.get("full_F"))
            for video in self.videos
            for caption in video.captions
        ]


def render_report(report: Report) -> str:
    """Render a report as one self-contained HTML page.

    Args:
        report: what to show. Texts may be anything; they are escaped.

    Returns:
        HTML. The same report gives the same text.
    """
    captions = report.scored_captions()
    severity = summarise_severity(captions)
    shown = [caption for video in report.videos for caption in video.captions]
    values = [v for c in shown for name in SHOWN_METRICS if (v := c.scores.get(name)) is not None]
    evidence = [caption.evidence for caption in shown if caption.evidence is not None]
    return (
        html_environment()
        .get_template("report.html")
        .render(
            report=report,
            cards=[_card(video, i < _OPEN_CARDS) for i, video in enumerate(report.videos)],
            severity=severity,
            attributes=summarise_attributes(captions),
            chart=severity_chart(severity) if severity else None,
            metrics=SHOWN_METRICS,
            bars=bar_scale(values),
            heat=heat_scale([e.similarity for e in evidence]),
            heat_steps=HEAT_STEPS,
            strong_heat=STRONG_HEAT,
            sound_methods=SOUND_METHODS,
        )
    )


def _card(video: ReportVideo, is_open: bool) -> dict[str, Any]:
    """What the template needs of a video beside its fields."""
    right = video.right
    return {
        "video": video,
        "strip": frame_strip(video.frames),
        "captions": [(caption, _marked(caption, right)) for caption in video.captions],
        "explained": [(caption, _marked_words(caption, right)) for caption in video.captions if caption.evidence],
        "changes": [
            (caption, changes(right.evidence, caption.evidence))
            for caption in video.captions
            if caption.kind == "foil" and caption.evidence and right is not None and right.evidence
        ],
        "open": is_open,
    }


def _marked(caption: ReportCaption, right: ReportCaption | None) -> list[tuple[str, bool]]:
    """Words of a caption, marked where a foil departs from the right caption."""
    if caption.kind != "foil" or right is None:
        return [(caption.text, False)]
    return changed_words(caption.text, right.text)


def _marked_words(caption: ReportCaption, right: ReportCaption | None) -> list[bool]:
    """For each word of the evidence, whether it departs from the right caption."""
    words = caption.evidence.words if caption.evidence is not None else ()
    if caption.kind != "foil" or right is None or right.evidence is None:
        return [False] * len(words)
    ours, theirs = (" ".join(w.text.replace(" ", "") or "·" for w in side) for side in (words, right.evidence.words))
    return [changed for _, changed in changed_words(ours, theirs)]


@lru_cache(maxsize=1)
def html_environment() -> jinja2.Environment:
    """Templates of reports and pages, with every text from outside escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,  # captions and paths come from anywhere
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = format_score
    environment.filters["cell"] = lambda value: format_score(value).replace("0.", ".", 1)
    return environment


def format_score(value: float | None, digits: int = 2) -> str:
    """A score for people: ``0.71``, with a true minus sign, an en dash where there is none.

    Example:
        >>> format_score(0.7149), format_score(-0.031), format_score(None)
        ('0.71', '−0.03', '–')
    """
    if value is None:
        return "–"
    # adding 0.0 turns a rounded -0.0 into 0.0
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")
