"""Run a benchmark: scores in, figures with intervals out, beside those that were published."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.meta_eval.base import Benchmark, Observations, Published, Release, needed
from vqe_core.meta_eval.correlations import Interval, intervals
from vqe_core.meta_eval.scoring import (
    Scored,
    kind_of,
    make_scorer,
    scores_by_metric,
    scores_by_text_metric,
    scores_from_table,
    with_idf,
)

_INPUTS = {"V": "video", "T": "references", "VT": "video and references"}


@dataclass(frozen=True)
class MetaEvalReport:
    """Report of a benchmark on some scores.

    Attributes:
        benchmark: its spec.
        title, source, scale, statistics: see ``Benchmark``.
        figures: with 95 % intervals, by score and statistic, in natural units.
        published: of others.
        agreement: the same figures of raters against each other, where there are several.
        num_items, num_videos: captions and videos of the release.
        num_scored: captions with a score, by score.
        notes: in what this run differs from the published one.
        signature: what computed the scores, where it is known.
    """

    benchmark: str
    title: str
    source: str
    scale: float
    statistics: tuple[str, ...]
    figures: Mapping[str, Mapping[str, Interval]]
    published: tuple[Published, ...]
    agreement: Mapping[str, float]
    num_items: int
    num_videos: int
    num_scored: Mapping[str, int]
    notes: tuple[str, ...] = ()
    signature: Mapping[str, Any] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return the report as lines for a terminal."""
        rows = self._rows()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        body = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        sources = [f"[{i}] {source}" for i, source in enumerate(self._sources(), start=1)]
        notes = [f"note: {note}" for note in self.notes]
        signature = [f"signature: {json.dumps(self.signature)}"] if self.signature else []
        return [self._heading(), *body, *sources, *notes, *signature]

    def markdown(self) -> str:
        """Return the report as a table in Markdown."""
        rows = [[cell.replace("|", "\\|") for cell in row] for row in self._rows()]
        table = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
        sources = [f"{i}. {source}" for i, source in enumerate(self._sources(), start=1)]
        parts = [
            self._heading(),
            "\n".join(f"| {' | '.join(row)} |" for row in table),
            "\n".join(sources),
            "\n".join(f"Note: {note}" for note in self.notes),
        ]
        return "\n\n".join(part for part in parts if part)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON, None for a number that there is not."""
        return {
            "benchmark": self.benchmark,
            "source": self.source,
            "num_items": self.num_items,
            "num_videos": self.num_videos,
            "num_scored": dict(self.num_scored),
            "figures": {
                score: {name: {key: _json(x) for key, x in found._asdict().items()} for name, found in figures.items()}
                for score, figures in self.figures.items()
            },
            "agreement_of_raters": {name: _json(value) for name, value in self.agreement.items()},
            "published": [
                {"metric": each.metric, "inputs": each.inputs, **each.values, "source": each.source}
                for each in self.published
            ],
            "notes": list(self.notes),
            "signature": dict(self.signature),
        }

    def _heading(self) -> str:
        unit = f", x {self.scale:g}" if self.scale != 1 else ""
        return f"{self.title} ({self.benchmark}): {self.num_items} captions of {self.num_videos} videos{unit}"

    def _sources(self) -> list[str]:
        return list(dict.fromkeys([self.source, *(each.source for each in self.published)]))

    def _rows(self) -> list[list[str]]:
        sources = self._sources()
        rows = [["metric", "judged by", *self.statistics, "source"]]
        for score, figures in self.figures.items():
            counted = self.num_scored[score]
            name = score if counted == self.num_items else f"{score} ({counted} of {self.num_items} captions)"
            rows.append([name, "", *(self._with_interval(figures[each]) for each in self.statistics), "this run"])
        if self.agreement:
            values = [self._number(self.agreement.get(each)) for each in self.statistics]
            rows.append(["raters with each other", "", *values, "this run"])
        for each in self.published:
            values = [self._number(each.values.get(name)) for name in self.statistics]
            rows.append([each.metric, _INPUTS[each.inputs], *values, f"[{sources.index(each.source) + 1}]"])
        return rows

    def _with_interval(self, found: Interval) -> str:
        if math.isnan(found.low):
            return self._number(found.value)
        return f"{self._number(found.value)} [{self._number(found.low)}, {self._number(found.high)}]"

    def _number(self, value: float | None) -> str:
        if value is None or math.isnan(value):
            return "-"
        return f"{value * self.scale:.1f}" if self.scale != 1 else f"{value:.3f}"


def run_benchmark(
    benchmark: str | Benchmark,
    folder: str | os.PathLike[str],
    *,
    scorer: Any = None,
    options: Mapping[str, Any] | None = None,
    videos: str | os.PathLike[str] | None = None,
    scores: str | os.PathLike[str] | Mapping[str, Sequence[Any]] | None = None,
    columns: Sequence[str] = (),
    id_key: str = "id",
    text_metric: str | None = None,
    partial: bool = False,
    num_resamples: int = 1000,
    seed: int = 0,
) -> MetaEvalReport:
    """Ask a published benchmark how well a metric agrees with people.

    Args:
        benchmark: its name, alone or with options (``"vatex-eval:num_references=9"``), or an object.
        folder: of the release, in the layout of its authors.
        scorer: a metric by name, with the options of the published protocol, or a scorer object, with its own. Default:
            the benchmark's.
        options: of the metric named, in place of the protocol's.
        videos: folder of the video files, called as the release calls them. Default: what the release holds.
        scores: a table of scores in place of a metric, or its columns.
        columns: which scores. Of a table they must be named; default of a metric: what papers report of it.
        id_key: column of the ids in the table.
        text_metric: ``"unigram-precision"`` or ``"rouge-l"`` in place of a metric.
        partial: go on without what is absent, where the protocol can, and note it.
        num_resamples: draws for the intervals. 0: none.
        seed: of the draws.

    Returns:
        The report.

    Raises:
        InputError: no such benchmark, metric, option, column or file, or more than one kind of scores asked for.
        ModelNotFoundError, ModelError: a model cannot be had.

    Example:
        >>> import json
        >>> entry = {"vname": "a.avi", "ref": ["a red square"], "human_score": [[5, 4, 4, 5, 4.5], [4, 4, 4, 4, 4]]}
        >>> other = {**entry, "vname": "b.avi", "human_score": [[1, 2, 1, 2, 1.5], [2, 2, 2, 2, 2]]}
        >>> release = {"1": {**entry, "candidate": "a red square"}, "2": {**other, "candidate": "a cat"}}
        >>> folder = getfixture("tmp_path")
        >>> _ = (folder / "MSVD-Eval.json").write_text(json.dumps(release))
        >>> report = run_benchmark("msvd-eval", folder, text_metric="rouge-l", num_resamples=0)
        >>> round(report.figures["rouge-l"]["tau_b"].value, 3)
        0.816
    """
    chosen: Benchmark = registry.choose("benchmark", benchmark, option="benchmark", methods=("load", "figures"))
    ways = {"scorer": scorer, "scores": scores, "text_metric": text_metric}
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} exclude each other; give one")
    release = chosen.load(Path(folder), partial=partial)
    if scores is not None:
        scored = scores_from_table(release, scores, columns, id_key)
    elif text_metric is not None:
        scored = scores_by_text_metric(release, text_metric)
    else:
        scored = _by_scorer(chosen, Path(folder), release, scorer, options or {}, videos, partial)
    return report_of(chosen, release, _kept(chosen, scored, columns), num_resamples, seed)


def _by_scorer(
    benchmark: Benchmark,
    folder: Path,
    release: Release,
    scorer: Any,
    options: Mapping[str, Any],
    videos: Any,
    partial: bool,
) -> Scored:
    """Score by a metric; one that is named gets the protocol's options and token weights."""
    if scorer is not None and not isinstance(scorer, str):
        if options:
            raise InputError("options belong to a metric that is named; give them to the scorer itself")
        return scores_by_metric(benchmark, release, scorer, videos)
    made = make_scorer(benchmark, scorer or benchmark.scorer, kind_of(release, videos), options)
    notes: tuple[str, ...] = ()
    if benchmark.idf_file and hasattr(made, "idf") and "idf" not in options:
        if partial and not (folder / benchmark.idf_file).exists():
            notes = (f"no {benchmark.idf_file}: all words weigh the same",)
        else:
            (path,) = needed(folder, [benchmark.idf_file], benchmark.layout)
            made = with_idf(made, benchmark.read_corpus(path))
    scored = scores_by_metric(benchmark, release, made, videos)
    return replace(scored, notes=(*notes, *scored.notes))


