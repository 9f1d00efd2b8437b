"""Compare systems by the scores of the same rows: which is better, and how sure is that?

Task: tables that ``vqe score``, ``score_dataset`` or ``compute(per_sample=True)`` made, a system each.
Conventions: rows are matched by video and id; what not all systems have, or one has no score for, is left out of all.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from vqe_core import registry
from vqe_core.errors import EnvironmentWarning, InputError, InputTypeError
from vqe_core.functional.statistics import (
    NUM_RESAMPLES,
    VideoSums,
    bca_interval,
    bootstrap_means,
    cohens_d,
    holm,
    jackknife_means,
    percentile_interval,
    probability_of_superiority,
    randomisation_p_values,
    sums_by_video,
    videos_needed,
)
from vqe_core.options import check_choice, check_count
from vqe_core.report.comparison import Comparison, PairedDifference, ScoreComparison, SystemMean
from vqe_core.scorers.rows import is_missing
from vqe_core.tables import read_environments, read_signatures, read_table

IntervalKind = Literal["percentile", "bca"]

# Columns that tell rows apart, where nobody names them: the first that all tables have.
VIDEO_KEYS = ("video_path", "video", "videos", "video_id")
ID_KEYS = ("id", "sample_id", "row_id")
SEGMENT_KEYS = ("start", "end")
# Fields that are signed only where there is such an input; scores that both tables have cannot depend on them.
_OF_AN_INPUT = ("sampler", "max_frames", "reader", "frame_aggregation", "multi_reference")


def compare(
    *tables: Any,
    names: Sequence[str] | None = None,
    score: str | None = None,
    interval: IntervalKind = "percentile",
    confidence: float = 0.95,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
    id_key: str | None = None,
    video_key: str | None = None,
    start_key: str | None = None,
    end_key: str | None = None,
) -> Comparison:
    """Compare two or more systems whose captions (or sounds) of the same rows were scored.

    Args:
        tables: one a system: a path (parquet, jsonl, json, csv), a ``datasets.Dataset``, or columns by name, such as a
            pandas data frame or ``result["samples"]`` with the ids beside them.
        names: of the systems. Default: names of the files, else A, B, C.
        score: the score to compare by. Default: the one that stands for the metric, with all others after it.
        interval: ``"percentile"`` or ``"bca"`` bootstrap, by video, expanded for few videos.
        confidence: of the intervals; a pair differs where its p-value is at most ``1 - confidence``. Default 0.95.
        num_resamples: of the bootstrap and of the test. Default 9999.
        seed: of both. The same tables and seed give the same numbers.
        id_key, video_key: columns that name the row and its video. Default: ``id`` and ``video_path`` or their kin,
            where all tables have them. Without ids, rows of one video are matched by segment and order.
        start_key, end_key: columns of the segment. Default: ``start`` and ``end``, where all tables have them.

    Returns:
        ``Comparison``; ``print`` shows its table.

    Raises:
        InputError: fewer than two tables, no score or no row that all have, or signatures that differ: it says where.
        InputTypeError: something that is no table.

    Warns:
        EnvironmentWarning: the scores were computed by different versions of libraries; also in ``notes``.

    Source:
        Bootstrap and approximate randomisation by video, see ``vqe_core.functional.statistics``; Holm's correction over
        all pairs of a score.

    Example:
        >>> rows = {"id": [1, 2, 3, 4, 5, 6], "video_path": ["a", "b", "c", "d", "e", "f"]}
        >>> good = {**rows, "clip_score": [0.9, 0.8, 0.9, 0.7, 0.8, 0.9]}
        >>> poor = {**rows, "clip_score": [0.2, 0.3, 0.1, 0.2, 0.4, 0.2]}
        >>> found = compare(poor, good, names=["poor", "good"])
        >>> found.ranking, found.headline.pairs[0].verdict
        (['good', 'poor'], 'good is better than poor')
    """
    check_choice("interval", interval, IntervalKind)
    check_count("num_resamples", num_resamples)
    if len(tables) < 2:
        raise InputError(f"compare takes two tables or more, got {len(tables)}; give one a system")
    systems = _named([_System.of(table) for table in tables], names)
    signatures, notes = _checked_signatures(systems)
    keys = _Keys.of(systems, id_key, video_key, (start_key, end_key))
    matched = _matched(systems, keys)
    chosen = _scores_of(systems, score)
    unmatched = {system.name: system.num_rows - len(matched.places[i]) for i, system in enumerate(systems)}
    how = _Settings(interval, confidence, num_resamples, seed)
    compared = how.compare_all(systems, matched, chosen)
    return Comparison(
        headline=compared[0],
        others=tuple(compared[1:]),
        matched_by=keys.words,
        num_unmatched={name: count for name, count in unmatched.items() if count},
        signatures=signatures,
        notes=tuple(notes),
        settings={"interval": interval, "confidence": confidence, "num_resamples": num_resamples, "seed": seed},
    )


@dataclass(frozen=True)
class _System:
    """One table with what is known of its scores.

    Attributes:
        name: of the system; empty where the table has none.
        columns: lists by name.
        signatures, environments: by metric.
        numbers: columns that were read as numbers.
    """

    name: str
    columns: Mapping[str, Sequence[Any]] = field(repr=False)
    signatures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    numbers: dict[str, Tensor] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, table: Any) -> _System:
        """Read a table of any kind."""
        if isinstance(table, str | os.PathLike):
            signatures = {signature["metric"]: signature for signature in read_signatures(table)}
            return cls(Path(table).stem, read_table(table), signatures, read_environments(table))
        if hasattr(table, "features") and hasattr(table, "info"):
            return cls._of_dataset(table)
        if hasattr(table, "to_dict") and hasattr(table, "columns"):  # pandas
            table = table.to_dict("list")
        if not isinstance(table, Mapping):
            raise InputTypeError(
                f"a table must be a path, a datasets.Dataset or columns by name, got {type(table).__name__}; of a "
                "dictionary of splits, give one split"
            )
        columns = {str(name): list(column) for name, column in table.items() if _is_column(column)}
        sizes = {name: len(column) for name, column in columns.items()}
        if not columns or len(set(sizes.values())) > 1:
            raise InputError(f"columns must have one entry a row, got lengths {sizes}")
        return cls("", columns)

    @classmethod
    def _of_dataset(cls, rows: Any) -> _System:
        from vqe_core.integrations.datasets.columns import stored_media
        from vqe_core.integrations.datasets.summary import signatures_of

        if not hasattr(rows, "__len__"):
            raise InputTypeError("a table must be in memory or on disk, and this is a stream; save it first")
        stored = stored_media(rows.with_format(None))
        known = signatures_of(rows)
        signatures = {metric: entry["signature"] for metric, entry in known.items() if entry.get("signature")}
        environments = {metric: entry.get("environment", {}) for metric, entry in known.items()}
        return cls("", {name: stored[name][:] for name in stored.column_names}, signatures, environments)

    @property
    def num_rows(self) -> int:
        """Rows of the table."""
        return len(next(iter(self.columns.values())))

    def score(self, name: str) -> Tensor:
        """Return a column of numbers, float64 (N,); NaN where there is none."""
        values = self.numbers.get(name)
        if values is None:
            values = self.numbers[name] = self._score(name)
        return values

    def _score(self, name: str) -> Tensor:
        try:
            values = torch.from_numpy(np.array(self.columns[name], dtype=np.float64))
        except (TypeError, ValueError):  # cells of text, or lists
            values = torch.tensor([_as_number(value) for value in self.columns[name]], dtype=torch.float64)
        if all(isinstance(value, bool) for value in self.columns[name]):  # a row that failed passes no filter either
            values = values.masked_fill(self._failed(name), math.nan)
        return values

    def _failed(self, flag: str) -> Tensor:
        """Tell which rows the metric of a flag has no score for, bool (N,)."""
        metric = next((m for m in registry.names("scorer") if _writes(m, flag)), None)
        numbers = [n for n in self.columns if metric and n != flag and _writes(metric, n) and self._is_scores(n)]
        if not numbers:
            return torch.zeros(self.num_rows, dtype=torch.bool)
        known = torch.stack([self.score(name).isfinite() for name in numbers])
        return ~known.any(dim=0)

    def _is_scores(self, name: str) -> bool:
        kinds = {type(value) for value in self.columns[name] if not is_missing(value)}
        return bool(kinds) and all(issubclass(kind, float | int) and kind is not bool for kind in kinds)

    def has_numbers(self, name: str) -> bool:
        """Tell whether a column holds numbers or truth values, and some of them are known."""
        return name in self.columns and bool(self.score(name).isfinite().any())


def _is_column(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str | bytes | Mapping)


def _as_number(value: Any) -> float:
    """Return a cell as a number; tables of text hold it as text."""
    if is_missing(value):
        return math.nan
    try:
        return float({"True": 1, "False": 0, "true": 1, "false": 0}.get(value, value) if type(value) is str else value)
    except (TypeError, ValueError):
        return math.nan


def _named(systems: Sequence[_System], names: Sequence[str] | None) -> list[_System]:
    """Give the systems the names of the user, else of their files, else letters; they must differ."""
    if names is not None:
        given = list(names)
        if len(given) != len(systems):
            raise InputError(f"names ({given}) must name {len(systems)} systems, one a table; got {len(given)}")
        if len(set(given)) != len(given) or not all(isinstance(name, str) and name for name in given):
            raise InputError(f"names ({given}) must be different words")
    else:
        known = [system.name for system in systems]
        letters = [chr(ord("A") + i % 26) * (1 + i // 26) for i in range(len(systems))]
        alike = len(set(known)) < len(known) or "" in known
        given = letters if alike else known
    return [
        _System(name, system.columns, system.signatures, system.environments)
        for name, system in zip(given, systems, strict=True)
    ]


def _checked_signatures(systems: Sequence[_System]) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
    """Return the signature of each metric, and notes on what differs beside it.

    Raises:
        InputError: two tables have different ones.
    """
    notes, signatures = [], dict[str, Mapping[str, Any]]()
    for metric in dict.fromkeys(metric for system in systems for metric in system.signatures):
        signed = [system for system in systems if metric in system.signatures]
        first = signed[0]
        for other in signed[1:]:
            differing = dict(_differences(first.signatures[metric], other.signatures[metric]))
            told = "; ".join(f"{name}: {a} in {first.name}, {b} in {other.name}" for name, (a, b) in differing.items())
            if differing:
                raise InputError(
                    f"{first.name} and {other.name} were scored by {metric} in different ways, so their numbers cannot "
                    f"be compared ({told}); score one of them again with the options of the other"
                )
            notes += _environment_notes(metric, first, other)
        signatures[metric] = first.signatures[metric]
    unsigned = [system.name for system in systems if not system.signatures]
    if unsigned:
        notes.append(
            f"{', '.join(unsigned)} carry no signature, so it cannot be told whether all were scored in the same way; "
            "parquet tables carry it"
        )
    return signatures, notes


def _environment_notes(metric: str, first: _System, other: _System) -> list[str]:
    one, two = (system.environments.get(metric, {}) for system in (first, other))
    if not one or not two:
        return []
    told = [f"{name} {a} in {first.name}, {b} in {other.name}" for name, (a, b) in _differences(one, two)]
    if not told:
        return []
    note = f"{metric} was computed by other versions, which may move scores by a little: {'; '.join(told)}"
    warnings.warn(note, EnvironmentWarning, stacklevel=4)
    return [note]


def _differences(one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield name and both values of each field that differs, nested ones by their path."""
    for name in dict.fromkeys((*one, *two)):
        a, b = one.get(name), two.get(name)
        if a == b or (name in _OF_AN_INPUT and (name not in one or name not in two)):
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from ((f"{name}.{inner}", values) for inner, values in _differences(a, b))
        else:
            yield name, (_shown(a), _shown(b))


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)


