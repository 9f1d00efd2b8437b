"""Report of scores with what they were computed from: frames, captions, words.

Task: one HTML file that needs nothing else: no script, no request, light and dark, wide and narrow; a summary, then a
fold for each video.
Conventions: times in seconds; scores are cosines; every text is escaped, whoever wrote it.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from vqe_core.errors import InputError
from vqe_core.report.word_alignment import WordEvidence, changed_words, changes, frame_names

SHOWN_METRICS = ("full_F", "figr_P", "figr_R", "figr_F", "cogr")
KIND_NAMES = {
    "right": "right",
    "paraphrase": "right, in other words",
    "foil": "wrong",
    "unrelated": "of another clip",
}
SOUND_METHODS = ("joint space", "tags")
_TEMPLATES = Path(__file__).parents[1] / "templates"


@dataclass(frozen=True, eq=False)
class ReportCaption:
    """Caption with its scores.

    Attributes:
        text: as scored.
        kind: one of ``KIND_NAMES``.
        wrong: names of what it says wrongly.
        scores: by metric (``SHOWN_METRICS``), None or absent where the row has no score.
        evidence: its words against the frames, or None. Shown for the captions that have it.
        note: why there is no score, or what was done to the text.
    """

    text: str
    kind: str
    wrong: tuple[str, ...] = ()
    scores: Mapping[str, float | None] = field(default_factory=dict)
    evidence: WordEvidence | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KIND_NAMES:
            raise InputError(f"kind ({self.kind!r}) must be one of {', '.join(KIND_NAMES)}")

    @property
    def kind_name(self) -> str:
        """Kind in words."""
        return KIND_NAMES[self.kind]


@dataclass(frozen=True, eq=False)
class ReportVideo:
    """Video as the metric saw it.

    Attributes:
        title: for example its file name. Names the video in the summary too, so titles differ.
        frames: uint8 (N, H, W, 3) RGB, the sampled frames in order.
        timestamps: float64 (N,) seconds, or None without a clock.
        captions: what it was scored against; the first of kind ``"right"`` is what the others are compared with.
        soundless: True where it has no audio track.
        note: a line beside the title.
    """

    title: str
    frames: np.ndarray = field(repr=False)
    timestamps: np.ndarray | None
    captions: tuple[ReportCaption, ...]
    soundless: bool = False
    note: str = ""

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
        """Short name of each frame: its time, or its number."""
        return frame_names(self.timestamps, len(self.frames))

    @property
    def right(self) -> ReportCaption | None:
        """Plain right caption, None where there is none."""
        return next((caption for caption in self.captions if caption.kind == "right"), None)


@dataclass(frozen=True)
class ReportSound:
    """Video with its own audio and with another one.

    Attributes:
        title: of the video.
        heard: what a tagger heard in its audio.
        right, shuffled: similarity with its own audio and with another one, by each method of ``SOUND_METHODS``.
    """

    title: str
    heard: str
    right: Sequence[float]
    shuffled: Sequence[float]


@dataclass(frozen=True, eq=False)
class Report:
    """Content of the page.

    Attributes:
        title, intro: head of the page: what was compared.
        videos: shown one below the other.
        signature: everything that can change a score.
        notice: warning under the head, for example about a teaching model; empty for none.
        sounds: how well each audio fits; empty for none.
        environment: what computed the scores, by version; empty for none.
    """

    title: str
    intro: str
    videos: tuple[ReportVideo, ...]
    signature: Mapping[str, Any]
    notice: str = ""
    sounds: tuple[ReportSound, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)

    def scored_captions(self) -> list[ScoredCaption]:
        """Return every caption with its full_F, for the summary."""
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
            cards=[_card(video) for video in report.videos],
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


def _card(video: ReportVideo) -> dict[str, Any]:
    """Return what the template needs of a video beside its fields."""
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
    }


def _marked(caption: ReportCaption, right: ReportCaption | None) -> list[tuple[str, bool]]:
    """Mark the words in which a foil departs from the right caption."""
    if caption.kind != "foil" or right is None:
        return [(caption.text, False)]
    return changed_words(caption.text, right.text)


def _marked_words(caption: ReportCaption, right: ReportCaption | None) -> list[bool]:
    """Mark the words of the evidence in which a foil departs from the right caption."""
    words = caption.evidence.words if caption.evidence is not None else ()
    if caption.kind != "foil" or right is None or right.evidence is None:
        return [False] * len(words)
    ours, theirs = (" ".join(w.text.replace(" ", "") or "·" for w in side) for side in (words, right.evidence.words))
    return [changed for _, changed in changed_words(ours, theirs)]


@dataclass(frozen=True)
class ScoredCaption:
    """Caption of a video, as the summary sees it.

    Attributes:
        video: title of the video that it was scored against.
        kind: ``"right"`` (the plain wording), ``"paraphrase"``, ``"foil"`` or ``"unrelated"``.
        wrong: names of what the caption says wrongly.
        score: a cosine, or None where the row has no score.
    """

    video: str
    kind: str
    wrong: tuple[str, ...]
    score: float | None


@dataclass(frozen=True)
class SeverityRow:
    """Captions with equally many wrong attributes.

    Attributes:
        num_wrong: 0 for right captions.
        values: their scores.
        pairs: pairs of a right caption and one of these, on one video.
        wins: pairs that the right caption won.
    """

    num_wrong: int
    values: tuple[float, ...]
    wins: int
    pairs: int

    @property
    def mean(self) -> float:
        """Mean score."""
        return math.fsum(self.values) / len(self.values)

    @property
    def share(self) -> float | None:
        """Share of pairs won by the right caption; None without pairs. Chance is 0.5."""
        return self.wins / self.pairs if self.pairs else None


@dataclass(frozen=True)
class AttributeRow:
    """Pairs of a right caption and a foil in which only ``attribute`` is wrong."""

    attribute: str
    wins: int
    pairs: int

    @property
    def share(self) -> float:
        """Share of pairs won by the right caption. Chance is 0.5."""
        return self.wins / self.pairs


def summarise_severity(captions: Sequence[ScoredCaption]) -> tuple[SeverityRow, ...]:
    """Group captions by their number of wrong attributes, fewest first; those without a score are left out.

    A pair holds the plain right caption, so that both are worded alike and only the facts differ.
    """
    scored = [c for c in captions if c.score is not None]
    rows = []
    for num_wrong in sorted({len(c.wrong) for c in scored}):
        group = [c for c in scored if len(c.wrong) == num_wrong]
        wins, pairs = _won([c for c in group if c.wrong], scored)
        rows.append(SeverityRow(num_wrong, tuple(c.score for c in group if c.score is not None), wins, pairs))
    return tuple(rows)


def summarise_attributes(captions: Sequence[ScoredCaption]) -> tuple[AttributeRow, ...]:
    """Group captions by the one attribute that is wrong, in the order met."""
    scored = [c for c in captions if c.score is not None]
    singles = [c for c in scored if len(c.wrong) == 1]
    names = dict.fromkeys(c.wrong[0] for c in singles)
    return tuple(AttributeRow(name, *_won([c for c in singles if c.wrong[0] == name], scored)) for name in names)


def _won(foils: Sequence[ScoredCaption], scored: Sequence[ScoredCaption]) -> tuple[int, int]:
    right = {c.video: c.score for c in scored if c.kind == "right"}
    pairs = [(right[foil.video], foil.score) for foil in foils if foil.video in right]
    # A tie is no win: the metric could not tell the two apart.
    return sum(ours > theirs for ours, theirs in pairs if ours is not None and theirs is not None), len(pairs)


HEAT_STEPS = 20
STRONG_HEAT = (17, 12)  # on light, on dark: from this step on, inverted text has the better contrast
LEFT, RIGHT, TOP, BOTTOM = 44.0, 14.0, 14.0, 58.0  # room for the labels, in units of the drawing


@dataclass(frozen=True)
class Scale:
    """Range of scores, so that equal lengths and colours mean equal scores all over the report."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Return the place of ``value``, 0 at ``low`` and 1 at ``high``."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def heat(self, value: float) -> int:
        """Return the place of ``value`` as a whole step, 0 to ``HEAT_STEPS``."""
        return round(HEAT_STEPS * self.share(value))

    def bar(self, value: float) -> tuple[float, float]:
        """Return start and length of a bar from 0 to ``value``, in percent of the track."""
        start, end = sorted((self.share(0.0), self.share(value)))
        return round(100 * start, 1), round(100 * (end - start), 1)


