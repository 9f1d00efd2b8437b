"""Report of scored tables: one page from what ``vqe score`` wrote, with frames and words of the rows worth a look.

Task: one HTML file that needs nothing else and makes no request. What cannot be read of a clip or a model is said
beside the row, and ends nothing. A script in the page filters the rows; all else is there without scripts.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from vqe_core.embed import EmbedSettings
from vqe_core.encoders.checkpoints import is_at_hand
from vqe_core.errors import EnvironmentWarning, InputError, VqeError
from vqe_core.media import Video, gathered, of_one_size, shrunk
from vqe_core.registry import load
from vqe_core.report.compare import compare
from vqe_core.report.comparison import Comparison, verdict_lines
from vqe_core.report.distribution import (
    Histogram,
    Summary,
    histogram,
    nice_ticks,
    percentile_ranks,
    summarise,
    tick_labels,
)
from vqe_core.report.explain import THUMBNAIL, Explanation, explain_captions
from vqe_core.report.html import (
    HEAT_STEPS,
    STRONG_HEAT,
    bar_scale,
    frame_strip,
    gain_scale,
    heat_scale,
    html_environment,
)
from vqe_core.report.scored_table import ScoredTable, TableColumns, read_scored
from vqe_core.report.word_alignment import frame_names
from vqe_core.report.word_support import HIT_RATE, REASONS
from vqe_core.samplers import UniformSampler
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.tables import write_whole
from vqe_core.workers import WorkerPool, open_video_in

ROWS_SHOWN = 5  # of each kind, with frames
FRAMES_SHOWN = 6  # of a row without word evidence
STRIP_HEIGHT = 84  # pixels of a frame: at fifteen rows of ten frames the page stays below 2 MB
LIST_BYTES = 6_000_000  # of the rows in the list, so that the page stays below 10 MB
SHORTEST_TEXT = 60
TEXT_LENGTHS = (400, 160, SHORTEST_TEXT)
EXAMPLE = 300  # letters of a message
KINDS = {
    "worst": ("Worst rows", "the lowest scores"),
    "uncertain": ("Most uncertain rows", "the parts of the score disagree most about them"),
    "best": ("Best rows", "the highest scores"),
}
# Metrics of captions whose model has words to show.
EXPLAINED = ("emscore", "clip_score")


@dataclass(frozen=True)
class ReportOptions:
    """Options of a report.

    Attributes:
        title: head of the page; default: the names of the tables.
        rows: shown of each kind (worst, most uncertain, best) of each table.
        evidence: explain the words of those rows, where the model is at hand.
        model: of the evidence; default: as the signature of a table says.
        cache_dir: where embeddings are looked up and stored, None for nowhere.
        columns: names of columns that are not the usual ones.
        videos_dir: where relative paths of videos start. Default: where a table says, else its folder.
    """

    title: str | None = None
    rows: int = ROWS_SHOWN
    evidence: bool = True
    model: str | None = None
    cache_dir: str | None = None
    columns: TableColumns = field(default_factory=TableColumns)
    videos_dir: str | None = None


@dataclass(frozen=True, eq=False)
class ShownRow:
    """A row with what there is to see of it.

    Attributes:
        row: its number.
        score: the headline.
        scores: (name, value) of all its scores.
        caption, video: as in the table, cut where they are long.
        why: beside the score, empty for nothing.
        strip: ``data:`` URL of its frames side by side, None without frames.
        frame_names: of each frame.
        aspect: width of a frame by its height.
        explanation: of its words, or None.
        note: why something is missing, or the message of the row.
    """

    row: int
    score: float
    scores: tuple[tuple[str, float], ...]
    caption: str
    video: str
    why: str
    strip: str | None
    frame_names: list[str]
    aspect: float
    explanation: Explanation | None
    note: str


@dataclass(frozen=True, eq=False)
class Seen:
    """A row's video as far as it could be read: its frames, or why there are none; and the words of its caption."""

    frames: np.ndarray | None = None
    frame_names: list[str] = field(default_factory=list)
    explanation: Explanation | None = None
    note: str = ""


