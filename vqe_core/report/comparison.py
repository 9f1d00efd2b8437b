"""Comparison of systems: what was found, and the forms in which people want it.

Task: a table in the terminal, json, csv, markdown, latex, one HTML page.
Conventions: differences are those of means over rows, intervals and tests are by video (``functional.statistics``).
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vqe_core.errors import InputError


@dataclass(frozen=True)
class SystemMean:
    """Mean of one system.

    Attributes:
        name: of the system.
        mean: over the rows that all systems have.
        low, high: interval of the mean.
    """

    name: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two systems on the same rows.

    Attributes:
        first, second: names, the one with the higher mean first.
        difference: mean of the first minus mean of the second, at least 0.
        low, high: interval of the difference.
        p_value: of approximate randomisation, two-sided.
        p_adjusted: the same after Holm's correction for all pairs of the score.
        cohens_d: difference by video, in its standard deviations; NaN where nothing varies.
        superiority: share of videos for which the first is ahead, ties half.
        videos_needed: to see this difference in 80 % of samples, if it is the true one; infinite for no difference.
        differs: whether ``p_adjusted`` is at most the level.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p_value: float
    p_adjusted: float
    cohens_d: float
    superiority: float
    videos_needed: float
    differs: bool

    @property
    def verdict(self) -> str:
        """Verdict in words."""
        return f"{self.first} is better than {self.second}" if self.differs else "no difference seen"

    def power_line(self, num_videos: int) -> str:
        """Return in words how many videos the observed difference needs."""
        if not math.isfinite(self.videos_needed):
            return "no number of videos can be named that would show a difference"
        needed = f"{self.videos_needed:,.0f} videos"
        return f"to see a difference of {self.difference:.4f} in 80 % of samples takes {needed} (here {num_videos:,})"


@dataclass(frozen=True)
class ScoreComparison:
    """Comparison by one score.

    Attributes:
        score: its name.
        num_rows, num_videos: that all systems have.
        systems: the best first.
        pairs: every two systems, in the order of ``systems``.
        num_failed: rows that some system has no score for, though all have the row; left out of all.
    """

    score: str
    num_rows: int
    num_videos: int
    systems: tuple[SystemMean, ...]
    pairs: tuple[PairedDifference, ...]
    num_failed: int = 0


@dataclass(frozen=True)
class Comparison:
    """Result of ``compare``.

    Attributes:
        headline: comparison by the score that stands for all.
        others: by the other scores.
        matched_by: by what rows of the tables were found to be the same.
        num_unmatched: rows by system that not all systems have; left out of all.
        signatures: by metric, what made the scores; empty of tables that carry none.
        notes: what a reader must know: other versions, no signature, rows left out.
        settings: confidence, interval, resamples and seed.
    """

    headline: ScoreComparison
    others: tuple[ScoreComparison, ...]
    matched_by: str
    num_unmatched: Mapping[str, int]
    signatures: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]
    settings: Mapping[str, Any]

    @property
    def scores(self) -> tuple[ScoreComparison, ...]:
        """All comparisons, the headline first."""
        return (self.headline, *self.others)

    @property
    def ranking(self) -> list[str]:
        """Names of the systems, the best by the headline first."""
        return [system.name for system in self.headline.systems]

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values; what is not finite is None."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        for entry, score in zip((plain["headline"], *plain["others"]), self.scores, strict=True):
            for pair, found in zip(entry["pairs"], score.pairs, strict=True):
                pair["verdict"] = found.verdict
        return {"ranking": self.ranking, **plain}

    def render(self, form: str = "table") -> str:
        """Return it as text: ``"table"``, ``"json"``, ``"csv"``, ``"markdown"``, ``"latex"`` or ``"html"``.

        Raises:
            InputError: another form.
        """
        if form not in FORMS:
            raise InputError(f"format ({form!r}) must be one of {', '.join(FORMS)}")
        return FORMS[form](self)

    def __str__(self) -> str:
        return self.render()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_Grid = tuple[list[str], list[list[str]]]


def _number(value: float, digits: int = 4) -> str:
    return "–" if math.isnan(value) else "∞" if math.isinf(value) else f"{value + 0.0:.{digits}f}"


def _p(value: float) -> str:
    return "<.0001" if value < 0.0001 else f"{value:.4f}".removeprefix("0")


def _count(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else _number(value)


def systems_grid(score: ScoreComparison, percent: str) -> _Grid:
    """Return head and rows of the table of means."""
    rows = [
        [str(rank), s.name, _number(s.mean), f"[{_number(s.low)}, {_number(s.high)}]"]
        for rank, s in enumerate(score.systems, start=1)
    ]
    return ["", "system", "mean", f"{percent} interval"], rows


def pairs_grid(score: ScoreComparison, percent: str) -> _Grid:
    """Return head and rows of the table of pairs."""
    several = len(score.pairs) > 1
    head = ["pair", "difference", f"{percent} interval", "p", *(["p (Holm)"] if several else [])]
    rows = []
    for pair in score.pairs:
        p_values = [_p(pair.p_value), *([_p(pair.p_adjusted)] if several else [])]
        sizes = [_number(pair.cohens_d, 2), _number(pair.superiority, 2), _count(pair.videos_needed)]
        interval = f"[{_number(pair.low)}, {_number(pair.high)}]"
        names = f"{pair.first} - {pair.second}"
        rows.append([names, _number(pair.difference), interval, *p_values, *sizes, pair.verdict])
    return [*head, "d", "P(better)", "videos for 80 %", "verdict"], rows


def scores_grid(comparison: Comparison) -> _Grid:
    """Return head and rows of the table of all scores: the mean of each system, and what differs from the best."""
    names = comparison.ranking
    rows = []
    for score in comparison.scores:
        means = {system.name: _number(system.mean) for system in score.systems}
        best = score.systems[0].name
        against = [pair for pair in score.pairs if best in (pair.first, pair.second)]
        beaten = [pair.second for pair in against if pair.differs]
        verdict = "no difference seen"
        if beaten:
            others = "all others" if len(beaten) == len(names) - 1 and len(beaten) > 1 else ", ".join(beaten)
            verdict = f"{best} is better than {others}"
        rows.append([score.score, *(means[name] for name in names), verdict])
    return ["score", *names, "verdict"], rows


def _percent(comparison: Comparison) -> str:
    return f"{100 * comparison.settings['confidence']:g} %"


def _aligned(grid: _Grid) -> list[str]:
    head, rows = grid
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    numeric = [all(_is_numeric(row[i]) for row in rows) for i in range(len(head))]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in (head, *rows)
    ]


def _is_numeric(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("-", "").replace("<", "").isdigit() or cell in "–∞"


def about(score: ScoreComparison, comparison: Comparison) -> str:
    """Return in words what was compared."""
    left_out = sum(comparison.num_unmatched.values())
    words = f"{score.num_rows:,} rows of {score.num_videos:,} videos, matched by {comparison.matched_by}"
    failed = f"; {score.num_failed:,} left out, as a system has no score for them" if score.num_failed else ""
    return words + failed + (f"; {left_out:,} left out, as not all systems have them" if left_out else "")


def method_line(comparison: Comparison) -> str:
    """Return in words how it was computed."""
    settings = comparison.settings
    kind = {"bca": "BCa", "percentile": "percentile"}[settings["interval"]]
    return (
        f"intervals: {kind} bootstrap by video; p: approximate randomisation by video; "
        f"{settings['num_resamples']:,} resamples, seed {settings['seed']}; level {1 - settings['confidence']:.2g}"
    )


def to_table(comparison: Comparison) -> str:
    """Return aligned text for a terminal."""
    score, percent = comparison.headline, _percent(comparison)
    lines = [f"{score.score}: {about(score, comparison)}", "", *_aligned(systems_grid(score, percent)), ""]
    lines += _aligned(pairs_grid(score, percent))
    lines += ["", *verdict_lines(score)]
    if comparison.others:
        lines += ["", *_aligned(scores_grid(comparison))]
    lines += ["", method_line(comparison), *(f"note: {note}" for note in comparison.notes)]
    return "\n".join(lines)


def verdict_lines(score: ScoreComparison) -> list[str]:
    """Return a line for the best system and each of the others: the verdict, and how many videos it needs."""
    if len(score.pairs) == 1:
        return [f"{score.pairs[0].verdict}: {score.pairs[0].power_line(score.num_videos)}"]
    pairs = [pair for pair in score.pairs if pair.first == score.systems[0].name]
    return [f"{p.first}, {p.second}: {p.verdict}; {p.power_line(score.num_videos)}" for p in pairs]


def to_markdown(comparison: Comparison) -> str:
    """Return pipe tables."""
    score, percent = comparison.headline, _percent(comparison)
    parts = [f"**{score.score}**: {about(score, comparison)}"]
    grids = [systems_grid(score, percent), pairs_grid(score, percent)]
    for grid in [*grids, *([scores_grid(comparison)] if comparison.others else [])]:
        head, rows = grid
        lines = [head, ["---"] * len(head), *rows]
        parts.append("\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines))
    parts += [method_line(comparison), *(f"Note: {note}" for note in comparison.notes)]
    return "\n\n".join(parts)


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "∞": r"$\infty$", "–": "--", "<": r"$<$", ">": r"$>$",
}  # fmt: skip


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def to_latex(comparison: Comparison) -> str:
    """Return tables for the package booktabs."""
    score, percent = comparison.headline, _percent(comparison)
    grids = [systems_grid(score, percent), pairs_grid(score, percent)]
    parts = [f"% {score.score}: {about(score, comparison)}"]
    for head, rows in [*grids, *([scores_grid(comparison)] if comparison.others else [])]:
        numeric = [all(_is_numeric(row[i]) for row in rows) for i in range(len(head))]
        columns = "".join("r" if right else "l" for right in numeric)
        body = [" & ".join(map(_latex, row)) + r" \\" for row in (head, *rows)]
        parts.append("\n".join([rf"\begin{{tabular}}{{{columns}}}", r"\toprule", body[0], r"\midrule", *body[1:],
                                r"\bottomrule", r"\end{tabular}"]))  # fmt: skip
    parts += [f"% {line}" for line in (method_line(comparison), *comparison.notes)]
    return "\n\n".join(parts)


def to_json(comparison: Comparison) -> str:
    """Return JSON of ``to_dict``."""
    return json.dumps(comparison.to_dict(), ensure_ascii=False, indent=1, default=str)


_CSV_HEAD = ("score", "system", "against", "value", "low", "high", "p_value", "p_adjusted", "cohens_d", "superiority",
             "videos_needed", "verdict", "num_rows", "num_videos")  # fmt: skip


def to_csv(comparison: Comparison) -> str:
    """Return a line a mean and a line a difference (with ``against``), of every score."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_CSV_HEAD)
    for score in comparison.scores:
        size = (score.num_rows, score.num_videos)
        for s in score.systems:
            writer.writerow([score.score, s.name, "", *map(_exact, (s.mean, s.low, s.high)), *[""] * 6, *size])
        for p in score.pairs:
            found = (p.difference, p.low, p.high, p.p_value, p.p_adjusted, p.cohens_d, p.superiority, p.videos_needed)
            writer.writerow([score.score, p.first, p.second, *map(_exact, found), p.verdict, *size])
    return file.getvalue().rstrip("\n")