def bar_scale(values: Sequence[float]) -> Scale:
    """Make a scale for bars: it holds 0, and ends at a tenth."""
    return Scale(_floor(min([0.0, *values])), max(0.1, _ceil(max([0.0, *values]))))


def gain_scale(values: Sequence[float]) -> Scale:
    """Make a scale for differences, as large below 0 as above where there is anything below."""
    most = max([0.01, *map(abs, values)])
    return Scale(-most if min([0.0, *values]) < 0 else 0.0, most)


def heat_scale(matrices: Sequence[np.ndarray]) -> Scale:
    """Make a scale for colours, over all cosines of ``matrices``."""
    if not matrices:
        return Scale(0.0, 1.0)
    low, high = min(float(m.min()) for m in matrices), max(float(m.max()) for m in matrices)
    return Scale(low, high if high > low else low + 1.0)


@dataclass(frozen=True)
class Dot:
    """Point of the chart, with its score."""

    x: float
    y: float
    score: float
    num_wrong: int


@dataclass(frozen=True)
class SeverityChart:
    """Chart of scores against number of wrong attributes. All places in units of the drawing, y downwards.

    Attributes:
        width, height: of the drawing.
        dots: one a caption.
        means: one a number of wrong attributes.
        ticks: (y, label) of the score axis.
    """

    width: float
    height: float
    dots: tuple[Dot, ...]
    means: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]

    @property
    def line(self) -> str:
        """Points of the means, for an SVG polyline."""
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.means)

    @property
    def left(self) -> float:
        """Left edge of the plotted area."""
        return LEFT

    @property
    def right(self) -> float:
        """Right edge of the plotted area."""
        return self.width - RIGHT


