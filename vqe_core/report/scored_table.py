"""A scored table as a report reads it: which columns are scores, videos and captions, and what became of each row."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.report.distribution import percentile_ranks
from vqe_core.run.layouts import existing_folder
from vqe_core.run.sources import media_folder
from vqe_core.scorers.report import counts_from_text, rows_by_code
from vqe_core.scorers.rows import video_column
from vqe_core.tables import read_environments, read_signatures, read_table

# Names that columns often have; the first is what ``vqe score`` reads by default.
VIDEO_COLUMNS = ("video_path", "video", "videos", "video_id", "clip", "path", "file")
CAPTION_COLUMNS = ("candidate", "caption", "prediction", "predictions", "text", "description", "audio_description")
# What one looks at first, in this order.
HEADLINES = ("EMScore(X,V,X*)_full_F", "EMScore(X,V)_full_F", "EMScore(X,X*)_full_F", "similarity", "clip_score")
# Parts of a score that are made in different ways: where they disagree about a row, the score is in doubt.
PARTS = (("figr_P", "figr_R", "cogr"), ("similarity", "percentile"), ("clip_score", "ref_clip_score"))
MISSING_STATUS = "no_score"  # of a row without a number, in a table without status words


@dataclass(frozen=True)
class TableColumns:
    """Names of the columns of a table; None: by the usual names, where they are there.

    Attributes:
        score: the one to look at first.
        video, caption, start, end: see the options of the scorers.
        status, message, warnings: as they were written.
    """

    score: str | None = None
    video: str | None = None
    caption: str | None = None
    start: str | None = None
    end: str | None = None
    status: str = "status"
    message: str = "message"
    warnings: str = "warnings"


@dataclass(frozen=True, eq=False)
class ScoredTable:
    """A table that was scored.

    Attributes:
        path: of the file.
        name: for people; names differ between the tables of one report.
        scores: float64 (N,) by score, NaN for a row without.
        headline: the score to look at first.
        videos: what a video option takes, or None; paths made absolute.
        video_names: for people, "" where there is none.
        captions: "" where there is none.
        status, messages: of each row.
        warnings: count by code, of each row.
        signatures: of the metrics that scored it; empty where the format carries none.
        environments: versions of what computed the scores, by metric.
        columns: the names that were chosen.
    """

    path: Path
    name: str
    scores: dict[str, np.ndarray] = field(repr=False)
    headline: str
    videos: list[Any] = field(repr=False)
    video_names: list[str] = field(repr=False)
    captions: list[str] = field(repr=False)
    status: list[str] = field(repr=False)
    messages: list[str] = field(repr=False)
    warnings: list[dict[str, int]] = field(repr=False)
    signatures: list[dict[str, Any]]
    environments: dict[str, dict[str, Any]]
    columns: TableColumns

    @property
    def values(self) -> np.ndarray:
        """The headline score, float64 (N,)."""
        return self.scores[self.headline]

    @property
    def num_rows(self) -> int:
        """All rows."""
        return len(self.status)

    @property
    def num_scored(self) -> int:
        """Rows that have the headline score."""
        return int((~np.isnan(self.values)).sum())

    @property
    def signature(self) -> dict[str, Any]:
        """Signature of the metric whose score is the headline, empty where it is not known."""
        return next((s for s in self.signatures if _writes(s.get("metric", ""), self.headline)), {})

    @property
    def warned(self) -> dict[str, int]:
        """Rows by the code of a warning, the most frequent first."""
        return rows_by_code(self.warnings)

    def known(self, score: str) -> list[float]:
        """Return the values of a score that are there."""
        values = self.scores[score]
        kept: list[float] = values[~np.isnan(values)].tolist()
        return kept

    def failures(self) -> list[tuple[str, list[int]]]:
        """Return each status but ``"ok"`` with its rows, the most frequent first."""
        groups: dict[str, list[int]] = {}
        for row, word in enumerate(self.status):
            if word != "ok":
                groups.setdefault(word, []).append(row)
        return sorted(groups.items(), key=lambda group: -len(group[1]))

    def best(self, count: int) -> list[int]:
        """Return the rows of the highest headline, the highest first; of equal ones the first."""
        order = np.argsort(-self.values, kind="stable")
        return [int(i) for i in order if not math.isnan(self.values[i])][:count]

    def worst(self, count: int) -> list[int]:
        """Return the rows of the lowest headline, the lowest first."""
        order = np.argsort(self.values, kind="stable")
        return [int(i) for i in order if not math.isnan(self.values[i])][:count]

    def parts(self) -> tuple[str, ...]:
        """Return the scores whose disagreement makes a row uncertain; fewer than two where there are no such scores."""
        prefix = self.headline.removesuffix("full_F") if self.headline.endswith("full_F") else ""
        for names in PARTS:
            found = tuple(prefix + name for name in names if prefix + name in self.scores)
            if len(found) > 1 and (prefix or self.headline in found):
                return found
        return ()

    def disagreement(self) -> np.ndarray:
        """Return how far apart the parts of a score rank each row, float64 (N,) from 0 to 1; NaN where not known."""
        parts = self.parts()
        if len(parts) < 2:
            return np.full(self.num_rows, np.nan)
        ranks = np.stack([percentile_ranks(self.scores[name].tolist()) for name in parts])
        spread: np.ndarray = ranks.max(axis=0) - ranks.min(axis=0)
        return spread

    def uncertain(self, count: int) -> list[int]:
        """Return the rows about which the parts of the score disagree most."""
        spread = self.disagreement()
        order = np.argsort(-spread, kind="stable")
        return [int(i) for i in order if not math.isnan(spread[i])][:count]


def read_scored(
    path: str | os.PathLike[str], columns: TableColumns | None = None, videos_dir: str | None = None
) -> ScoredTable:
    """Read a table that ``vqe score``, ``score_dataset`` or a notebook wrote.

    Args:
        path: jsonl, json, csv or parquet, or the folder of a run.
        columns: names that are not the usual ones.
        videos_dir: where relative media paths start. Default: where the table says, else its folder.

    Raises:
        InputError: no table, no such column, or no scores in it.
    """
    path, columns = Path(path), columns or TableColumns()
    table = read_table(path)
    for option in ("score", "video", "caption", "start", "end"):
        name = getattr(columns, option)
        if name is not None and name not in table:
            raise InputError(f"{option} ({name!r}) is no column of {str(path)!r}; there are {', '.join(table)}")
    scores = _scores_of(table, columns, path)
    headline = columns.score or usual_headline(scores) or next(iter(scores))
    chosen = TableColumns(**{**vars(columns), **usual_columns(table, columns), "score": headline})
    count = len(scores[headline])
    videos = _videos(table, chosen, path, videos_dir) or [None] * count
    status = [str(word) if word else "ok" for word in table.get(columns.status, [None] * count)]
    if columns.status not in table:
        status = ["ok" if known else MISSING_STATUS for known in (~np.isnan(scores[headline])).tolist()]
    return ScoredTable(
        path=path,
        name=path.stem,
        scores=scores,
        headline=headline,
        videos=videos,
        video_names=_names(table.get(chosen.video or "", [None] * count)),
        captions=["" if text is None else str(text) for text in table.get(chosen.caption or "", [None] * count)],
        status=status,
        messages=["" if text is None else str(text) for text in table.get(columns.message, [None] * count)],
        warnings=[counts_from_text(_text(cell)) for cell in table.get(columns.warnings, [None] * count)],
        signatures=read_signatures(path),
        environments=read_environments(path),
        columns=chosen,
    )


def _text(cell: Any) -> str | None:
    return cell if isinstance(cell, str) else None


def usual_headline(names: Collection[str]) -> str | None:
    """Return the score that one looks at first, of the columns of a table; None where no metric wrote any."""
    metrics = registry.names("scorer")
    others = [name for metric in metrics for name in getattr(_scorer(metric), "headlines", ())]
    # Of a table with other scores alone, as by metrics=["cogr"], the first.
    some = (name for name in names if name not in _flags() and any(_writes(metric, name) for metric in metrics))
    return next((name for name in (*HEADLINES, *others) if name in names), None) or next(some, None)


def usual_columns(table: Collection[str], columns: TableColumns) -> dict[str, str | None]:
    """Return the columns of videos and captions, by their usual names where none is given."""
    return {
        "video": columns.video or next((name for name in VIDEO_COLUMNS if name in table), None),
        "caption": columns.caption or next((name for name in CAPTION_COLUMNS if name in table), None),
    }


def _scores_of(table: Mapping[str, list[Any]], columns: TableColumns, path: Path) -> dict[str, np.ndarray]:
    numbers = {name: found for name, cells in table.items() if (found := _numbers(cells)) is not None}
    if columns.score is not None and columns.score not in numbers:
        raise InputError(f"score ({columns.score!r}) of {str(path)!r} holds no numbers")
    known = [name for name in numbers if any(_writes(metric, name) for metric in registry.names("scorer"))]
    chosen = [*([] if columns.score is None else [columns.score]), *known]
    if not chosen:
        there = ", ".join(numbers) or "none"
        raise InputError(
            f"{str(path)!r} has no score of a metric of this package; score it first (vqe score), or name a column of "
            f"numbers (score, --score): {there}"
        )
    return {name: numbers[name] for name in dict.fromkeys(chosen)}


def _numbers(cells: Sequence[Any]) -> np.ndarray | None:
    """Return a column as float64, NaN for what is not there; None where it holds anything else, or nothing at all."""
    values = []
    for cell in cells:
        if cell is None or cell == "":
            values.append(math.nan)
        elif isinstance(cell, int | float) and not isinstance(cell, bool):
            values.append(float(cell) if math.isfinite(cell) else math.nan)
        elif isinstance(cell, str):  # csv holds texts
            try:
                values.append(float(cell))
            except ValueError:
                return None
        else:
            return None
    return np.array(values, float)


@cache
def _scorer(metric: str) -> Any:
    try:
        return registry.load("scorer", metric)()
    except Exception:  # of another package, which may be broken or need options
        return None


@cache
def _flags() -> frozenset[str]:
    scorers = [scorer for scorer in map(_scorer, registry.names("scorer")) if scorer is not None]
    return frozenset(flag for each in scorers for flag in each.result_names({i.name for i in each.inputs}).flags)


def _writes(metric: str, name: str) -> bool:
    scorer = _scorer(metric) if metric in registry.names("scorer") else None
    return scorer is not None and bool(scorer.writes_score(name))


def _videos(
    table: Mapping[str, list[Any]], columns: TableColumns, path: Path, videos_dir: str | None
) -> list[Any] | None:
    if columns.video is None:
        return None
    folder = media_folder([path]) if videos_dir is None else str(existing_folder(videos_dir))
    return video_column(table, columns.video, columns.start, columns.end, folder)


def _names(cells: Sequence[Any]) -> list[str]:
    """Return each video as people know it: the path as it was written."""
    return [cell_name(cell) for cell in cells]


def cell_name(cell: Any) -> str:
    """Return what a cell of a column of videos is called: its path, and its segment."""
    if isinstance(cell, Mapping):
        where = f" {cell.get('start', '')}–{cell.get('end', '')} s" if cell.get("end") is not None else ""
        return f"{cell.get('path') or 'bytes'}{where}"
    if isinstance(cell, list | tuple):
        return ", ".join(map(cell_name, cell))
    return "" if cell is None else "bytes" if isinstance(cell, bytes) else str(cell)
