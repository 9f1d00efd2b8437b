"""The demo: clips of the toy world, right and wrong captions, their EMScore, and a page to look at.

It runs the real path, from mp4 files to scores, with a teaching model that knows coloured shapes only.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vqe_core.embed import show_progress
from vqe_core.errors import InputError
from vqe_core.functional.emscore import METRICS
from vqe_core.options import Method
from vqe_core.report.explain import look_at_video
from vqe_core.report.html import (
    AttributeRow,
    Report,
    ReportCaption,
    ReportSound,
    ReportVideo,
    ScoredCaption,
    SeverityRow,
    format_score,
    render_report,
    summarise_attributes,
    summarise_severity,
)
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.scorers.report import ScoreReport, report_to_columns
from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity
from vqe_core.tables import write_table, write_whole
from vqe_core.toy.clips import ToyClip, make_clip, write_clip
from vqe_core.toy.wordings import DemoCaption, demo_captions, explained_captions
from vqe_core.toy.world import sample_attributes

METHODS: tuple[Method, ...] = ("joint", "tags")
SCORE_TYPE = "EMScore(X,V)"
TEACHING_MODEL = (
    "The scores come from the toy model, a teaching model that knows nothing but coloured shapes. They show how the "
    "metric behaves. They say nothing about real videos, and a real CLIP has another scale."
)
INTRO = (
    "{captions} captions of {clips} drawn clips, scored with EMScore: right captions, captions with one to five things "
    "wrong, and captions of another clip. Each clip has a colour and a shape that training never put together."
)

PACKAGES = ("torch", "transformers", "av", "numpy")
# What the demo writes, the page to look at first.
FILES = (
    "report.html",
    "summary.json",
    "emscore.parquet",
    "video_audio_similarity.parquet",
    "rows.jsonl",
    "clips",
)


@dataclass(frozen=True)
class DemoResult:
    """Result of the demo.

    Attributes:
        out: the folder, with the files named below and ``clips/*.mp4``.
        sounds: right against shuffled sound, by each method.
        severity, attributes: full_F by number of wrong attributes, and pairs won by attribute.
        num_clips, num_rows, num_failed: clips, captions scored, and those of them without a score.
        seconds: from start to the page.
    """

    out: Path
    severity: tuple[SeverityRow, ...] = field(repr=False)
    attributes: tuple[AttributeRow, ...] = field(repr=False)
    sounds: tuple[SoundMethod, ...] = field(repr=False)
    num_clips: int
    num_rows: int
    num_failed: int
    seconds: float


def run_demo(
    out: str | os.PathLike[str], *, num_clips: int = 8, seed: int = 0, progress: bool | None = None
) -> DemoResult:
    """Make clips, score right and wrong captions of them, and write a table, a summary and a page.

    Every file appears whole or not at all, the page last.

    Args:
        out: folder to write into; it is made.
        num_clips: at least 1.
        seed: non-negative; the same seed gives the same clips, captions, scores and page.
        progress: bars: always (True), never (False), or on a terminal only (None).

    Raises:
        InputError: a number out of range.
    """
    for name, value, least in (("num_clips", num_clips, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{name} ({value!r}) must be a whole number of at least {least}")
    begun = time.perf_counter()
    run = _score_clips(Path(out), num_clips, seed, progress)
    page = render_report(_make_report(run))
    write_table(run.out / "rows.jsonl", run.columns())
    scored = {**run.columns(), **report_to_columns(run.scores, run.scorer)}
    environments = {"emscore": run.scores.environment}
    write_table(run.out / "emscore.parquet", scored, run.scores.signature, environments=environments)
    result = _summarise(run, time.perf_counter() - begun)
    text = json.dumps(_summary(run, result, seed), indent=2, ensure_ascii=False) + "\n"
    write_whole(run.out / "summary.json", lambda path: path.write_text(text, encoding="utf-8"))
    write_whole(run.out / "report.html", lambda path: path.write_text(page, encoding="utf-8"))
    return result


def format_table(result: DemoResult) -> str:
    """Format the result for the command line: scores by how much is wrong, and where the files are."""
    lines = [f"{'caption':<18}{'captions':>9}{'mean full_F':>13}{'right one wins':>20}"]
    for row in result.severity:
        label = f"{row.num_wrong} wrong" if row.num_wrong else "right"
        won = "" if row.share is None else f"{row.wins} of {row.pairs} ({row.share:.0%})"
        lines.append(f"{label:<18}{len(row.values):>9}{format_score(row.mean):>13}{won:>20}".rstrip())
    scored = f"{result.num_rows - result.num_failed} of {result.num_rows} captions of {result.num_clips} clips scored"
    files = [f"  {result.out / name}" for name in FILES]
    lines += ["", format_sounds(result.sounds)]
    return "\n".join([*lines, "", TEACHING_MODEL, f"{scored} in {result.seconds:.1f} s. Open the first of:", *files])


@dataclass(frozen=True)
class SoundMethod:
    """Similarities of one method for all clips.

    Attributes:
        name: of the method.
        right, shuffled: similarity of each clip with its own sound, and with the next clip's.
        percentile: of each own sound among the sounds of the other clips.
        tags: labels heard in each clip's sound, "" by other methods.
        numbers: of the call with the own sounds: gap, auc and the others.
        signature: of that call.
    """

    name: str
    right: tuple[float, ...]
    shuffled: tuple[float, ...]
    percentile: tuple[float, ...]
    tags: tuple[str, ...]
    numbers: dict[str, Any] = field(repr=False)
    signature: dict[str, Any] = field(repr=False)

    @property
    def wins(self) -> int:
        """Clips whose own sound beats the shuffled one."""
        return sum(own > other for own, other in zip(self.right, self.shuffled, strict=True))


def score_sounds(out: Path, names: Sequence[str], *, progress: bool | None = None) -> tuple[SoundMethod, ...]:
    """Compare each clip with its own track and with the next clip's, and write ``video_audio_similarity.parquet``.

    Args:
        out: folder of the demo.
        names: paths of the clips below it.
        progress: bars.
    """
    videos = [str(out / name) for name in names]
    shuffled = [*names[1:], names[0]]
    columns: dict[str, list[Any]] = {}
    methods = []
    for name in METHODS:
        scorer = VideoAudioSimilarity(hf_clip="toy", method=name, progress=progress)
        own = scorer.score(videos=videos)
        other = scorer.score(videos=videos, audios=[str(out / path) for path in shuffled])
        methods.append(_method(name, own, other))
        for kind, sounds, report in (("right", names, own), ("shuffled", shuffled, other)):
            about = {"video_path": names, "audio_path": sounds}
            about |= {column: [value] * len(names) for column, value in (("kind", kind), ("method", name))}
            scored = report_to_columns(report, scorer)
            for column, values in {"tags": [None] * len(names), **about, **scored}.items():
                columns.setdefault(column, []).extend(list(values))
    known = {column: values for column, values in columns.items() if column != "logit"}
    write_table(out / "video_audio_similarity.parquet", known)
    return tuple(methods)


def format_sounds(methods: Sequence[SoundMethod]) -> str:
    """Format the table of sounds for the command line."""
    lines = [f"{'sound':<18}{'right':>9}{'shuffled':>13}{'right one wins':>20}"]
    for method in methods:
        means = [math.fsum(values) / len(values) for values in (method.right, method.shuffled)]
        won = f"{method.wins} of {len(method.right)}"
        lines.append(f"{method.name:<18}{means[0]:>9.2f}{means[1]:>13.2f}{won:>20}")
    return "\n".join(lines)


def _method(name: str, own: Any, other: Any) -> SoundMethod:
    heard = own.details.get("tags", [None] * own.num_rows)
    return SoundMethod(
        name=name,
        right=tuple(own.rows["similarity"]),
        shuffled=tuple(other.rows["similarity"]),
        percentile=tuple(own.rows["percentile"]),
        tags=tuple(", ".join(tag["label"] for tag in (tags or [])[:2]) for tags in heard),
        numbers=own.calibration,
        signature=own.signature,
    )


@dataclass(frozen=True, eq=False)
class _Run:
    """Everything scored: ``names`` are the clips' paths below ``out``."""

    out: Path
    clips: list[ToyClip]
    names: list[str]
    captions: list[DemoCaption]
    scorer: EMScore
    scores: ScoreReport
    sounds: tuple[SoundMethod, ...]

    def metric(self, name: str) -> list[float | None]:
        """Return a score of each caption, None where it has none."""
        column = self.scores.rows[f"{SCORE_TYPE}_{name}"]
        return [None if math.isnan(value) else value for value in column]

    def columns(self) -> dict[str, list[Any]]:
        """Return the columns that identify the rows of the table."""
        return {
            "video_path": [self.names[c.clip] for c in self.captions],
            "candidate": [c.text for c in self.captions],
            "kind": [c.kind for c in self.captions],
            "wrong": [list(c.wrong) for c in self.captions],
            "num_wrong": [len(c.wrong) for c in self.captions],
        }


def _score_clips(out: Path, num_clips: int, seed: int, progress: bool | None) -> _Run:
    (out / "clips").mkdir(parents=True, exist_ok=True)
    names = [f"clips/clip_{i:02d}.mp4" for i in range(num_clips)]
    clips = []
    for i, name in show_progress(list(enumerate(names)), "clips", num_clips, progress):
        # two events in every third, where words find different frames; pairs of colour and shape never trained on
        events, rng = 1 if i % 3 else 2, np.random.default_rng([seed, i])
        clip = make_clip(1000 * seed + i, attributes=sample_attributes(rng, events=events, heldout="only"))
        write_whole(out / name, partial(write_clip, clip))
        clips.append(clip)
    captions = [entry for i, clip in enumerate(clips) for entry in demo_captions(i, clip, seed)]
    scorer = EMScore(clip_model_path="toy", progress=progress, on_error="skip")
    videos = [str(out / names[entry.clip]) for entry in captions]
    scores = scorer.score(predictions=[entry.text for entry in captions], videos=videos)
    sounds = score_sounds(out, names, progress=progress)
    return _Run(out, clips, names, captions, scorer, scores, sounds)


def _summarise(run: _Run, seconds: float) -> DemoResult:
    full = run.metric("full_F")
    scored = [ScoredCaption(run.names[c.clip], c.kind, c.wrong, v) for c, v in zip(run.captions, full, strict=True)]
    return DemoResult(
        out=run.out,
        severity=summarise_severity(scored),
        attributes=summarise_attributes(scored),
        sounds=run.sounds,
        num_clips=len(run.clips),
        num_rows=run.scores.num_rows,
        num_failed=run.scores.num_failed,
        seconds=round(seconds, 2),
    )


def _make_report(run: _Run) -> Report:
    by_metric = {name: run.metric(name) for name in METRICS}
    videos = []
    for i, name in enumerate(run.names):
        rows = [row for row, entry in enumerate(run.captions) if entry.clip == i]
        explained = explained_captions([run.captions[row] for row in rows], i)
        seen = look_at_video(run.scorer, str(run.out / name), explained)
        captions = []
        for row, entry in ((row, run.captions[row]) for row in rows):
            scores = {metric: values[row] for metric, values in by_metric.items()}
            evidence, message = seen.evidence.get(entry.text), run.scores.messages[row]
            captions.append(ReportCaption(entry.text, entry.kind, entry.wrong, scores, evidence, message))
        heard = f"its sound, which EMScore does not hear: {run.clips[i].sound_caption()}"
        videos.append(ReportVideo(name, seen.frames, seen.timestamps, tuple(captions), note=heard))
    intro = INTRO.format(captions=len(run.captions), clips=len(run.clips))
    return Report(
        "Does the caption fit the video?",
        intro,
        tuple(videos),
        run.scores.signature,
        TEACHING_MODEL,
        tuple(
            ReportSound(name, heard, [m.right[i] for m in run.sounds], [m.shuffled[i] for m in run.sounds])
            for i, (name, heard) in enumerate(zip(run.names, run.sounds[-1].tags, strict=True))
        ),
        run.scores.environment,
    )


def _summary(run: _Run, result: DemoResult, seed: int) -> dict[str, Any]:
    by_metric = {name: run.metric(name) for name in METRICS}
    severity = []
    for row in result.severity:
        chosen = [i for i, c in enumerate(run.captions) if len(c.wrong) == row.num_wrong]
        known = {name: [v for i in chosen if (v := values[i]) is not None] for name, values in by_metric.items()}
        means = {name: math.fsum(values) / len(values) for name, values in known.items()}
        counts = {"captions": len(row.values), "wins": row.wins, "pairs": row.pairs, "share": row.share}
        severity.append({"num_wrong": row.num_wrong, **counts, "mean": means})
    return {
        "note": TEACHING_MODEL,
        "seed": seed,
        **{name: getattr(result, name) for name in ("num_clips", "num_rows", "num_failed", "seconds")},
        "severity": severity,
        "attributes": [{**asdict(row), "share": row.share} for row in result.attributes],
        "sounds": {m.name: {"wins": m.wins, "signature": m.signature, **m.numbers} for m in run.sounds},
        "signature": run.scores.signature,
        "environment": run.scores.environment,
    }
