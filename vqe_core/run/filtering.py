"""Rows of a scored table chosen by their scores: values, percentiles, several conditions, the best or worst of all.

Conventions: a condition is ``"COLUMN OPERATOR VALUE"``; a value ``p80`` is the 80th percentile of the column's known
values, by linear interpolation. A row without the score meets no condition on it.
"""

from __future__ import annotations

import operator
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vqe_core.errors import InputError
from vqe_core.media import is_address
from vqe_core.options import did_you_mean
from vqe_core.run.layouts import existing_folder
from vqe_core.run.sources import RowSource, open_source, rows_at
from vqe_core.scorers.emscore.score_types import full_name
from vqe_core.scorers.rows import is_missing
from vqe_core.tables import Columns, warn_of, write_noted

LOOKED_FOR = 1000  # paths: a wrong folder shows soon, and a million files on a network drive take minutes
FOLDER_HINT = "--videos-dir names the folder that relative paths start from"

_CONDITION = re.compile(r"\s*(?P<column>[^<>=!\s].*?)\s*(?P<sign>>=|<=|==|!=|>|<|=)\s*(?P<value>.+?)\s*")
_PERCENTILE = re.compile(r"p(\d+(?:\.\d+)?)")
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
_WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Condition:
    """A comparison of a column with a value.

    Attributes:
        column: its name.
        sign: of the comparison.
        value: a number, or a text.
        percentile: of the column's values, in place of a value; None where there is one.
    """

    column: str
    sign: str
    value: float | str
    percentile: float | None = None

    def keeps(self, values: np.ndarray) -> np.ndarray:
        """Return which of the values meet the condition, bool (N,)."""
        wanted: Any = self.value
        if self.percentile is not None:
            if np.isnan(values).all():
                return np.zeros(len(values), dtype=bool)
            wanted = threshold_of(self.value, self.percentile, values)
        if isinstance(wanted, str):
            return np.array([_SIGNS[self.sign](value, wanted) for value in values], dtype=bool)
        return np.asarray(_SIGNS[self.sign](values, wanted) & ~np.isnan(values), dtype=bool)


def parse_condition(text: str) -> Condition:
    """Return the condition that a text says.

    Raises:
        InputError: it says none.

    Example:
        >>> parse_condition("xv_full_F >= p80")
        Condition(column='EMScore(X,V)_full_F', sign='>=', value=nan, percentile=80.0)
        >>> parse_condition("status = ok").value
        'ok'
    """
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise InputError(
            f"--where ({text!r}) must be COLUMN OPERATOR VALUE, for example 'similarity >= 0.3' or '>= p80'"
        )
    return Condition(full_name(found["column"]), found["sign"], *parse_value(found["value"].strip("'\"")))


def parse_value(text: str) -> tuple[float | str, float | None]:
    """Return a value, a number where it is one, and the percentile that stands in its place, or None.

    Raises:
        InputError: a percentile beyond 100.

    Example:
        >>> parse_value("0.5"), parse_value("p80"), parse_value("ok")
        ((0.5, None), (nan, 80.0), ('ok', None))
    """
    percentile = _PERCENTILE.fullmatch(text)
    if percentile is not None:
        if float(percentile[1]) > 100:
            raise InputError(f"{text!r}: a percentile is from p0 to p100")
        return float("nan"), float(percentile[1])
    try:
        return _WORDS[text.lower()] if text.lower() in _WORDS else float(text), None
    except ValueError:
        return text, None


def threshold_of(value: float | str, percentile: float | None, values: np.ndarray) -> float:
    """Return a number, or the percentile of the known values, of which there is at least one."""
    return float(value) if percentile is None else float(np.percentile(values[~np.isnan(values)], percentile))


