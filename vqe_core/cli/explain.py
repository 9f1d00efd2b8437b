"""``vqe explain``: why did these captions of a clip score as they did?"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vqe_core.cli.logs import quiet_libraries
from vqe_core.cli.metric_options import add_options

if TYPE_CHECKING:
    from vqe_core.report.explain import Explanation
    from vqe_core.report.word_support import WordSupport

DETAIL = ("figr_P", "figr_R", "figr_F", "cogr")
BLOCKS = "▁▂▃▄▅▆▇█"
MARK, PLAIN = "\033[1;4;31m", "\033[0m"
NAMED = 24  # letters of a word in the table
# An explanation needs all scores, of one clip; a table's columns and rows that fail are no matter here.
_NOT_HERE = {"metrics", "score_types", "return_all_frames", "on_error", "progress"}


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command, and where it is asked for the options of EMScore."""
    summary = "show which words of a caption a clip speaks for, which against, and where"
    explain = commands.add_parser("explain", parents=[common], help=summary, description=summary.capitalize())
    if "explain" not in arguments:
        return
    explain.add_argument("video", metavar="VIDEO", help="a video file")
    explain.add_argument("--caption", action="append", required=True, metavar="TEXT", help="repeat it for several")
    explain.add_argument("--reference", action="append", metavar="TEXT", help="a reference caption, repeatable")
    explain.add_argument("--html", metavar="FILE", help="write a page with the frames, which needs no other file")
    explain.add_argument(
        "--format", choices=("text", "json"), default="text", help="of what is printed (default: text)"
    )
    from vqe_core.scorers.emscore.scorer import EMScore
    from vqe_core.scorers.options import ColumnOptions

    columns = {field.name for field in dataclasses.fields(ColumnOptions)}
    add_options(explain, EMScore, {}, without={*columns, *_NOT_HERE, "candidate_key", "reference_key"})
    explain.set_defaults(command=_explain)


def _explain(options: dict[str, Any]) -> int:
    video, captions, references = (options.pop(name) for name in ("video", "caption", "reference"))
    page, form = options.pop("html"), options.pop("format")
    if options.get("idf") in ("true", "false"):
        options["idf"] = options["idf"] == "true"
    quiet_libraries()
    from vqe_core.report.explain import explain_captions
    from vqe_core.scorers.emscore.scorer import EMScore

    explanations = explain_captions(EMScore(progress=False, **options), captions, video, references=references)
    if page is not None:
        _write_page(explanations, Path(page), Path(video).name)
    if form == "json":
        print(json.dumps(explanations_as_dict(explanations, video), indent=2, ensure_ascii=False))
    else:
        colour = sys.stdout is not None and sys.stdout.isatty()
        print("\n".join(explanation_lines(explanations, Path(video).name, colour=colour)))
        if page is not None:
            print(f"\nwritten to {page}")
    return 0


def _write_page(explanations: list[Explanation], path: Path, title: str) -> None:
    from vqe_core.app.emscore import render_explanations
    from vqe_core.app.standalone import standalone_page
    from vqe_core.tables import write_whole

    page = standalone_page(title, "Which words find which frames?", render_explanations(explanations))
    write_whole(path, lambda to: to.write_text(page, encoding="utf-8"))


def explanations_as_dict(explanations: Sequence[Explanation], video: str) -> dict[str, Any]:
    """Return all that is known of one video's captions as plain Python values."""
    first = explanations[0]
    times = None if first.timestamps is None else first.timestamps.tolist()
    return {
        "video": video,
        "frame_numbers": first.frame_numbers.tolist(),
        "timestamps": times,
        "captions": [explanation.as_dict() for explanation in explanations],
        "signature": first.signature,
    }


