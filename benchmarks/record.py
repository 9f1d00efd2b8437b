"""Repetitions to medians and ratios, written as JSON."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import describe

# What each repetition of a row has measured, by its name: {"wall_s": 1.2, "cpu_s": 2.1, ...}
Samples = Mapping[str, Sequence[Mapping[str, float]]]


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Summarise values: median, smallest, largest, and all in the order they were taken."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "all": list(values)}


@dataclass
class Group:
    """Rows that are compared with each other.

    Attributes:
        title: what was done.
        samples: measurements by row; repetition i of every row was taken in turn i.
        baseline: the row that ratios refer to, or None for no ratios.
        measure: which measurement the ratio divides: baseline / row, so that 2 is twice as good.
        grows: the other way round, row / baseline, for tables of how a cost grows.
        notes: a word on a row, by its name.
    """

    title: str
    samples: Samples
    baseline: str | None = None
    measure: str = "wall_s"
    grows: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return every measurement of every row in summary; ratios are made pair by pair within a repetition."""
        return {
            "title": self.title,
            "baseline": self.baseline,
            "measure": self.measure,
            "grows": self.grows,
            "rows": [self._row(name) for name in self.samples],
        }

    def ratios(self, row: str, over: str | None = None, measure: str | None = None) -> list[float]:
        """Return ``over`` (default: the baseline) divided by ``row``, or the inverse, repetition by repetition."""
        name = measure or self.measure
        pairs = zip(self.samples[over or self.baseline or row], self.samples[row], strict=True)
        return [mine[name] / other[name] if self.grows else other[name] / mine[name] for other, mine in pairs]

    def values(self, row: str, measure: str) -> list[float]:
        """Return one measurement of a row, repetition by repetition."""
        return [sample[measure] for sample in self.samples[row]]

    def _row(self, name: str) -> dict[str, Any]:
        measures = {key: summary(self.values(name, key)) for key in self.samples[name][0]}
        ratio = summary(self.ratios(name)) if self.baseline is not None else None
        return {"name": name, "note": self.notes.get(name, ""), "ratio": ratio, **measures}


@dataclass(frozen=True)
class Target:
    """A goal and what was reached: ``value`` must be at least ``at_least``, or at most ``at_most``."""

    text: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the fields with ``met``, which is False for a value that is no number."""
        above = self.at_least is None or self.value >= self.at_least
        met = above and (self.at_most is None or self.value <= self.at_most)
        bound = {"at_least": self.at_least, "at_most": self.at_most}
        return {"text": self.text, "value": self.value, **bound, "met": bool(met)}


@dataclass
class Record:
    """A benchmark's result.

    Attributes:
        name: of the module.
        title: one line.
        settings: what was asked for.
        groups, targets: the numbers.
        checks: what shows that the rows did the same work, for example how far scores differ.
        notes: what a reader must know, for example what was left out and why.
    """

    name: str
    title: str
    settings: dict[str, Any]
    groups: list[Group] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    checks: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> Path:
        """Save as ``<name>.json`` and print the tables."""
        from benchmarks.tables import markdown

        content = {
            "benchmark": self.name,
            "title": self.title,
            "machine": describe(),
            "load_at_end": os.getloadavg(),
            "settings": self.settings,
            "groups": [group.as_json() for group in self.groups],
            "targets": [target.as_json() for target in self.targets],
            "checks": self.checks,
            "notes": self.notes,
        }
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        print(markdown(content))
        return path