def write_report(
    tables: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str], options: ReportOptions | None = None
) -> Path:
    """Write the report of one or several scored tables.

    Args:
        tables: jsonl, json, csv or parquet, as ``vqe score`` or ``score_dataset`` wrote them; several are systems that
            scored the same clips.
        out: file to write; it appears whole or not at all.
        options: see ``ReportOptions``.

    Returns:
        ``out``.

    Raises:
        InputError: a table that cannot be read, or holds no scores.

    Example:
        >>> from vqe_core.tables import write_table
        >>> folder = getfixture("tmp_path")
        >>> write_table(folder / "scores.jsonl", {"caption": ["a", "b"], "similarity": [0.2, 0.4]})
        >>> write_report([folder / "scores.jsonl"], folder / "report.html").stat().st_size < 100_000
        True
    """
    page = render_tables(read_tables(tables, options), options)
    write_whole(Path(out), lambda path: path.write_text(page, encoding="utf-8"))
    return Path(out)


def read_tables(paths: Sequence[str | os.PathLike[str]], options: ReportOptions | None = None) -> list[ScoredTable]:
    """Read scored tables and give them names that differ.

    Raises:
        InputError: none, or one that cannot be read or holds no scores.
    """
    if not paths:
        raise InputError("tables is empty; name at least one scored table")
    options = options or ReportOptions()
    found = [read_scored(path, options.columns, options.videos_dir) for path in paths]
    named = [table.name for table in found]
    if len(set(named)) < len(named):  # run1/scores.parquet and run2/scores.parquet
        named = [f"{table.path.absolute().parent.name}/{table.name}" for table in found]
    if len(set(named)) < len(named):
        named = [f"{i + 1}: {name}" for i, name in enumerate(named)]
    return [replace(table, name=name) for table, name in zip(found, named, strict=True)]


def render_tables(tables: Sequence[ScoredTable], options: ReportOptions | None = None) -> str:
    """Render the report as one self-contained HTML page; see ``write_report``."""
    options = options or ReportOptions()
    sections = [_section(table, options) for table in tables]
    explanations = [row.explanation for s in sections for row in s["rows_shown"] if row.explanation is not None]
    gains = [word.support for e in explanations for word in e.support if word.support is not None]
    return (
        html_environment()
        .get_template("table_report.html")
        .render(
            title=options.title or " and ".join(table.name for table in tables[:3]) + (" ..." if tables[3:] else ""),
            sections=sections,
            systems=_systems(tables) if len(tables) > 1 else None,
            data=Markup(_as_script(_listed(tables))),
            kinds=KINDS,
            heat=heat_scale([e.evidence.similarity for e in explanations]),
            heat_steps=HEAT_STEPS,
            strong_heat=STRONG_HEAT,
            gains=gain_scale(gains),
            reasons=REASONS,
            hit_rate=HIT_RATE,
            example=EXAMPLE,
        )
    )


def _section(table: ScoredTable, options: ReportOptions) -> dict[str, Any]:
    """Return what the template needs of a table."""
    chosen = {"worst": table.worst(options.rows), "uncertain": table.uncertain(options.rows)}
    chosen["best"] = [row for row in table.best(options.rows) if row not in chosen["worst"]]
    rows = list(dict.fromkeys(row for some in chosen.values() for row in some))
    seen, note = _look(table, rows, options)
    shown = {row: _shown(table, row, seen.get(row, Seen())) for row in rows}
    values = table.known(table.headline)
    bins = histogram(values)
    return {
        "table": table,
        "summary": summarise(values),
        "histogram": bins,
        "ticks": axis_ticks(bins),
        "scores": _score_rows(table),
        "rows": {
            kind: [replace(shown[row], why=_why(table, row)) if kind == "uncertain" else shown[row] for row in some]
            for kind, some in chosen.items()
        },
        "rows_shown": list(shown.values()),
        "evidence_note": note,
        "bars": bar_scale(values),
        "failures": [
            {"status": word, "rows": len(found), "row": found[0], "message": table.messages[found[0]]}
            for word, found in table.failures()
        ],
        "warnings": _warning_rows(table),
    }


