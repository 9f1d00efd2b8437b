"""Which score follows the wrongness of captions best, in the toy world: ``python -m benchmarks.laboratory``.

Every score is measured by Kendall's tau_b with the number of right things in a caption: pooled over all clips, and
within each clip. Intervals are of a bootstrap by clip; the difference to plain EMScore (full_F, 10 uniform frames) is
paired.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import kendalltau

from benchmarks.laboratory_scores import GROUPS, Score, plain
from benchmarks.laboratory_world import Case, Laboratory, build

BASE = "plain EMScore"
DRAWS = 200


class Measured(NamedTuple):
    """A score on a task: tau pooled with its interval, tau within clips, and the difference to plain EMScore."""

    pooled: float
    interval: tuple[float, float]
    within: float
    difference: float
    difference_interval: tuple[float, float]


class Task:
    """The captions of a task, plain EMScore on them, and draws of clips; the same for every score: they are paired."""

    def __init__(self, lab: Laboratory, cases: Sequence[Case], draws: int, seed: int = 0) -> None:
        clips = np.array([case.clip for case in cases])
        self.lab, self.cases = lab, cases
        self.right = -np.array([case.severity for case in cases])
        self.members = [np.flatnonzero(clips == clip) for clip in np.unique(clips)]
        rng, count = np.random.default_rng(seed), len(self.members)
        self.rows = [np.concatenate([self.members[i] for i in rng.integers(count, size=count)]) for _ in range(draws)]
        self.base = self.taus(self.scores(plain()))

    def scores(self, score: Score) -> np.ndarray:
        """Score every case."""
        return score(self.lab, self.cases).numpy()

    def taus(self, scores: np.ndarray) -> np.ndarray:
        """Return tau pooled over all clips, then over those of each draw, (1 + draws,)."""
        return np.array([tau(scores[rows], self.right[rows]) for rows in (slice(None), *self.rows)])

    def measure(self, score: Score) -> Measured:
        """Measure a score, and its difference to plain EMScore."""
        scores = self.scores(score)
        found = self.taus(scores)
        return Measured(
            float(found[0]),
            _interval(found[1:]),
            float(np.mean([tau(scores[rows], self.right[rows]) for rows in self.members])),
            float(found[0] - self.base[0]),
            _interval(found[1:] - self.base[1:]),
        )


def tau(scores: np.ndarray, right: np.ndarray) -> float:
    """Kendall's tau_b; 0 where all scores are alike."""
    found = float(kendalltau(scores, right).statistic)
    return 0.0 if np.isnan(found) else found


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def run(lab: Laboratory, groups: Mapping[str, Mapping[str, Score]], draws: int) -> dict[str, dict[str, Any]]:
    """Measure every score on every task: results by group and name, then by task."""
    tasks = {name: Task(lab, cases, draws) for name, cases in lab.tasks.items()}
    results: dict[str, dict[str, Any]] = {}
    for group, scores in {"": {BASE: plain()}, **groups}.items():
        for name, score in scores.items():
            measured = {task: cases.measure(score)._asdict() for task, cases in tasks.items()}
            results.setdefault(group, {})[name] = measured
    return results


def markdown(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the results as tables. Bold: the interval of the difference to plain EMScore excludes 0."""
    heads = ["", "whole: tau", "95 %", "within clips", "to plain", "moment: tau", "to plain", "order: right of pairs"]
    lines = []
    for group, scores in results.items():
        lines += [f"\n**{group}**\n" if group else "", _row(heads), _row(["---"] * len(heads))]
        for name, tasks in scores.items():
            whole, moment, order = (tasks[task] for task in ("whole", "moment", "order"))
            low, high = whole["interval"]
            cells = [f"{whole['pooled']:.3f}", f"{low:.3f} to {high:.3f}", f"{whole['within']:.3f}", _difference(whole)]
            right = (1 + order["within"]) / 2
            lines.append(_row([name, *cells, f"{moment['pooled']:.3f}", _difference(moment), f"{right:.2f}"]))
    return "\n".join(lines).strip() + "\n"


def _difference(measured: Mapping[str, Any]) -> str:
    low, high = measured["difference_interval"]
    text = f"{measured['difference']:+.3f}"
    return f"**{text}**" if low > 0 or high < 0 else text


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the laboratory, print its tables, and write what they are made of."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.laboratory", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--clips", type=int, default=160, help="clips that captions are of (default: 160)")
    parser.add_argument("--draws", type=int, default=DRAWS, help=f"bootstrap draws of clips (default: {DRAWS})")
    parser.add_argument("--seed", type=int, default=0, help="another draws other clips (default: 0)")
    parser.add_argument("--model", default="toy", help="as clip_model_path (default: toy)")
    parser.add_argument("--quick", action="store_true", help="few clips and draws, to see that it runs")
    parser.add_argument("--out", default="build/benchmarks", help="folder for laboratory.json")
    options = parser.parse_args(arguments)
    clips, draws = (6, 20) if options.quick else (options.clips, options.draws)
    results = run(build(clips, 4 if options.quick else 32, options.model, options.seed), GROUPS, draws)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"clips": clips, "draws": draws, "seed": options.seed, "model": options.model}
    (folder / "laboratory.json").write_text(json.dumps({"settings": settings, "results": results}, indent=1) + "\n")
    print(markdown(results))


if __name__ == "__main__":
    main()
