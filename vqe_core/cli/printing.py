"""Printed results of a run: one headline number first, a table of few rows, and all the rest on request."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from vqe_core.cli.logs import spoken

WIDEST = 48  # letters of a cell
_STAGES = ("decode", "encode", "texts", "sounds", "score", "wait")
_COUNTED = {
    "images": "images",
    "texts_encoded": "texts",
    "videos_read": "videos decoded",
    "videos_from_cache": "from the cache",
}


def print_summary(summary: Any, scorer: Any, *, everything: bool = False, to: TextIO | None = None) -> None:
    """Print what came of a run.

    Args:
        summary: of the run.
        scorer: that scored it.
        everything: all scores, versions and times too, not the headline alone.
        to: where to. Default: standard output.
    """
    for line in summary_lines(summary, scorer, everything=everything):
        print(line, file=to)


def summary_lines(summary: Any, scorer: Any, *, everything: bool) -> Iterator[str]:
    """Return the lines that ``print_summary`` prints."""
    from vqe_core.scorers.several import headlines

    numbers = {name: value for name, value in summary.calibration.items() if isinstance(value, float | int)}
    first = headlines(scorer, list(summary.scores))
    shown = {name: summary.scores[name] for name in first}
    if not math.isnan(numbers.get("auc", math.nan)):  # a similarity says nothing without it
        shown["auc"] = numbers["auc"]
    others = {name: value for name, value in {**summary.scores, **numbers}.items() if name not in shown}
    for name, value in {**shown, **(others if everything else {})}.items():
        of = f"  mean of {summary.num_rows - summary.num_failed} rows" if name in first else ""
        if name in summary.intervals:
            of += " (95 % interval by video: {:.4f} to {:.4f})".format(*summary.intervals[name])
        unit = unit_of(name, summary.signature)
        yield f"{name:28s} {value:8d}" if isinstance(value, int) else f"{name:28s} {value:8.4f}{unit}{of}"
    yield f"signature: {json.dumps(summary.signature)}"
    if everything:
        yield f"environment: {json.dumps(summary.environment)}"
    if summary.media_folder:
        yield f"relative paths of media in {summary.out} start from {summary.media_folder} (--videos-dir)"
    yield _count_line(summary) + ("" if everything or not others else f"; {len(others)} more numbers: --all")
    if everything and summary.time:
        yield time_line(summary.time)
    yield from (f"  {spoken(line)}" for line in summary.failure_lines())
    if summary.warnings:
        yield "warnings:"
    yield from (f"  {spoken(line)}" for line in summary.warning_lines())


def unit_of(name: str, signature: Mapping[str, Any]) -> str:
    """Return the unit of a number, where numbers of several units stand together; "" elsewhere.

    Example:
        >>> unit_of("gap", {"method": "joint"}), unit_of("similarity", {"method": "joint"}), unit_of("gap", {})
        (' logits', ' cosine', '')
    """
    if signature.get("method") != "joint":  # which ranks by its model's own score
        return ""
    if name in ("logit", "mismatched_mean", "gap"):
        return " logits"
    return " cosine" if name == "similarity" or name.endswith("_similarity") else ""


def _count_line(summary: Any) -> str:
    before = f", {summary.resumed_rows} of them before" if summary.resumed_rows else ""
    rate = summary.num_rows - summary.resumed_rows
    speed = f" ({rate / summary.seconds:.1f} rows/s)" if rate and summary.seconds else ""
    where = f"; written to {summary.out}" if summary.out else ""
    return f"{summary.num_rows} rows{before}, {summary.num_failed} failed{where}{speed}"


def time_line(time: Mapping[str, float]) -> str:
    """Return where the time of a run went, in one line.

    Example:
        >>> time_line({"decode": 2.0, "encode": 1.5, "images": 20, "videos_read": 2})
        'time: decode 2.0 s, encode 1.5 s; 20 images, 2 videos decoded'
    """
    seconds = ", ".join(f"{stage} {time[stage]:.1f} s" for stage in _STAGES if stage in time)
    counts = ", ".join(f"{time[name]:.0f} {words}" for name, words in _COUNTED.items() if name in time)
    return f"time: {seconds}{'; ' if seconds and counts else ''}{counts}"


def row_lines(columns: Mapping[str, Sequence[Any]], scorer: Any, *, everything: bool = False) -> Iterator[str]:
    """Format scored rows as a table for a terminal: what a row is of, its headline score, and why it has none.

    Args:
        columns: of the scored table.
        scorer: that scored it.
        everything: all scores, not the headline alone.

    Example:
        >>> from vqe_core.scorers.clip_score import CLIPScore
        >>> rows = {"video_path": ["a.mp4"], "candidate": ["a dog"], "clip_score": [0.25], "status": ["ok"]}
        >>> list(row_lines(rows, CLIPScore()))
        ['video_path  candidate  clip_score', 'a.mp4       a dog          0.2500']
    """
    from vqe_core.scorers.several import headlines

    of_row = ("video_key", "audio_key", "candidate_key", "description_key")
    keys = [str(getattr(scorer, key)) for key in of_row if hasattr(scorer, key)]
    scores = [name for name in columns if scorer.writes_score(name)]
    names: list[str] = [str(key) for key in ("id", *keys) if key in columns]
    names += scores if everything else headlines(scorer, scores)
    if set(columns[scorer.status_key]) != {"ok"}:
        names.append(scorer.status_key)
    cells = {name: [name, *map(_cell, columns[name])] for name in names}
    width = {name: max(map(len, cells[name])) for name in names}
    for row in zip(*cells.values(), strict=True):
        aligned = (
            cell.rjust(width[name]) if name in scores else cell.ljust(width[name])
            for name, cell in zip(names, row, strict=True)
        )
        yield "  ".join(aligned).rstrip()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}" if value == value else ""
    text = " ".join(str(value).split())
    if os.path.isabs(text):
        text = _short_path(text)
        return text if len(text) <= WIDEST else "..." + text[3 - WIDEST :]
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."


def _short_path(path: str) -> str:
    try:
        return min((path, os.path.relpath(path, Path.cwd())), key=len)
    except (ValueError, OSError):  # another drive, or a folder that is gone
        return path


def print_rows(table: Path, scorer: Any, *, everything: bool = False) -> None:
    """Print the rows of a scored table, see ``row_lines``."""
    from vqe_core.tables import read_table

    print("\n".join(row_lines(read_table(table), scorer, everything=everything)))


def print_table(table: Path) -> None:
    """Print a table of lines of JSON as it is."""
    with table.open(encoding="utf-8") as file:
        for line in file:
            print(line, end="")


def as_json(summary: Any, table: Path | None) -> dict[str, Any]:
    """Return the summary of a run as plain values, and the rows of its table where one is named."""
    if table is None:
        return dict(summary.as_dict())
    rows = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
    return {**summary.as_dict(), "rows": rows}


def duration(seconds: float) -> str:
    """Return seconds as one reads a time, to two or three digits.

    Example:
        >>> duration(0.042), duration(4), duration(42), duration(3900), duration(200_000)
        ('0.042 s', '4.0 s', '42 s', '1 h 5 min', '2 d 7 h')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2g} s"
    whole = round(seconds)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def file_size(number: float) -> str:
    """Return bytes as one reads a size, in powers of 1,000.

    Example:
        >>> file_size(0), file_size(999), file_size(999_600), file_size(3.21e9)
        ('0 B', '999 B', '1.0 MB', '3.2 GB')
    """
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    step = 0
    while step < len(units) - 1 and round(number) >= 1000:
        number, step = number / 1000, step + 1
    return f"{number:.1f} {units[step]}" if step and number < 99.95 else f"{number:.0f} {units[step]}"