@dataclass(frozen=True)
class ScoreRow:
    """A score in the table of all scores."""

    name: str
    summary: Summary
    histogram: Histogram
    main: bool


def _score_rows(table: ScoredTable) -> list[ScoreRow]:
    """Return all scores, those beside the headline first and marked as the main ones."""
    prefix = table.headline.rpartition("_")[0].rpartition("_")[0] if "(" in table.headline else None
    rows = []
    for name in table.scores:
        values = table.known(name)
        summary = summarise(values)
        if summary is not None:
            main = prefix is None or name.startswith(prefix + "_")
            rows.append(ScoreRow(name, summary, histogram(values), main))
    return sorted(rows, key=lambda row: (row.name != table.headline, not row.main))


def _warning_rows(table: ScoredTable) -> list[dict[str, Any]]:
    first = {code: next(i for i, row in enumerate(table.warnings) if code in row) for code in table.warned}
    return [
        {"code": code, "rows": rows, "row": first[code], "message": table.messages[first[code]]}
        for code, rows in table.warned.items()
    ]


def axis_ticks(bins: Histogram) -> list[tuple[float, str]]:
    """Return (place in percent, label) of the axis below a histogram."""
    low, high = bins.edges[0], bins.edges[-1]
    ticks = [tick for tick in nice_ticks(low, high, 5) if low - 1e-9 <= tick <= high + 1e-9]
    places = [100 * (tick - low) / (high - low) for tick in ticks]
    return list(zip(places, tick_labels(ticks), strict=True))


def _why(table: ScoredTable, row: int) -> str:
    ranks = {name: percentile_ranks(table.scores[name].tolist())[row] for name in table.parts()}
    low, high = min(ranks, key=ranks.__getitem__), max(ranks, key=ranks.__getitem__)
    return f"{_short(low)} ranks it above {ranks[low]:.0%} of the rows, {_short(high)} above {ranks[high]:.0%}"


def _short(name: str) -> str:
    return name.rpartition(")_")[2]


def _shown(table: ScoredTable, row: int, seen: Seen) -> ShownRow:
    frames = seen.frames
    notes = [note for note in (seen.note, table.messages[row]) if note]
    return ShownRow(
        row=row,
        score=float(table.values[row]),
        scores=tuple((n, float(v[row])) for n, v in table.scores.items() if not math.isnan(v[row])),
        caption=cut_text(table.captions[row], TEXT_LENGTHS[0]),
        video=cut_text(table.video_names[row], TEXT_LENGTHS[0]),
        why="",
        strip=None if frames is None else frame_strip(frames, height=STRIP_HEIGHT),
        frame_names=seen.frame_names,
        aspect=1.0 if frames is None else frames.shape[2] / frames.shape[1],
        explanation=seen.explanation,
        note=cut_text("; ".join(notes), EXAMPLE),
    )


def cut_text(text: str, letters: int) -> str:
    """Return a text of at most so many letters."""
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def _look(table: ScoredTable, rows: Sequence[int], options: ReportOptions) -> tuple[dict[int, Seen], str]:
    """Read the frames of some rows, and their words where that is asked for; say why there are no words."""
    scorer, note = _explaining(table, options)
    seen: dict[int, Seen] = {}
    for row in rows:
        source = table.videos[row]
        if source is None:
            seen[row] = Seen(note="the row names no video" if table.columns.video else "")
        elif isinstance(source, VqeError):
            seen[row] = Seen(note=str(source))
        elif scorer is not None and table.captions[row].strip():
            seen[row] = _explained(scorer, table.captions[row], source)
    plain = {row: table.videos[row] for row in rows if row not in seen}
    return {**seen, **read_frames(plain, scorer or EMScore(progress=False))}, note


