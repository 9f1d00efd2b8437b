"""Scores of a release's captions, a column each: by a metric, from a table, or by a text metric."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vqe_core import registry
from vqe_core.errors import InputError, VqeError, attempt
from vqe_core.meta_eval.base import Benchmark, IdfCorpus, Item, Release, SourceKind
from vqe_core.meta_eval.reading import read_embeddings
from vqe_core.meta_eval.text_metrics import TEXT_METRICS
from vqe_core.runtime import own_precision, settle_in_process
from vqe_core.tables import read_table
from vqe_core.types import MediaSource, TextEmbedding, TimedEmbeddings

if TYPE_CHECKING:
    from vqe_core.encoders import ImageTextEncoder
    from vqe_core.encoders.tokenization import TextSide
    from vqe_core.functional.idf import IdfTable
    from vqe_core.scorers.base import Scorer
    from vqe_core.scorers.embedded_rows import EmbeddedRow
    from vqe_core.scorers.report import ScoreReport

VIDEO_ENDINGS = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".flv", ".gif")
SAMPLING = ("sampler", "frame_sampling_method", "every_n_seconds", "every_n_frames", "frame_num")
_IMAGES_IN_HAND = 512  # decoded images that are in memory at a time: half a GB of photos
_ROWS_IN_HAND = 256  # captions whose embeddings are, and that are scored together


@dataclass(frozen=True)
class Scored:
    """Scores of a release.

    Attributes:
        columns: float64 (N,) by score, NaN for a caption without one.
        signature: what computed them, where it is known.
        notes: what there is to know about them.
    """

    columns: dict[str, np.ndarray]
    signature: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def scores_by_text_metric(release: Release, name: str) -> Scored:
    """Score captions against their references by words alone.

    Raises:
        InputError: no such text metric, or a release without references.
    """
    if name not in TEXT_METRICS:
        raise InputError(f"text metric ({name!r}) must be one of {', '.join(TEXT_METRICS)}")
    if not any(item.references for item in release.items):
        raise InputError(f"{name} needs references; of vatex-eval they are asked for: vatex-eval:num_references=9")
    metric = TEXT_METRICS[name]
    values = [metric(item.candidate, item.references) if item.references else math.nan for item in release.items]
    return Scored({name: np.array(values)}, {"metric": name})


def scores_from_table(
    release: Release,
    table: str | os.PathLike[str] | Mapping[str, Sequence[Any]],
    names: Sequence[str],
    id_key: str = "id",
) -> Scored:
    """Look up scores by id.

    Args:
        release: whose captions they are of.
        table: path of a parquet, csv, jsonl or json table, or its columns.
        names: columns of scores.
        id_key: column of the ids, as ``rows_of`` wrote them.

    Raises:
        InputError: a column is not there, holds what is no number, or an id comes twice or is of no caption at all.
    """
    columns = read_table(table) if isinstance(table, str | os.PathLike) else table
    for name in (id_key, *names):
        if name not in columns:
            raise InputError(f"the table has no column {name!r}; there are {', '.join(map(str, columns))}")
    if not names:
        raise InputError(f"say which column holds the scores; there are {', '.join(map(str, columns))}")
    ids = [str(value) for value in columns[id_key]]
    rows = {value: i for i, value in enumerate(ids)}
    if len(rows) != len(ids):
        twice = next(value for i, value in enumerate(ids) if rows[value] != i)
        raise InputError(f"{id_key} {twice!r} comes twice in the table; keep one row a caption")
    found = [rows.get(item.id) for item in release.items]
    if all(row is None for row in found):
        raise InputError(
            f"no {id_key} of the table ({ids[0]!r}, ...) is one of the release ({release.items[0].id!r}, ...); "
            "score the rows that --write-rows writes, which have them"
        )
    values = {
        name: np.array([math.nan if row is None else _number(columns[name][row], name, row) for row in found])
        for name in names
    }
    absent = sum(row is None for row in found)
    notes = (f"{absent} of {len(found)} captions are not in the table",) if absent else ()
    return Scored(values, {}, notes)


def _number(value: Any, name: str, row: int) -> float:
    if value is None or value == "":
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} of row {row} ({value!r}) must be a number") from None


def make_scorer(benchmark: Benchmark, metric: str, kind: SourceKind, options: Mapping[str, Any]) -> Scorer:
    """Make a metric with the options of the published protocol, and those given in their place.

    Args:
        benchmark: whose protocol.
        metric: name of a scorer.
        kind: what its videos are.
        options: given by the user.

    Raises:
        InputError: no such metric or option.
    """
    scorer = registry.load("scorer", metric)
    names = {each.name for each in dataclasses.fields(scorer)}
    unknown = [name for name in options if name not in names]
    if unknown:
        raise InputError(f"{metric} has no option {unknown[0]!r}")
    protocol = benchmark.options_for(metric, kind)
    protocol = {name: value for name, value in protocol.items() if name in names}
    if options.get("preset") is not None:  # which says all but which of the frames here are looked at
        protocol = {name: value for name, value in protocol.items() if name in (*SAMPLING, "max_frames")}
    for group in (SAMPLING, ("clip_model_path", "encoder")):  # of which the user gives one or none
        if any(name in options for name in group):
            protocol = {name: value for name, value in protocol.items() if name not in group}
    return scorer(**{"on_error": "skip", **protocol, **options})


def with_idf(scorer: Scorer, corpus: IdfCorpus) -> Scorer:
    """Return the metric with token weights of a protocol's corpus; as it is where its model embeds no tokens."""
    from vqe_core.encoders import load_text_side

    captioner: Any = scorer  # only metrics of captions have a corpus
    reader: Any = load_text_side(captioner.model)
    fitted: Scorer = replace(captioner, idf=fit_corpus(corpus, reader)) if reader.has_token_embeddings else scorer
    return fitted