class ScoredRows:
    """A scored table, or the parts of a run, with the columns that rows are chosen by.

    Args:
        table: file, or folder of a run.
        video_key: column of its videos.
        videos_dir: where relative paths of videos start. Default: where the table says, else its folder.
    """

    def __init__(
        self, table: str | os.PathLike[str], video_key: str = "video_path", videos_dir: str | None = None
    ) -> None:
        self.source: RowSource = open_source(table, video_key=video_key)
        self.base_dir = self.source.base_dir if videos_dir is None else str(existing_folder(videos_dir))
        self.video_key = video_key
        self.num_rows = 0

    def read(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return columns: numbers as float64 (N,) with NaN for none, anything else as objects.

        Raises:
            InputError: a column that is not there.
        """
        held: dict[str, list[Any]] = {name: [] for name in names}
        self.num_rows = 0
        for batch in self.source.batches():
            absent = [name for name in names if name not in batch]
            if absent:
                near = did_you_mean(absent[0], batch)
                raise InputError(f"{absent[0]!r} is no column; there are {', '.join(batch)}{near}")
            for name in names:
                held[name].extend(batch[name])
            self.num_rows += len(next(iter(batch.values())))
        return {name: as_array(values) for name, values in held.items()}

    def column_names(self) -> list[str]:
        """Return the names of all columns."""
        return list(next(iter(self.source.batches(1)), {}))

    def rows_at(self, numbers: np.ndarray) -> Columns:
        """Return the rows of these numbers, which increase, with all columns."""
        return rows_at(self.source, numbers)

    def write(self, out: Path, kept: np.ndarray) -> None:
        """Write the rows that are kept as a table."""
        signatures = self.source.signatures()
        environments = self.source.environments()
        signature, earlier = (signatures[0], signatures[1:]) if signatures else (None, [])
        warn_of(write_noted(out, lambda: self.kept_batches(kept), signature, earlier, environments, self.base_dir), out)

    def kept_batches(self, kept: np.ndarray) -> Iterator[Columns]:
        """Return the rows that are kept, batch by batch; none at all as one batch without rows."""
        first = 0
        columns: list[str] = []
        some = False
        for batch in self.source.batches():
            columns = list(batch)
            places = np.flatnonzero(kept[first : first + len(batch[columns[0]])])
            first += len(batch[columns[0]])
            if len(places):
                some = True
                yield {name: [values[place] for place in places] for name, values in batch.items()}
        if not some:
            yield {name: [] for name in columns}

    def videos(self, kept: np.ndarray) -> Iterator[str]:
        """Return the absolute path, or the address, of each video of the rows that are kept, once each, in order."""
        seen = set()
        for batch in self.kept_batches(kept):
            if self.video_key not in batch:
                raise InputError(f"video_key ({self.video_key!r}) is no column; there are {', '.join(batch)}")
            for video in batch[self.video_key]:
                path = video.get("path") if isinstance(video, dict) else video
                if isinstance(path, str) and path not in seen:
                    seen.add(path)
                    yield path if is_address(path) else os.path.join(self.base_dir, path)


def write_failures(table: str | os.PathLike[str], out: Path, scorer: Any, videos_dir: str | None = None) -> int:
    """Write the rows of a scored table that have no score: the columns of the input, status and message.

    Args:
        table: as the scorer left it, or the folder of its run.
        out: table to write, the format by its ending.
        scorer: that scored it.
        videos_dir: see ``ScoredRows``.

    Returns:
        How many rows there are.
    """
    rows = ScoredRows(table, scorer.video_key, videos_dir)
    kept = rows.read([scorer.status_key])[scorer.status_key] != "ok"
    columns = next(rows.source.batches())
    results = {*scorer.taken(columns), scorer.warnings_column} - {scorer.status_key, scorer.message_key}
    told = [name for name in columns if name not in results]

    def failures() -> Iterator[Columns]:
        return ({name: batch[name] for name in told} for batch in rows.kept_batches(kept))

    warn_of(write_noted(out, failures, media_folder=rows.base_dir), out)
    return int(kept.sum())


def as_array(values: Sequence[Any]) -> np.ndarray:
    """Return numbers, also those written as texts, as float64 with NaN for none; anything else as objects.

    Example:
        >>> as_array([0.5, None, "1"]).tolist()
        [0.5, nan, 1.0]
    """
    try:
        return np.array([np.nan if is_missing(value) else _number(value) for value in values], dtype=np.float64)
    except (TypeError, ValueError):
        return np.array([None if is_missing(value) else value for value in values], dtype=object)


def _number(value: Any) -> float:
    return _WORDS[value.lower()] if isinstance(value, str) and value.lower() in _WORDS else float(value)


def choose(
    rows: ScoredRows, conditions: Sequence[Condition], *, by: str | None = None, top: int | None = None,
    bottom: int | None = None,
) -> np.ndarray:  # fmt: skip
    """Return which rows meet all conditions, and are among the best or worst of those by a column.

    Args:
        rows: of a scored table.
        conditions: all of them are to be met.
        by: column by which rows are best.
        top, bottom: how many of the best, or the worst; one of them.

    Returns:
        bool (N,). Of equal rows at the edge the first are taken.

    Raises:
        InputError: a column that is not there, or holds no numbers.
    """
    names = list(dict.fromkeys([*(condition.column for condition in conditions), *([by] if by else [])]))
    columns = rows.read(names)
    kept = np.ones(rows.num_rows, dtype=bool)
    for condition in conditions:
        values = columns[condition.column]
        if values.dtype == object and not isinstance(condition.value, str):
            raise InputError(f"{condition.column!r} holds no numbers; compare it with a text")
        if isinstance(condition.value, str) and values.dtype != object:
            raise InputError(
                f"{condition.column!r} holds numbers; compare it with a number, or a percentile such as p80"
            )
        kept &= condition.keeps(values)
    if by is None:
        return kept
    values = columns[by]
    if values.dtype == object:
        raise InputError(f"{by!r} holds no numbers; name a column of scores")
    kept &= ~np.isnan(values)
    places = np.flatnonzero(kept)
    order = places[np.argsort(values[places] if bottom is not None else -values[places], kind="stable")]
    best = np.zeros_like(kept)
    best[order[: bottom if bottom is not None else top]] = True
    return best


def write_paths(paths: Sequence[str], out: Path) -> None:
    """Write paths, a line each, and warn if there is no file at some of the first."""
    out.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8", errors="surrogateescape")
    looked = paths[:LOOKED_FOR]
    absent = [path for path in looked if not is_address(path) and not os.path.exists(path)]
    if absent:
        of = f"the first {len(looked)}" if len(looked) < len(paths) else str(len(paths))
        warnings.warn(
            f"{len(absent)} of {of} videos are not there, for example {absent[0]!r}; {FOLDER_HINT}",
            UserWarning,
            stacklevel=2,
        )


def link_videos(paths: Iterator[str], folder: Path) -> int:
    """Make a link to each video in a folder, numbered where names are the same, or none; return how many.

    Raises:
        InputError: the folder holds something already, or a video is at an address or not there.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{str(folder)!r} is not empty; name a new folder for the links")
    targets = list(paths)
    for path in targets:
        if is_address(path):
            raise InputError(
                f"{path!r} is no file of this machine, so no link can lead to it; use --paths, not --links"
            )
        if not os.path.exists(path):
            raise InputError(f"{path!r} is not there, so a link would lead nowhere; {FOLDER_HINT}")
    folder.mkdir(parents=True, exist_ok=True)
    for path in targets:
        target, number = folder / os.path.basename(path), 1
        while os.path.lexists(target):
            number += 1
            target = folder / f"{Path(path).stem}-{number}{Path(path).suffix}"
        target.symlink_to(path)
    return len(targets)


def best_lines(rows: ScoredRows, kept: np.ndarray, by: str, *, worst: bool, width: int = 80) -> list[str]:
    """Return the rows that are kept as lines of text, the best (or worst) first: score, then ids, videos and captions.

    Args:
        rows: of a scored table.
        kept: bool (N,), which of them.
        by: column of the scores that order them.
        worst: the lowest first.
        width: most letters of a cell.
    """
    batches = rows.kept_batches(kept)
    found = [dict(zip(each, row, strict=True)) for each in batches for row in zip(*each.values(), strict=True)]
    found.sort(key=lambda row: float(row[by]), reverse=not worst)
    names = [name for name in (found[0] if found else ()) if name not in (by, "status", "message", "warnings")]
    told = [name for name in names if any(_told(row[name]) for row in found)][:4]
    cells = [[by, *told]] + [[f"{float(row[by]):.4f}", *(_told(row[name]) for name in told)] for row in found]
    widths = [min(width, max(map(len, column))) for column in zip(*cells, strict=True)]
    cut = [[cell if len(cell) <= width else f"{cell[: width - 3]}..." for cell in line] for line in cells]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cut]