def severity_chart(rows: Sequence[SeverityRow], *, width: float = 640.0, height: float = 310.0) -> SeverityChart:
    """Lay out the chart of ``rows``, at least one."""
    values = [value for row in rows for value in row.values]
    low, high = _floor(min(values)), _ceil(max(values))
    high = max(high, low + 0.1)
    step = (width - LEFT - RIGHT) / len(rows)

    def place(score: float) -> float:
        return TOP + (height - TOP - BOTTOM) * (high - score) / (high - low)

    dots, means = [], []
    for i, row in enumerate(rows):
        centre = LEFT + step * (i + 0.5)
        means.append(Dot(centre, place(row.mean), row.mean, row.num_wrong))
        for j, value in enumerate(row.values):
            # spread evenly by position, not at random, so that a report of the same scores is the same file
            shift = ((j + 0.5) / len(row.values) - 0.5) * min(step * 0.6, 3.0 * len(row.values))
            dots.append(Dot(centre + shift, place(value), value, row.num_wrong))
    every = 1 if high - low <= 0.6 else 2
    tenths = range(round(low * 10), round(high * 10) + 1, every)
    ticks = tuple((place(tenth / 10), f"{tenth / 10:.1f}") for tenth in tenths)
    return SeverityChart(width, height, tuple(dots), tuple(means), ticks)


def _floor(value: float) -> float:
    return math.floor(round(value * 10, 6)) / 10


def _ceil(value: float) -> float:
    return math.ceil(round(value * 10, 6)) / 10


def frame_strip(frames: np.ndarray, *, height: int = 112) -> str:
    """Join frames, uint8 (N, H, W, 3), side by side into one JPEG ``data:`` URL: stored once, shown at any size."""
    width = max(1, round(frames.shape[2] * height / frames.shape[1]))
    small = [np.asarray(Image.fromarray(f).resize((width, height), Image.Resampling.LANCZOS)) for f in frames]
    buffer = io.BytesIO()
    # no colour subsampling: the shapes are small and their colours are what captions speak of
    Image.fromarray(np.concatenate(small, axis=1)).save(buffer, "JPEG", quality=82, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


@lru_cache(maxsize=1)
def html_environment() -> jinja2.Environment:
    """Load the templates of reports and pages, with every text from outside escaped."""
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
    """Format a score for people: ``0.71``, with a true minus sign, an en dash where there is none.

    Example:
        >>> format_score(0.7149), format_score(-0.031), format_score(None)
        ('0.71', '−0.03', '–')
    """
    if value is None:
        return "–"
    # adding 0.0 turns a rounded -0.0 into 0.0
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")