# Fields of a signature that say how words and frames were embedded and matched.
_EXPLAINING = ("long_text", "frame_aggregation", "prompt", "cogr_weight")


def _explaining(table: ScoredTable, options: ReportOptions) -> tuple[EMScore | None, str]:
    """Return a scorer that sees what the table's metric saw, or None and why there is none."""
    signature = table.signature
    metric = signature.get("metric", "")
    if not options.evidence:
        return None, ""
    if options.model is None and metric not in EXPLAINED:
        return None, f"of {metric}, which has no words to explain" if metric else "as the table names no model"
    name = options.model or _model_of(signature)
    if not is_at_hand(name):
        return None, f"as the model {name} is not on this disk (name one with --clip-model-path)"
    # The usual way depends on the machine.
    shrinking: dict[str, Any] = {"resize": "pil"} if signature.get("resize") == "pil" else {}
    try:
        scorer = EMScore(
            clip_model_path=name,
            progress=False,
            cache_dir=options.cache_dir,
            **_sampling_of(signature),
            **{key: signature[key] for key in _EXPLAINING if key in signature},
            **shrinking,
        )
        encoder = scorer.load_encoder()
    except VqeError as error:
        return None, f"as the model cannot be used: {error}"
    revision = encoder.signature().get("revision")
    if signature.get("revision") not in (None, revision):
        return None, f"as the table was scored with revision {signature['revision']} of {name}, and here is {revision}"
    return scorer, ""


def _model_of(signature: Mapping[str, Any]) -> str:
    name, revision = str(signature.get("model", "")), str(signature.get("revision", ""))
    return f"{name}@{revision}" if "/" in name and revision and not revision.startswith("local-") else name


def _sampling_of(signature: Mapping[str, Any]) -> dict[str, Any]:
    spec = signature.get("sampler")
    if not isinstance(spec, Mapping) or "name" not in spec:
        return {}
    try:
        sampler = load("sampler", spec["name"])(**{key: value for key, value in spec.items() if key != "name"})
    except Exception:  # of another package, or of another release of this one
        return {}
    return {"sampler": sampler, "max_frames": signature.get("max_frames", EMScore.max_frames)}


def _explained(scorer: EMScore, caption: str, source: Any) -> Seen:
    try:
        (explanation,) = explain_captions(scorer, [caption], source)
    except VqeError as error:
        return Seen(note=str(error))
    return Seen(explanation.frames, explanation.frame_names, explanation)


def read_frames(sources: Mapping[int, Any], scorer: EMScore, count: int = FRAMES_SHOWN) -> dict[int, Seen]:
    """Read a few frames of each video, in one worker process; what cannot be read says why."""
    seen: dict[int, Seen] = {}
    known = {row: source[0] if isinstance(source, list) else source for row, source in sources.items()}
    if not known:
        return seen
    settings = EmbedSettings.of(scorer)
    with WorkerPool.of(settings, list(known.values())) as pool, pool.worker() as worker:
        for row, source in known.items():
            try:
                frames, times = open_video_in(worker, source, reader=settings.reader).read(partial(_few_frames, count))
            except VqeError as error:
                seen[row] = Seen(note=str(error))
            else:
                seen[row] = Seen(frames, frame_names(times, len(frames)))
    return seen


def _few_frames(count: int, video: Video) -> tuple[np.ndarray, np.ndarray]:
    positions = np.unique(UniformSampler(count).select(video.table))
    frames = [shrunk(frame.pixels, THUMBNAIL) for frame in video.frames(positions)]
    return of_one_size(gathered(frames)), video.table.timestamps[positions]


