"""Score whole data sets of the `datasets` library: in memory, streamed, by split, on disk or on the hub.

Task: the columns of a scorer beside the columns of a data set.
Conventions: a row keeps its place; one that cannot be scored is NaN with a ``status`` and a ``message``, and its
``passed_filter`` is False.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from datasets import Dataset, IterableDataset, Value, concatenate_datasets

from vqe_core.errors import InputError, NothingScoredWarning
from vqe_core.integrations.datasets.columns import (
    checked_rows,
    formatted_as,
    media_columns,
    reads_remote,
    stored_media,
    without_format,
)
from vqe_core.integrations.datasets.sources import load_rows
from vqe_core.integrations.datasets.summary import scorer_before_fork, signed, summarise
from vqe_core.scorers.emscore.idf import can_be_counted
from vqe_core.scorers.named import scorer_for
from vqe_core.scorers.report import ScoreReport
from vqe_core.scorers.row_errors import warn_caller
from vqe_core.scorers.rows import is_missing

__all__ = ["score_dataset", "summarise"]

SIGNED = "__vqe_signature__"  # column of the cache of `datasets`: what made the scores of each batch
ROWS_PER_BATCH = 64  # fills forward passes across videos, and keeps few videos in memory


def score_dataset(
    rows: Any,
    metric: Any = "emscore",
    *,
    split: str | None = None,
    num_proc: int | None = None,
    rows_per_batch: int = ROWS_PER_BATCH,
    base_dir: str | None = None,
    load_from_cache_file: bool | None = None,
    **options: Any,
) -> Any:
    """Score a data set; the same kind of data set comes back, with the columns of the metric added.

    Scores are float32, ``passed_filter`` is bool, ``status`` and ``message`` are strings. A second call with equal
    options reads the scores from the cache of `datasets`.

    Args:
        rows: ``Dataset``, ``IterableDataset``, a dictionary of either by split, a local folder, a table (parquet,
            jsonl, json, csv), or the id of a data set on the hub.
        metric: ``"emscore"``, ``"video_audio_similarity"``, the name of another registered scorer, or a scorer.
        split: of a folder or an id; None gives all splits.
        num_proc: processes; each loads a model of its own, with ``device="auto"`` on a GPU of its own.
        rows_per_batch: rows that are read together.
        base_dir: folder that relative media paths start from. Default: the table's folder, or the working directory.
        load_from_cache_file: False scores again, as after files were exchanged under their old names.
        options: of the metric, where it is named. ``on_error`` is ``"skip"`` then, if it is not given; ``idf=True`` is
            fitted once on the whole column, all splits together.

    Raises:
        InputError: no such data set, a column that is missing or in the way, or an option that breaks its rule.
        VqeError: as the scorer.

    Example:
        >>> import datasets
        >>> from vqe_core.toy.clips import make_clip, write_clip
        >>> clip = write_clip(make_clip(0), getfixture("tmp_path") / "clip.mp4")
        >>> rows = datasets.Dataset.from_dict({"video_path": [str(clip), "none.mp4"], "candidate": ["a circle"] * 2})
        >>> scored = score_dataset(rows, clip_model_path="toy")
        >>> scored["status"][:]
        ['ok', 'not_found']
        >>> summarise(scored)["num_failed"]
        1
    """
    hint = '. What is for load_dataset goes there: score_dataset(datasets.load_dataset("org/x", ...), ...)'
    scorer = scorer_for(metric, options, hint)
    if isinstance(rows, str) or hasattr(rows, "__fspath__"):
        rows, folder = load_rows(rows, split)
        base_dir = base_dir or folder
    elif split is not None:
        raise InputError(f"split ({split!r}) is for names of data sets; pick it yourself: rows[{split!r}]")
    parts = dict(rows) if isinstance(rows, dict) else {"": rows}
    parts = {name: checked_rows(part, num_proc) for name, part in parts.items()}
    for part in parts.values():
        scorer.check_free(part.features)  # raises, too, where a column is missing
    scorer = with_idf(scorer, parts.values())
    how = {"batched": True, "batch_size": rows_per_batch}
    run = {"num_proc": num_proc, "with_rank": num_proc is not None, "load_from_cache_file": load_from_cache_file}
    told = {"fn_kwargs": {"base_dir": base_dir}} if base_dir else {}
    scored = {
        name: _score_stream(part, scorer, {**how, **told})
        if isinstance(part, IterableDataset)
        else _score_table(part, scorer, {**how, **run, **told})
        for name, part in parts.items()
    }
    return type(rows)(scored) if isinstance(rows, dict) else scored[""]


def with_idf(scorer: Any, parts: Iterable[Any]) -> Any:
    """Fit a scorer with ``idf=True`` on all references of all splits, or on all captions where there are none."""
    if getattr(scorer, "idf", None) is not True:
        return scorer
    parts = list(parts)
    for key in (scorer.reference_key, scorer.candidate_key):
        captions = [value for part in parts for value in _values(part, key) if not is_missing(value)]
        if captions and (scorer.on_error == "raise" or any(map(can_be_counted, captions))):
            return scorer.fit(captions)
    return replace(scorer, idf=False)  # no row has a caption, so none has a score


def _values(part: Any, name: str) -> list[Any]:
    if name not in part.features:
        return []
    return [value for batch in part.select_columns([name]).with_format(None).iter(1000) for value in batch[name]]


def _score_table(part: Any, scorer: Any, how: dict[str, Any]) -> Any:
    features = scorer.features(part.features)
    if len(part) == 0:
        empty = Dataset.from_dict({name: [] for name in features}, features=features, split=part.split)
        return signed(empty, scorer, [])
    added = type(features)({name: kind for name, kind in features.items() if name not in part.features})
    added[SIGNED] = Value("string")
    how = {**how, "fn_kwargs": {**how.get("fn_kwargs", {}), "signed_in": SIGNED}}
    # Scores alone are written and then put beside the columns there are: no video is copied to the cache.
    scores = stored_media(without_format(part)).map(
        reads_remote(scorer, part),
        features=added,
        remove_columns=part.column_names,
        desc=f"Scoring ({scorer.name})",
        **how,
    )
    _warn_where_nothing_scored(scores, scorer)
    # What the processes that scored said of it, also where the scores come from the cache.
    texts = list(filter(None, dict.fromkeys(scores[SIGNED][:])))
    scored = concatenate_datasets([without_format(part), scores.remove_columns(SIGNED)], axis=1, split=part.split)
    return signed(formatted_as(scored, part), scorer, texts)


def _warn_where_nothing_scored(scores: Any, scorer: Any) -> None:
    status = scores[scorer.status_key][:]
    if "ok" not in status:
        lines = ScoreReport({}, {}, status, scores[scorer.message_key][:], {}).failure_lines()
        warn_caller("no row was scored:\n  " + "\n  ".join(lines), NothingScoredWarning)


def _score_stream(part: Any, scorer: Any, how: dict[str, Any]) -> Any:
    stream = stored_media(without_format(part))
    scored = stream.map(reads_remote(scorer, part), features=scorer.features(stream.features), **how)
    for name in media_columns(part):
        scored = scored.cast_column(name, part.features[name])
    signature = {"signature": scorer_before_fork(scorer, 2).signature_for(part.features), "environment": {}}
    return signed(formatted_as(scored, part), scorer, [json.dumps(signature)])
