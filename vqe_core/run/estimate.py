"""Estimate of a run from a few of its rows: hours, cores, bytes, and the size of the cache.

The rows are scored once here, in one call that is about as long as a part of a run: each call fills its pipeline and
empties it, so that calls of 12 rows took a tenth more a row than calls of 48. What they took by stage is carried over
to all rows. Decoding is what limits most runs, so it is told apart: a GPU takes the encoding away, and none of the
decoding.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vqe_core.errors import InputError
from vqe_core.options import check_count
from vqe_core.run.sources import RowSource, rows_at, source_for
from vqe_core.run.staging import bytes_of
from vqe_core.scorers.several import scorers_for
from vqe_core.tables import Columns
from vqe_core.timings import measured

WARM_UP = 2  # rows that load the models, start the worker processes, and are not counted


@dataclass(frozen=True)
class RunEstimate:
    """Cost of a run on a machine like this one.

    Attributes:
        rows: of the table.
        sampled: rows that were scored.
        failed: of those, without a score.
        seconds_per_row: on the clock, with the threads that one worker has.
        seconds: of the whole run by one worker, without the loading of models.
        decode, encode, other: seconds of threads a row: reading videos and sounds, passes of models, all else.
        images_per_row: that a model sees.
        media_bytes: of all rows, as far as files could be looked at.
        cache_bytes: of the embeddings of all rows.
        interval: of ``seconds``, 95 %, from how much the sampled rows differ in size: bytes of media, or characters.
    """

    rows: int
    sampled: int
    failed: int
    seconds_per_row: float
    seconds: float
    decode: float
    encode: float
    other: float
    images_per_row: float
    media_bytes: float
    cache_bytes: float
    interval: tuple[float, float]

    def hours(self, cores: int, gpus: int = 0, images_per_second: float = 20_000.0) -> float:
        """Return hours on so many cores, the encoding on GPUs where there are some.

        Args:
            cores: that decode, and encode without a GPU.
            gpus: that encode.
            images_per_second: of a GPU; ViT-B/32 reaches some 20,000 and ViT-L/14 3,000.
        """
        on_cores = self.decode + self.other + (0.0 if gpus else self.encode)
        seconds = self.rows * on_cores / cores
        if gpus:
            seconds = max(seconds, self.rows * self.images_per_row / (gpus * images_per_second))
        return seconds / 3600

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def estimate_run(
    rows: str | os.PathLike[str],
    metric: Any = "emscore",
    *,
    sample: int = 48,
    candidate: str | None = None,
    cache: bool = True,
    **options: Any,
) -> RunEstimate:
    """Score a few rows, evenly spread over the table, and return what all of them will take.

    Args:
        rows: as for ``score_run``; standard input and URLs cannot be read twice, and are refused.
        metric: a registered scorer, or a scorer.
        sample: rows to score, at least 4.
        candidate: caption of all rows, where ``rows`` are media.
        cache: whether the run will fill a cache, as ``vqe score`` does; an empty one of its own is filled here.
        options: of the metric.

    Raises:
        InputError: rows or options that cannot be.
        VqeError: as the scorer.

    Example:
        >>> from vqe_core.tables import write_table
        >>> path = getfixture("tmp_path") / "rows.jsonl"
        >>> write_table(path, {"candidate": ["a dog"] * 100, "reference": ["a cat"] * 100})
        >>> estimate = estimate_run(path, sample=8, clip_model_path="toy")
        >>> estimate.rows, estimate.sampled, estimate.failed, estimate.decode
        (100, 8, 0, 0.0)
    """
    check_count("sample", sample)
    if sample < 4:
        raise InputError(f"sample ({sample}) must be at least 4")
    scorer = replace(scorers_for(metric, options), progress=False, on_error="skip")
    with tempfile.TemporaryDirectory() as folder:
        source = source_for(scorer, rows, Path(folder) / "input", candidate=candidate)
        return _estimated(source, replace(scorer, cache_dir=str(Path(folder) / "cache") if cache else None), sample)


def _estimated(source: RowSource, scorer: Any, sample: int) -> RunEstimate:
    count, media = _look_through(source, scorer)
    chosen = np.unique(np.linspace(0, count - 1, min(sample + WARM_UP, count)).astype(int))
    # The first rows are not counted, and a table is often in order: they are taken from its middle.
    order = np.random.default_rng(0).permutation(chosen)
    table = rows_at(source, chosen)
    places = {row: place for place, row in enumerate(chosen)}
    warm, counted = order[:WARM_UP] if len(order) > 4 else order[:0], order[WARM_UP:] if len(order) > 4 else order
    if len(warm):
        _score(scorer, source, table, [places[row] for row in warm])
    before = _folder_bytes(scorer.cache_dir)
    sampled = len(counted)
    began = time.perf_counter()
    with measured() as timings:
        report = _score(scorer, source, table, [places[row] for row in counted])
    per_row = (time.perf_counter() - began) / sampled
    sums = timings.sums()
    spread = per_row * _relative_spread(_sizes(scorer, source, table, [places[row] for row in counted]))
    decode = sums.get("decode", 0.0) / sampled
    encode = sum(sums.get(stage, 0.0) for stage in ("encode", "texts", "sounds")) / sampled
    return RunEstimate(
        rows=count,
        sampled=sampled,
        failed=report.num_failed,
        seconds_per_row=per_row,
        seconds=per_row * count,
        decode=decode,
        encode=encode,
        other=max(0.0, per_row - encode - sums.get("wait", 0.0) / sampled),
        images_per_row=sums.get("images", 0.0) / sampled,
        media_bytes=media,
        cache_bytes=(_folder_bytes(scorer.cache_dir) - before) / sampled * count,
        interval=(max(0.0, per_row - spread) * count, (per_row + spread) * count),
    )


def _sizes(scorer: Any, source: RowSource, table: Columns, places: Sequence[int]) -> list[float]:
    """Return what rows cost by, at about: bytes of media; of rows without media, characters."""
    if scorer.video_key in table:
        return [bytes_of(table[scorer.video_key][place], source.base_dir) for place in places]
    return [float(sum(len(str(values[place])) for values in table.values())) for place in places]


def _relative_spread(sizes: Sequence[float]) -> float:
    """Return half of a 95 % interval of a mean over the mean.

    Example:
        >>> _relative_spread([2.0, 2.0, 2.0]), round(_relative_spread([1.0, 2.0, 3.0, 2.0]), 3)
        (0.0, 0.408)
    """
    mean = float(np.mean(sizes))
    return 2.0 * float(np.std(sizes, ddof=1)) / math.sqrt(len(sizes)) / mean if mean and len(sizes) > 1 else 0.0


def _look_through(source: RowSource, scorer: Any) -> tuple[int, float]:
    """Return the number of rows, and the bytes of their media."""
    count, size = 0, 0.0
    for batch in source.batches():
        scorer.check_columns(batch)
        count += len(next(iter(batch.values())))
        size += sum(bytes_of(video, source.base_dir) for video in batch.get(scorer.video_key, ()))
    if not count:
        raise InputError(f"{source.name!r} has no rows")
    return count, size


def _score(scorer: Any, source: RowSource, table: Columns, places: list[int]) -> Any:
    rows = {name: [values[place] for place in places] for name, values in table.items()}
    return scorer.score_batch(rows, source.base_dir, whole=True)


def _folder_bytes(folder: str | None) -> int:
    return 0 if folder is None else sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