def _systems(tables: Sequence[ScoredTable]) -> dict[str, Any]:
    """Return the tables side by side: the headline of each over all its rows, and in which fields they differ."""
    values = [value for table in tables for value in table.known(table.headline)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    rows: list[dict[str, Any]] = [
        {
            "table": table,
            "summary": summarise(table.known(table.headline)),
            "histogram": histogram(table.known(table.headline), low, high),
        }
        for table in tables
    ]
    rows.sort(key=lambda row: -(row["summary"].mean if row["summary"] else -math.inf))
    comparison, findings = _compared(tables)
    return {
        "rows": rows,
        "intervals": {s.name: (s.low, s.high) for s in comparison.headline.systems} if comparison else {},
        "findings": findings,
        "ticks": axis_ticks(histogram(values, low, high)),
        "differ": differing_fields([table.signature for table in tables]),
        "headlines": len({table.headline for table in tables}) > 1,
    }


def _compared(tables: Sequence[ScoredTable]) -> tuple[Comparison | None, list[str]]:
    """Compare the systems on the rows that all have; return what was found in sentences, or why nothing was."""
    headlines, columns = {table.headline for table in tables}, tables[0].columns
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EnvironmentWarning)  # among the notes
        try:
            found = compare(
                *[table.path for table in tables],
                names=[table.name for table in tables],
                score=headlines.pop() if len(headlines) == 1 else None,
                video_key=columns.video,
                start_key=columns.start,
                end_key=columns.end,
            )
        except VqeError as error:
            return None, [f"Not compared: {error}"]
    return found, [*verdict_lines(found.headline), *found.notes]


def differing_fields(signatures: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the fields in which signatures differ: scores under them are not comparable.

    Example:
        >>> differing_fields([{"model": "a", "idf": "none"}, {"model": "b", "idf": "none"}])
        ['model']
    """
    names = dict.fromkeys(name for signature in signatures for name in signature)
    return [name for name in names if len({json.dumps(s.get(name), sort_keys=True) for s in signatures}) > 1]


def _listed(tables: Sequence[ScoredTable]) -> list[dict[str, Any]]:
    """Return the rows of the list, with texts as long as the page's size allows; at last fewer rows."""
    for letters in TEXT_LENGTHS:
        listed = [_columns_of(table, range(table.num_rows), letters) for table in tables]
        size = len(_as_script(listed))
        if size <= LIST_BYTES:
            return listed
    share = LIST_BYTES / size
    kept = [_spread(table, max(1, int(table.num_rows * share))) for table in tables]
    return [_columns_of(table, rows, SHORTEST_TEXT) for table, rows in zip(tables, kept, strict=True)]


def _spread(table: ScoredTable, count: int) -> list[int]:
    """Choose rows evenly over the scores, in the order of the table, so that every part of the range is there."""
    order = np.argsort(table.values, kind="stable")  # NaN last
    chosen = order[np.unique(np.linspace(0, len(order) - 1, count).astype(int))]
    return sorted(chosen.tolist())


def _columns_of(table: ScoredTable, rows: Sequence[int], letters: int) -> dict[str, Any]:
    words, videos = dict.fromkeys(table.status), dict.fromkeys(table.video_names)
    status_number, video_number = ({name: i for i, name in enumerate(names)} for names in (words, videos))
    values = {name: [_rounded(column[row]) for row in rows] for name, column in table.scores.items()}
    return {
        "name": table.name,
        "total": table.num_rows,
        "headline": table.headline,
        "row": list(rows) if len(rows) < table.num_rows else None,
        "statuses": list(words),
        "status": [status_number[table.status[row]] for row in rows],
        "videos": [cut_text(name, letters) for name in videos],
        "video": [video_number[table.video_names[row]] for row in rows],
        "caption": [cut_text(table.captions[row], letters) for row in rows],
        "message": {i: cut_text(table.messages[row], letters) for i, row in enumerate(rows) if table.messages[row]},
        "scores": values,
    }


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)


def _as_script(content: Any) -> str:
    """Return JSON that cannot end the element it stands in, whoever wrote its texts."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