@dataclass(frozen=True)
class _Keys:
    """Columns by which rows are matched, None for one that is not used."""

    video: str | None
    id: str | None
    segment: tuple[str, ...]

    @classmethod
    def of(
        cls,
        systems: Sequence[_System],
        id_key: str | None,
        video_key: str | None,
        segment: tuple[str | None, str | None],
    ) -> _Keys:
        """Choose the columns: those that are named, else the usual ones that all tables have."""
        named = {"id_key": id_key, "video_key": video_key, "start_key": segment[0], "end_key": segment[1]}
        for option, name in named.items():
            lacking = [system.name for system in systems if name is not None and name not in system.columns]
            if lacking:
                raise InputError(f"{option} ({name!r}) is no column of {', '.join(lacking)}; name one that all have")

        def first(usual: Sequence[str]) -> str | None:
            return next((name for name in usual if all(name in system.columns for system in systems)), None)

        times = tuple(given or first((usual,)) for given, usual in zip(segment, SEGMENT_KEYS, strict=True))
        return cls(video_key or first(VIDEO_KEYS), id_key or first(ID_KEYS), tuple(filter(None, times)))

    @property
    def words(self) -> str:
        """By what rows are matched, in words."""
        if self.id is not None:
            video = f"video ({self.video}) and " if self.video else ""
            return f"{video}id ({self.id}){'' if self.video else ', each row as a video of its own'}"
        if self.video is None:
            return "their order, each row as a video of its own"
        segment = f", segment ({', '.join(self.segment)})" if self.segment else ""
        return f"video ({self.video}){segment} and order within it"

    def of_rows(self, system: _System) -> list[tuple[Any, ...]]:
        """Return the key of each row; its first entry names the video."""
        parts = [list(map(_seconds if name in self.segment else _cell, system.columns[name])) for name in self._columns]
        seen: dict[tuple[Any, ...], int] = {}
        keys = []
        for cells in zip(*parts, strict=True) if parts else ((),) * system.num_rows:
            turn = seen[cells] = seen.get(cells, -1) + 1  # several rows of one video, or of one id: in their order
            keys.append((*cells, turn))
        return keys

    @property
    def _columns(self) -> list[str]:
        by_row = (self.id,) if self.id is not None else self.segment
        return [name for name in (self.video, *by_row) if name is not None]