def _kept(benchmark: Benchmark, scored: Scored, columns: Sequence[str]) -> Scored:
    """Keep the scores that are asked for, else those that papers report, else all."""
    metric = str(scored.signature.get("metric"))
    wanted = list(columns) or [name for name in benchmark.headlines.get(metric, ()) if name in scored.columns]
    unknown = [name for name in wanted if name not in scored.columns]
    if unknown:
        raise InputError(f"there is no score {unknown[0]!r}; there are {', '.join(scored.columns)}")
    kept = {name: scored.columns[name] for name in wanted} if wanted else scored.columns
    return Scored(kept, scored.signature, scored.notes)


def report_of(
    benchmark: Benchmark, release: Release, scored: Scored, num_resamples: int = 1000, seed: int = 0
) -> MetaEvalReport:
    """Compute the figures of a protocol from scores, with intervals by video.

    Raises:
        InputError: no caption has a score.
    """
    figures = {}
    for name, values in scored.columns.items():
        if np.isnan(values).all():
            raise InputError(f"no caption has the score {name!r}")
        figures[name] = _figures(benchmark, benchmark.observe(release, values), num_resamples, seed)
    return MetaEvalReport(
        benchmark=registry.spec_of(benchmark),
        title=benchmark.title,
        source=benchmark.source,
        scale=benchmark.scale,
        statistics=benchmark.statistics,
        figures=figures,
        published=benchmark.published,
        agreement=benchmark.agreement(release),
        num_items=len(release.items),
        num_videos=len(release.videos),
        num_scored={name: int((~np.isnan(values)).sum()) for name, values in scored.columns.items()},
        notes=(*release.notes, *scored.notes),
        signature=scored.signature,
    )


