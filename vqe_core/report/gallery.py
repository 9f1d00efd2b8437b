"""Gallery of scored rows: the best, the worst, and those around thresholds, to choose a threshold by eye.

Task: one HTML file that needs nothing else and makes no request, of bounded size however long the table is. It goes
down the scores: the best rows, then at each threshold those just above and just below, then the worst.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vqe_core.errors import InputError, VqeError
from vqe_core.options import check_count
from vqe_core.report.distribution import histogram
from vqe_core.report.html import HEAT_STEPS, STRONG_HEAT, frame_strip, html_environment
from vqe_core.report.scored_table import TableColumns, cell_name, usual_columns, usual_headline
from vqe_core.report.table_report import EXAMPLE, TEXT_LENGTHS, Seen, axis_ticks, cut_text, read_frames
from vqe_core.run.filtering import ScoredRows, parse_value, threshold_of
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.scorers.rows import video_column
from vqe_core.tables import Columns, write_whole

THRESHOLDS = ("p20", "p50", "p80")
MOST_ROWS, MOST_FRAMES, MOST_THRESHOLDS = 60, 8, 12  # the page stays below some 30 MB
STRIP_HEIGHT = 90  # pixels of a frame


@dataclass(frozen=True)
class GalleryOptions:
    """Options of a gallery.

    Attributes:
        thresholds: values, or percentiles such as ``"p80"``.
        rows: shown of the best, of the worst, and around each threshold (half above it, half below), 1 to 60.
        frames: of each row, 1 to 8.
        title: head of the page; default: the name of the table.
        columns: names that are not the usual ones; ``score`` is what is looked at.
        videos_dir: where relative paths of videos start. Default: where the table says, else its folder.
    """

    thresholds: Sequence[str | float] = THRESHOLDS
    rows: int = 6
    frames: int = 4
    title: str | None = None
    columns: TableColumns = field(default_factory=TableColumns)
    videos_dir: str | None = None

    def __post_init__(self) -> None:
        for name, value, most in (
            ("rows", self.rows, MOST_ROWS),
            ("frames", self.frames, MOST_FRAMES),
            ("number of thresholds", len(self.thresholds), MOST_THRESHOLDS),
        ):
            check_count(name, value)
            if value > most:
                raise InputError(f"{name} ({value}) must be at most {most}, so that a browser can open the page")


@dataclass(frozen=True)
class Band:
    """Rows around a threshold.

    Attributes:
        name: as it was asked for.
        value: of the score.
        kept: rows at or above it.
        above, below: numbers of the rows next to it, the best first.
    """

    name: str
    value: float
    kept: int
    above: list[int]
    below: list[int]


@dataclass(frozen=True)
class Choice:
    """Numbers of the rows that a gallery shows, the best first."""

    best: list[int]
    bands: list[Band]
    worst: list[int]

    @property
    def rows(self) -> list[int]:
        """All of them, once each, in the order of the table."""
        around = [row for band in self.bands for row in (*band.above, *band.below)]
        return sorted({*self.best, *around, *self.worst})


def choose_rows(values: np.ndarray, thresholds: Sequence[str | float], rows: int) -> Choice:
    """Choose the rows of a gallery.

    Args:
        values: of the score, float64 (N,), NaN for a row without.
        thresholds: values, or percentiles such as ``"p80"``.
        rows: of the best, of the worst, and around each threshold.

    Raises:
        InputError: a threshold that is neither a number nor a percentile.

    Example:
        >>> chosen = choose_rows(np.array([0.1, 0.4, 0.2, float("nan"), 0.3]), [0.25], rows=2)
        >>> chosen.best, chosen.bands[0].above, chosen.bands[0].below, chosen.worst
        ([1, 4], [4], [2], [2, 0])
    """
    order = np.argsort(-values, kind="stable")[: int((~np.isnan(values)).sum())]
    half = -(-rows // 2)
    bands = []
    for name in dict.fromkeys(map(str, thresholds)):
        wanted, percentile = parse_value(name)
        if percentile is None and (isinstance(wanted, str) or not math.isfinite(wanted)):
            raise InputError(f"threshold ({name!r}) must be a number, or a percentile such as p80")
        value = threshold_of(wanted, percentile, values)
        kept = int((values >= value).sum())
        above, below = order[max(0, kept - half) : kept], order[kept : kept + half]
        bands.append(Band(name, value, kept, above.tolist(), below.tolist()))
    bands.sort(key=lambda band: -band.value)
    return Choice(order[:rows].tolist(), bands, order[-rows:].tolist())


@dataclass(frozen=True, eq=False)
class Card:
    """A row as it is shown: its frames side by side as one ``data:`` URL, or in ``note`` why there are none."""

    row: int
    score: float
    caption: str
    video: str
    note: str
    strip: str | None = None
    frames: int = 0
    aspect: float = 1.0


def write_gallery(
    table: str | os.PathLike[str], out: str | os.PathLike[str], options: GalleryOptions | None = None
) -> Path:
    """Write the gallery of a scored table, or of the folder of a run.

    Args:
        table: jsonl, json, csv or parquet, or the folder of a run, also of one that still works.
        out: file to write; it appears whole or not at all.
        options: see ``GalleryOptions``.

    Returns:
        ``out``.

    Raises:
        InputError: a table that cannot be read, lacks a column, or has no row with the score.

    Example:
        >>> from vqe_core.tables import write_table
        >>> folder = getfixture("tmp_path")
        >>> write_table(folder / "scores.jsonl", {"caption": ["a", "b"], "similarity": [0.2, 0.4]})
        >>> write_gallery(folder / "scores.jsonl", folder / "gallery.html").stat().st_size < 100_000
        True
    """
    rows = ScoredRows(table, videos_dir=None if options is None else options.videos_dir)
    page = render_gallery(rows, Path(table).stem, options)
    write_whole(Path(out), lambda path: path.write_text(page, encoding="utf-8"))
    return Path(out)


def render_gallery(rows: ScoredRows, name: str, options: GalleryOptions | None = None) -> str:
    """Render the gallery as one self-contained HTML page; see ``write_gallery``."""
    options = options or GalleryOptions()
    columns = _columns(rows, options.columns)
    score = str(columns.score)
    values = rows.read([score])[score]
    if values.dtype == object or np.isnan(values).all():
        raise InputError(f"score ({score!r}): no row has a number there; name another column (--score)")
    choice = choose_rows(values, options.thresholds, options.rows)
    cards = _cards(rows, columns, values, choice.rows, options.frames)
    known = values[~np.isnan(values)]
    bins = histogram(known.tolist())
    low, high = bins.edges[0], bins.edges[-1]
    return (
        html_environment()
        .get_template("gallery.html")
        .render(
            title=options.title or name,
            score=score,
            total=len(values),
            known=len(known),
            lowest=float(known.min()),
            highest=float(known.max()),
            failures=_failures(rows, columns, values) if len(known) < len(values) else [],
            bins=bins,
            ticks=axis_ticks(bins),
            marks=[(100 * min(1.0, max(0.0, (band.value - low) / (high - low))), band) for band in choice.bands],
            choice=choice,
            cards=cards,
            without_frames=[card for card in cards.values() if card.strip is None] if columns.video else [],
            has_videos=columns.video is not None,
            heat_steps=HEAT_STEPS,
            strong_heat=STRONG_HEAT,
        )
    )


def _columns(rows: ScoredRows, given: TableColumns) -> TableColumns:
    names = rows.column_names()
    for option in ("score", "video", "caption", "start", "end"):
        name = getattr(given, option)
        if name is not None and name not in names:
            raise InputError(f"{option} ({name!r}) is no column of {rows.source.name!r}; there are {', '.join(names)}")
    score = given.score or usual_headline(names)
    if score is None:
        raise InputError(
            f"{rows.source.name!r} has no score of a metric of this package; name a column of numbers (score, "
            f"--score): {', '.join(names)}"
        )
    return TableColumns(**{**vars(given), **usual_columns(names, given), "score": score})


def _cards(
    rows: ScoredRows, columns: TableColumns, values: np.ndarray, numbers: Sequence[int], frames: int
) -> dict[int, Card]:
    """Return the rows of these numbers as they are shown; what cannot be read is said there."""
    cells = rows.rows_at(np.array(numbers))
    count = len(numbers)
    names = cells.get(columns.video or "", [None] * count)
    captions = cells.get(columns.caption or "", [None] * count)
    seen = _frames(cells, columns, rows.base_dir, count, frames)
    return {
        row: Card(
            row=row,
            score=float(values[row]),
            caption="" if captions[i] is None else cut_text(str(captions[i]), TEXT_LENGTHS[0]),
            video=cut_text(cell_name(names[i]), TEXT_LENGTHS[0]),
            note=cut_text(seen[i].note, EXAMPLE),
            **_strip(seen[i].frames),
        )
        for i, row in enumerate(numbers)
    }


def _strip(frames: np.ndarray | None) -> dict[str, Any]:
    if frames is None:
        return {}
    count, height, width = frames.shape[:3]
    return {"strip": frame_strip(frames, height=STRIP_HEIGHT), "frames": count, "aspect": count * width / height}


def _frames(cells: Columns, columns: TableColumns, base_dir: str, count: int, frames: int) -> dict[int, Seen]:
    videos = None if columns.video is None else video_column(cells, columns.video, columns.start, columns.end, base_dir)
    if videos is None:
        return {i: Seen() for i in range(count)}
    seen = {i: Seen(note="the row names no video") for i, video in enumerate(videos) if video is None}
    seen |= {i: Seen(note=str(video)) for i, video in enumerate(videos) if isinstance(video, VqeError)}
    sources = {i: video for i, video in enumerate(videos) if i not in seen}
    return {**seen, **read_frames(sources, EMScore(progress=False), frames)}


def _failures(rows: ScoredRows, columns: TableColumns, values: np.ndarray) -> list[tuple[str, int]]:
    """Return how many rows without the score have which status, the most frequent first."""
    if columns.status not in rows.column_names():
        return []
    words = rows.read([columns.status])[columns.status][np.isnan(values)]
    found: dict[str, int] = {}
    for word in words.tolist():
        found[str(word)] = found.get(str(word), 0) + 1
    return sorted(found.items(), key=lambda item: -item[1])