def fit_corpus(corpus: IdfCorpus, reader: ImageTextEncoder | TextSide) -> IdfTable:
    """Count words by the rules of a protocol.

    Args:
        corpus: captions and rules.
        reader: tokenizer of the model.

    Returns:
        The table; see ``fit_idf``.
    """
    from vqe_core.functional.idf import fit_idf

    tokenizer = reader.tokenizer
    room = math.inf if corpus.most_tokens is None else corpus.most_tokens
    room -= len(tokenizer.prefix) + len(tokenizer.suffix)
    documents = []
    for caption in corpus.captions:
        content = tokenizer.inner(caption, add_special_tokens=False, verbose=False)["input_ids"]
        kept = content if len(content) <= room else content[: int(room)]
        documents.append([*tokenizer.prefix, *kept, *tokenizer.suffix])
    table = fit_idf(documents, reader.end_id, tokenizer.digest())
    if corpus.end_weight == "mean":
        return table
    df = sum(reader.end_id in document for document in documents)
    own = math.log((len(documents) + 1) / (df + 1))
    return replace(table, weights={**table.weights, reader.end_id: own})


def kind_of(release: Release, videos: str | os.PathLike[str] | None) -> SourceKind:
    """Return what a metric looks at: files in a folder of the user's come first, then what the release holds."""
    if videos is not None:
        return "files"
    if release.embeddings:
        return "embeddings"
    if release.images:
        return "images" if all(len(paths) == 1 for paths in release.images.values()) else "frames"
    return "none"


def scores_by_metric(
    benchmark: Benchmark, release: Release, scorer: Scorer, videos: str | os.PathLike[str] | None = None
) -> Scored:
    """Score a release by a metric.

    Args:
        benchmark: whose protocol says which stored frames are taken.
        release: captions, and what there is to see.
        scorer: the metric, its options settled.
        videos: folder of video files that are called as the release calls them.

    Raises:
        InputError: the metric needs what the release lacks, or no caption was scored.
        ModelNotFoundError, ModelError: the model cannot be had.
    """
    kind = kind_of(release, videos)
    if kind == "embeddings":
        notes = _of_one_model(benchmark, scorer)
        report = _by_embeddings(benchmark, release, scorer)
    else:
        sources, notes = _sources(release, videos, kind)
        report = _by_sources(release, scorer, sources, kind)
    if report.num_failed == report.num_rows:
        raise InputError(f"no caption was scored, of {report.num_rows}: {'; '.join(report.failure_lines())}")
    notes += [f"without a score: {line}" for line in report.failure_lines()]
    columns = {name: np.array(values, dtype=float) for name, values in report.rows.items()}
    return Scored(columns, report.signature, tuple(notes))


def _by_sources(release: Release, scorer: Scorer, sources: Mapping[str, Any], kind: SourceKind) -> ScoreReport:
    """Score in parts, so that few images are in memory; files are read by the scorer, which has parts of its own."""
    order = sorted(range(len(release.items)), key=lambda i: release.items[i].video)
    reports, rows = [], []
    for part in _parts([release.items[i] for i in order], order, sources, kind):
        reports.append(scorer.score(**_columns(scorer, release, part, sources, kind)))
        rows += part
    return _joined(reports, rows)


def _parts(
    items: Sequence[Item], order: Sequence[int], sources: Mapping[str, Any], kind: SourceKind
) -> Iterator[list[int]]:
    """Split rows, sorted by video, so that the images of each part fit in memory."""
    if kind in ("files", "none"):
        yield list(order)
        return
    part: list[int] = []
    images, seen = 0, set[str]()
    for item, row in zip(items, order, strict=True):
        new = 0 if item.video in seen else len(sources.get(item.video, ()))
        if part and images + new > _IMAGES_IN_HAND:
            yield part
            part, images, seen = [], 0, set()
            new = len(sources.get(item.video, ()))
        part.append(row)
        images += new
        seen.add(item.video)
    yield part