def _figures(benchmark: Benchmark, whole: Observations, num_resamples: int, seed: int) -> dict[str, Interval]:
    def drawn(rows: np.ndarray) -> dict[str, float]:
        return benchmark.figures(Observations(whole.scores[rows], whole.labels[rows], whole.groups[rows]))

    return intervals(drawn, whole.groups, num_resamples, seed)


def rows_of(release: Release, videos: str | os.PathLike[str] | None = None) -> dict[str, list[Any]]:
    """Return the captions of a release as columns, for any metric to score and any program to read.

    Args:
        release: as ``Benchmark.load`` gave it.
        videos: folder that the paths of videos begin with.

    Returns:
        ``id``, ``candidate``, ``reference`` (a list), ``video_path``, and ``start`` and ``end`` (s) where captions are
        about segments.
    """
    place = "" if videos is None else os.fspath(videos)
    columns: dict[str, list[Any]] = {
        "id": [item.id for item in release.items],
        "candidate": [item.candidate for item in release.items],
        "reference": [list(item.references) for item in release.items],
        "video_path": [os.path.join(place, f"{item.video}.mp4") for item in release.items],
    }
    if any(item.segment for item in release.items):
        columns["start"] = [item.segment and item.segment[0] for item in release.items]
        columns["end"] = [item.segment and item.segment[1] for item in release.items]
    return columns


def _json(value: float) -> float | None:
    return None if math.isnan(value) else value