def _told(value: Any) -> str:
    """Return what tells one row from another, on one line: a text, a path or a whole number; "" of anything else."""
    value = value.get("path") if isinstance(value, dict) else value
    telling = isinstance(value, str | int) and not isinstance(value, bool)
    return " ".join(str(value).split()) if telling else ""


def histogram_lines(values: np.ndarray, bins: int = 20, width: int = 40) -> list[str]:
    """Return a histogram of known values as lines of text, with how many rows a threshold there keeps.

    Example:
        >>> print("\\n".join(histogram_lines(np.array([0.0, 0.5, 0.5, 1.0]), bins=2, width=4)))
             from to  rows
           0.0000 0.5000     1 #                   keeps 4 (100.0 %)
           0.5000 1.0000     3 ####                keeps 3 (75.0 %)
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return ["no row has this score"]
    counts, edges = np.histogram(known, bins=bins)
    lines = ["     from to  rows"]
    for i, count in enumerate(counts):
        kept = int((known >= edges[i]).sum())
        bar = "#" * round(width * count / counts.max())
        lines.append(
            f"   {edges[i]:.4f} {edges[i + 1]:.4f} {count:5d} {bar:{max(width, 19)}s} keeps {kept} "
            f"({100 * kept / len(known):.1f} %)"
        )
    return lines