def _cell(value: Any) -> Any:
    """Return a cell in a form that can be looked up, equal for equal videos."""
    if isinstance(value, str) or is_missing(value):
        return value if isinstance(value, str) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):  # csv holds numbers as text
        return str(value)
    if isinstance(value, Mapping) and ("path" in value or "bytes" in value):
        data = value.get("bytes")
        value = value.get("path") if data is None else hashlib.sha256(data).hexdigest()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return value if isinstance(value, str) else json.dumps(value, default=repr, sort_keys=True)


def _seconds(value: Any) -> Any:
    """Return the cell of a segment, of text too, as a number."""
    number = _as_number(value)
    return None if math.isnan(number) else number


@dataclass(frozen=True)
class _Matched:
    """Rows that all systems have.

    Attributes:
        places: by system, the number of each such row in its table.
        videos: int64 (M,), equal for rows of one video.
    """

    places: tuple[Sequence[int], ...]
    videos: Tensor


def _matched(systems: Sequence[_System], keys: _Keys) -> _Matched:
    by_system = [{key: place for place, key in enumerate(keys.of_rows(system))} for system in systems]
    # In an order that is that of no table, so that the numbers do not depend on it.
    common = sorted((key for key in by_system[0] if all(key in places for places in by_system[1:])), key=repr)
    if not common:
        firsts = [next(iter(places))[:-1] for places in by_system]
        examples = " and ".join(f"{key} in {system.name}" for key, system in zip(firsts, systems, strict=True))
        raise InputError(
            f"no row is in all tables, matched by {keys.words}: there is {examples}; name the columns that tell rows "
            "apart by id_key and video_key"
        )
    numbers: dict[Any, int] = {}
    videos = [numbers.setdefault(key[0] if keys.video else key, len(numbers)) for key in common]
    return _Matched(tuple([places[key] for key in common] for places in by_system), torch.tensor(videos))