def _columns(
    scorer: Scorer, release: Release, part: Sequence[int], sources: Mapping[str, Any], kind: SourceKind
) -> dict[str, Any]:
    items = [release.items[i] for i in part]
    given: dict[str, Any] = {"predictions": [item.candidate for item in items]}
    if any(item.references for item in release.items):
        given["references"] = [list(item.references) or None for item in items]
    if kind != "none":
        opened: dict[str, Any] = {}
        for item in items:
            if kind != "files" and item.video not in opened:
                opened[item.video] = attempt(_images, sources.get(item.video, ()))
        given["videos"] = [_video(item, sources, opened, kind) for item in items]
    takes = {entry.name for entry in scorer.inputs}
    return {name: column for name, column in given.items() if name in takes}


def _video(item: Item, sources: Mapping[str, Any], opened: Mapping[str, Any], kind: SourceKind) -> Any:
    if kind != "files":
        return opened[item.video]
    path = sources.get(item.video)
    if path is None or item.segment is None:
        return path
    start, end = item.segment
    return MediaSource(path=str(path), start=start, end=end)


def _images(paths: Sequence[Path]) -> Any:
    """Decode images, in order; None where there is none."""
    from PIL import Image, UnidentifiedImageError

    if not paths:
        return None
    images = []
    for path in paths:
        try:
            with Image.open(path) as image:
                images.append(np.asarray(image.convert("RGB")))
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise InputError(f"{str(path)!r} cannot be read as an image: {error}") from error
    from vqe_core.media.source import stack_frames

    return MediaSource(frames=stack_frames(images))


def _sources(
    release: Release, videos: str | os.PathLike[str] | None, kind: SourceKind
) -> tuple[Mapping[str, Any], list[str]]:
    """Return what there is to see by video, and a note where there is nothing for some."""
    found: Mapping[str, Any] = release.images
    if videos is not None:
        folder = Path(videos)
        if not folder.is_dir():
            raise InputError(f"videos ({os.fspath(videos)!r}) is no folder; give the one that holds the video files")
        found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in VIDEO_ENDINGS}
        if not any(video in found for video in release.videos):
            raise InputError(
                f"videos ({os.fspath(videos)!r}) holds no file called as a video of the release, such as "
                f"{release.videos[0]}.mp4"
            )
    absent = [video for video in release.videos if video not in found]
    if kind == "none" or not absent:
        return found, []
    return found, [f"no video of {len(absent)} of {len(release.videos)}, for example {absent[0]}"]


def _joined(reports: Sequence[ScoreReport], rows: Sequence[int]) -> ScoreReport:
    """Return the report of all parts, its rows in the order of the release."""
    back = np.argsort(np.array(rows))

    def sorted_back(values: Iterable[Any]) -> list[Any]:
        together = list(values)
        return [together[i] for i in back]

    return replace(
        reports[0],
        rows={name: sorted_back(v for report in reports for v in report.rows[name]) for name in reports[0].rows},
        status=sorted_back(word for report in reports for word in report.status),
        messages=sorted_back(text for report in reports for text in report.messages),
        warnings=[],
        details={},
    )


@own_precision()
def _by_embeddings(benchmark: Benchmark, release: Release, scorer: Any) -> ScoreReport:
    """Score against stored embeddings of frames, in place of frames that the scorer's own model embeds.

    Raises:
        InputError: the metric has no use for embeddings.
    """
    from vqe_core.scorers.call import Call
    from vqe_core.scorers.caption_scorer import CaptionScorer
    from vqe_core.scorers.report import RowOutcome, as_outcome

    if not isinstance(scorer, CaptionScorer):
        raise InputError(
            f"{scorer.name} looks at videos, and the release holds embeddings of their frames; give the videos, "
            "or a table of its scores"
        )
    settle_in_process()
    given = frozenset(
        {"predictions", "videos"} | ({"references"} if any(i.references for i in release.items) else set())
    )
    # A video for the row check alone: what is seen in it are the stored embeddings.
    stand_in = MediaSource(frames=np.zeros((1, 1, 1, 3), np.uint8))
    cells = [
        {"predictions": i.candidate, "references": list(i.references) or None, "videos": stand_in}
        for i in release.items
    ]
    rows = [attempt(scorer.read_row, cell, given) for cell in cells]
    columns: dict[str, Any] = {name: [cell[name] for cell in cells] for name in ("predictions", "references", "videos")}
    scoring = scorer.prepare(Call(columns, given, rows, whole=True))
    outcomes = [RowOutcome()] * len(rows)
    for some in _embedded(benchmark, release, rows, scoring):
        good = {i: row for i, row in some.items() if not isinstance(row, VqeError)}
        scored = dict(zip(good, scoring.score_rows(list(good.values())), strict=True))
        for i, row in some.items():
            outcomes[i] = as_outcome(scored.get(i, row))
    report: ScoreReport = scoring.report(outcomes)
    # Not the scorer's own sampler and reader: the frames are those that the benchmark takes of what is stored.
    signature = {name: value for name, value in report.signature.items() if name not in ("sampler", "max_frames")}
    return replace(report, signature={**signature, "reader": f"embeddings stored by {benchmark.name}"})