def _exact(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""


@dataclass(frozen=True)
class Interval:
    """One line of a chart: places in percent of its width."""

    label: str
    text: str
    low: float
    value: float
    high: float
    differs: bool = True


def interval_chart(
    entries: Sequence[tuple[str, float, float, float, bool]], with_zero: bool
) -> tuple[list[Interval], float | None]:
    """Place values with intervals beside each other.

    Args:
        entries: label, value, low, high, and whether it stands out.
        with_zero: whether 0 must be in sight.

    Returns:
        The lines, and the place of 0 in percent, None where it is out of sight.
    """
    numbers = [number for _, *values, _ in entries for number in values if math.isfinite(number)]
    numbers += [0.0] if with_zero else []
    low, high = min(numbers), max(numbers)
    room = 0.06 * (high - low) or 0.5
    low, high = low - room, high + room

    def place(number: float) -> float:
        return round(100 * (number - low) / (high - low), 2) if math.isfinite(number) else 50.0

    lines = []
    for label, value, start, end, differs in entries:
        text = f"{_number(value)} [{_number(start)}, {_number(end)}]"
        lines.append(Interval(label, text, place(start), place(value), place(end), differs))
    return lines, place(0.0) if low <= 0 <= high else None


def charts_of(score: ScoreComparison) -> list[tuple[str, list[Interval], float | None]]:
    """Return the chart of the means and that of the differences, each with its title."""
    means = interval_chart([(s.name, s.mean, s.low, s.high, True) for s in score.systems], False)
    pairs = [(f"{p.first} − {p.second}", p.difference, p.low, p.high, p.differs) for p in score.pairs]
    return [("Means", *means), ("Paired differences", *interval_chart(pairs, True))]


def to_html(comparison: Comparison) -> str:
    """Return one self-contained page, light and dark, wide and narrow."""
    from vqe_core.report.html import html_environment

    percent = _percent(comparison)
    return (
        html_environment()
        .get_template("compare.html")
        .render(
            comparison=comparison,
            score=comparison.headline,
            about=about(comparison.headline, comparison),
            method=method_line(comparison),
            verdicts=verdict_lines(comparison.headline),
            charts=charts_of(comparison.headline),
            pairs=pairs_grid(comparison.headline, percent),
            scores=scores_grid(comparison) if comparison.others else None,
            percent=percent,
        )
    )


FORMS: dict[str, Callable[[Comparison], str]] = {
    "table": to_table,
    "json": to_json,
    "csv": to_csv,
    "markdown": to_markdown,
    "latex": to_latex,
    "html": to_html,
}