def _writes(metric: str, name: str) -> bool:
    return bool(registry.load("scorer", metric)().writes_score(name))


def _scores_of(systems: Sequence[_System], score: str | None) -> list[str]:
    """Return the scores to compare by: the one that is named, or the headline of the metrics and all others."""
    if score is not None:
        lacking = [system.name for system in systems if not system.has_numbers(score)]
        if lacking:
            shared = [name for name in systems[0].columns if all(s.has_numbers(name) for s in systems)]
            raise InputError(
                f"score ({score!r}) is no column of numbers in {', '.join(lacking)}; all have {', '.join(shared)}"
            )
        return [score]
    found, headlines = list[str](), list[str]()
    for metric in registry.names("scorer"):
        scorer = registry.load("scorer", metric)()
        written = [name for name in systems[0].columns if scorer.writes_score(name)]
        names = [name for name in written if all(system.has_numbers(name) for system in systems)]
        found += [name for name in names if name not in found]
        headlines += [name for name in scorer.headlines if name in names] or names[:1]
    if not found:
        raise InputError(
            f"no score of a metric is in all tables; {systems[0].name} has {', '.join(systems[0].columns)}; score them "
            "first, or name a column by score"
        )
    return [headlines[0], *(name for name in found if name != headlines[0])]


@dataclass(frozen=True)
class _Settings:
    """Settings of the statistics."""

    interval: IntervalKind
    confidence: float
    num_resamples: int
    seed: int

    def compare_all(self, systems: Sequence[_System], matched: _Matched, names: Sequence[str]) -> list[ScoreComparison]:
        """Compare by each score; scores of the same rows share their resamples."""
        by_rows: dict[bytes, list[tuple[str, Tensor]]] = {}
        for name in names:
            columns = [system.score(name)[places] for system, places in zip(systems, matched.places, strict=True)]
            scores = torch.stack(columns)
            known = scores.isfinite().all(dim=0)
            if not bool(known.any()):
                if name == names[0]:
                    raise InputError(f"no row has {name!r} in all tables; score them again, see their status column")
                continue
            by_rows.setdefault(known.numpy().tobytes(), []).append((name, scores))
        found: dict[str, ScoreComparison] = {}
        for group in by_rows.values():
            known = group[0][1].isfinite().all(dim=0)
            scores = torch.cat([scores[:, known] for _, scores in group])
            sums = sums_by_video(scores, matched.videos[known])
            found |= self._compare([name for name, _ in group], [s.name for s in systems], sums, int((~known).sum()))
        return [found[name] for name in names if name in found]

    def _compare(
        self, scores: Sequence[str], systems: Sequence[str], sums: VideoSums, num_failed: int
    ) -> dict[str, ScoreComparison]:
        """Compare by scores of the same rows, (scores x systems) sets one after the other."""
        means, size = sums.means.tolist(), len(systems)
        drawn, left_out = self._drawn(sums)
        ranked = [
            sorted(range(start, start + size), key=lambda i: -means[i]) for start in range(0, len(scores) * size, size)
        ]
        pairs = torch.tensor([pair for order in ranked for pair in itertools.combinations(order, 2)])
        intervals = self._intervals(drawn, sums.means, left_out).tolist()
        differences = self._pairs(sums, pairs, drawn, left_out, len(scores))
        per_score = len(differences) // len(scores)
        found = {}
        for number, (score, order) in enumerate(zip(scores, ranked, strict=True)):
            rows = tuple(SystemMean(systems[i % size], means[i], *intervals[i]) for i in order)
            own = differences[number * per_score : (number + 1) * per_score]
            named = tuple(
                PairedDifference(systems[a % size], systems[b % size], *values)
                for (a, b), values in zip(itertools.combinations(order, 2), own, strict=True)
            )
            num_rows, num_videos = int(sums.counts.sum()), len(sums.counts)
            found[score] = ScoreComparison(score, num_rows, num_videos, rows, named, num_failed)
        return found

    def _drawn(self, sums: VideoSums) -> tuple[Tensor, Tensor]:
        drawn = bootstrap_means(sums, seed=self.seed, num_resamples=self.num_resamples)
        return drawn, jackknife_means(sums)

    def _intervals(self, drawn: Tensor, estimate: Tensor, left_out: Tensor) -> Tensor:
        if len(left_out) < 2:  # one video says nothing of others
            return torch.full((len(estimate), 2), math.nan, dtype=torch.float64)
        if self.interval == "percentile":
            return percentile_interval(drawn, self.confidence, len(left_out))
        return bca_interval(drawn, estimate, left_out, self.confidence, expanded=True)

    def _pairs(
        self, sums: VideoSums, pairs: Tensor, drawn: Tensor, left_out: Tensor, num_scores: int
    ) -> list[tuple[Any, ...]]:
        """Return the fields of ``PairedDifference`` after the names, a tuple a pair."""
        first, second = pairs.T
        difference = sums.means[first] - sums.means[second]
        # Some pairs at a time: the resamples of all of them would fill the memory.
        intervals = torch.cat(
            [
                self._intervals(drawn[:, a] - drawn[:, b], d, left_out[:, a] - left_out[:, b])
                for a, b, d in zip(*(torch.split(each, 64) for each in (first, second, difference)), strict=True)
            ]
        )
        p_values = randomisation_p_values(sums, pairs, seed=self.seed, num_resamples=self.num_resamples)
        adjusted = torch.cat([holm(family) for family in p_values.chunk(num_scores)])
        sizes = (cohens_d(sums, pairs), probability_of_superiority(sums, pairs), videos_needed(sums, pairs))
        level = 1 - self.confidence + 1e-12
        columns = (difference, *intervals.T, p_values, adjusted, *sizes)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [(*row, row[4] <= level) for row in rows]