def _of_one_model(benchmark: Benchmark, scorer: Any) -> list[str]:
    """Return a note where nobody knows whether captions and stored embeddings are of one model.

    Spaces of two models may have one size, so that nothing else would tell.

    Raises:
        InputError: they are known to be of two.
    """
    from vqe_core.encoders.checkpoints import OPENAI_NAMES

    model, stored = getattr(scorer, "model", None), benchmark.embeddings_of
    if not stored or model in (stored, OPENAI_NAMES.get(stored)):
        return []
    if model in (*OPENAI_NAMES, *OPENAI_NAMES.values()):
        raise InputError(
            f"the stored embeddings of {benchmark.name} are of {stored}, and clip_model_path is {model!r}, another "
            "space; give the videos (--videos), or that model"
        )
    return [f"the stored embeddings are of {stored}; that {model!r} is that model is for you to know"]


def _embedded(benchmark: Benchmark, release: Release, rows: Sequence[Any], scoring: Any) -> Iterator[dict[int, Any]]:
    """Return the embeddings of some rows, or their errors, by number; a file is read once for rows in a row."""
    from vqe_core.embed import EmbedSettings, embed_texts

    scorer, settings = scoring.scorer, EmbedSettings.of(scoring.scorer)
    order = sorted(range(len(rows)), key=lambda i: release.items[i].video)
    held: tuple[str, Any] = ("", None)
    for start in range(0, len(order), _ROWS_IN_HAND):
        part = order[start : start + _ROWS_IN_HAND]
        texts = [text for i in part if not isinstance(rows[i], VqeError) for text in rows[i].texts]
        known = embed_texts(texts, scoring.encoder, settings, long_text=scorer.long_text)
        some: dict[int, Any] = {}
        for i in part:
            item, row = release.items[i], rows[i]
            if held[0] != item.video:
                held = item.video, attempt(_frame_embeddings, release, item.video)
            good = not isinstance(row, VqeError)
            some[i] = _embedded_row(benchmark, item, row, known, held[1], scorer) if good else row
        yield some


def _embedded_row(
    benchmark: Benchmark, item: Item, row: Any, known: Mapping[str, Any], stored: Any, scorer: Any
) -> EmbeddedRow | VqeError:
    """Return a row with its embeddings; without a video where none is left of it and the metric can do without."""
    from vqe_core.scorers.embedded_rows import EmbeddedRow

    texts = [known[text] for text in row.texts]
    failed = next((text for text in texts if isinstance(text, VqeError)), None)
    if failed is not None:
        return failed
    video = stored if isinstance(stored, VqeError) else attempt(_chosen, benchmark, item, stored, texts[0])
    if not isinstance(video, VqeError):
        return EmbeddedRow.of(row, known, video)
    cells = {"predictions": item.candidate, "references": list(item.references) or None, "videos": None}
    given = frozenset({"predictions", "references", "videos"})
    if video.code != "no_frames" or isinstance(attempt(scorer.read_row, cells, given), VqeError):
        return video
    return EmbeddedRow.of(row, known, None)


def _frame_embeddings(release: Release, video: str) -> Any:
    path = release.embeddings.get(video)
    if path is None:
        raise InputError(f"no stored embeddings of video {video!r}", code="not_found")
    return read_embeddings(path)


def _chosen(benchmark: Benchmark, item: Item, values: Any, caption: TextEmbedding) -> TimedEmbeddings:
    """Return the embeddings of the frames that the protocol takes.

    Raises:
        InputError: none is left, or they are of another model than the caption's.
    """
    positions = benchmark.frames_of(item, len(values)) if len(values) else np.arange(0)
    if not len(positions):
        raise InputError(
            f"caption {item.id!r}: its segment holds none of the {len(values)} stored frames", code="no_frames"
        )
    if values.shape[1] != len(caption.pooled):
        raise InputError(
            f"stored embeddings have {values.shape[1]} dimensions, those of the captions {len(caption.pooled)}; "
            "give the model that made them by clip_model_path",
            code="other_model",
        )
    return TimedEmbeddings(
        distinct=values[positions],
        distinct_timestamps=None,
        distinct_indices=positions.astype(np.int64),
        where=np.arange(len(positions), dtype=np.int32),
    )