def explanation_lines(explanations: Sequence[Explanation], title: str, *, colour: bool = False) -> Iterator[str]:
    """Format explanations of one video for a terminal.

    Args:
        explanations: at least one.
        title: of the video.
        colour: mark words by escape sequences instead of brackets.
    """
    names = explanations[0].frame_names
    yield f"{title}: {len(names)} frames, {names[0]} to {names[-1]}"
    order = sorted(range(len(explanations)), key=lambda i: -explanations[i].scores[explanations[i].headline])
    for i in order:
        yield ""
        yield from _caption_lines(explanations[i], colour)
    yield ""
    yield "support: what the global score (cogr) gains by the word; below 0 the caption fits better without it"


def _caption_lines(explanation: Explanation, colour: bool) -> Iterator[str]:
    from vqe_core.report.word_support import REASONS, marked_parts

    against = explanation.speaks_against
    yield "".join(_marked(text, word, colour) for text, word in marked_parts(explanation.caption, against))
    if explanation.notes:
        yield f"  note: {explanation.notes}"
    kind = explanation.headline.removesuffix("full_F")
    parts = [f"{name} {explanation.scores[kind + name]:.3f}" for name in DETAIL if kind + name in explanation.scores]
    yield f"  {explanation.headline} {explanation.scores[explanation.headline]:.3f}  ({', '.join(parts)})"
    values = explanation.over_time("EMScore(X,V)_full_F")[1]
    best, worst = (
        f"{explanation.frame_names[i]} ({values[i]:.3f})" for i in (int(np.argmax(values)), int(np.argmin(values)))
    )
    yield f"  over time {sparkline(values.tolist())}  best {best}, worst {worst}"
    least = ", ".join(f"{word.text} {word.support:+.3f}" for word in explanation.least_supported)
    if least:
        verdict = "" if against else ", and nothing speaks clearly against the caption"
        yield f"  least supported: {least}{verdict}"
    for reason, words in _unranked(explanation).items():
        yield f"  not ranked, {REASONS[reason]}: {', '.join(words)}"
    yield from _word_table(explanation)


def _unranked(explanation: Explanation) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in explanation.support:
        if word.unranked and word.unranked != "function word":
            found.setdefault(word.unranked, []).append(word.text)
    return found


def _word_table(explanation: Explanation) -> Iterator[str]:
    support = {word.number: word.support for word in explanation.support}
    shown = [(i, word) for i, word in enumerate(explanation.words) if not word.special]
    if not shown:
        return
    width = min(NAMED, max(len(word.text) for _, word in shown))
    similarity = explanation.evidence.similarity
    low, high = similarity.min().item(), similarity.max().item()
    yield f"  {'word':<{width}}  support  best cosine  frames"
    for i, word in shown:
        gain = "" if (value := support.get(i)) is None else f"{value:+.3f}"
        best = explanation.best_frame[i]
        where = "" if best is None else f"  best at {explanation.frame_names[best]}"
        row = sparkline(similarity[i].tolist(), low, high)
        yield f"  {word.text[:NAMED]:<{width}}  {gain:>7}  {explanation.evidence.best_of_word[i]:>11.3f}  {row}{where}"


def _marked(text: str, word: WordSupport | None, colour: bool) -> str:
    if word is None:
        return text
    return f"{MARK}{text}{PLAIN}" if colour else f"[{text}]"


def sparkline(values: Sequence[float], low: float | None = None, high: float | None = None) -> str:
    """Draw values as a row of blocks; as digits 0 to 7 where the terminal has no blocks.

    Example:
        >>> sparkline([0.0, 0.5, 1.0])
        '▁▅█'
    """
    low = min(values, default=0.0) if low is None else low
    high = max(values, default=0.0) if high is None else high
    marks = BLOCKS
    with suppress(AttributeError, TypeError, LookupError, UnicodeEncodeError):
        marks = "01234567"
        BLOCKS.encode(sys.stdout.encoding or "utf-8")
        marks = BLOCKS
    steps = len(marks) - 1
    return "".join(marks[round(steps * (value - low) / (high - low)) if high > low else 0] for value in values)
