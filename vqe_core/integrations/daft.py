"""Scores beside the columns of a Daft data frame, by a class whose instances each hold a model."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from vqe_core.errors import MissingPackageError
from vqe_core.integrations.arrow import ScoreArrow


def score_daft(
    frame: Any,
    metric: Any = "emscore",
    *,
    workers: int = 1,
    rows_per_batch: int = 64,
    num_gpus: float = 0,
    **options: Any,
) -> Any:
    """Score a Daft data frame; its columns stay, and those of the metric are added.

    Args:
        frame: ``daft.DataFrame``, evaluated lazily as ever.
        metric, options: see ``ScoreArrow``.
        workers: instances at one time, each with a model.
        rows_per_batch: rows that are read together.
        num_gpus: of each instance.

    Raises:
        InputError: see ``ScoreArrow``.
        MissingPackageError: Daft is not installed.
    """
    try:
        import daft
    except ImportError as error:
        raise MissingPackageError("score_daft needs Daft: pip install daft") from error
    score, names = ScoreArrow(metric, **options), list(frame.column_names)
    added = score.added(names)
    kinds = {entry.name: daft.DataType.from_arrow_type(entry.type) for entry in added}

    @daft.cls(max_concurrency=workers, gpus=num_gpus, use_process=False)
    class Scores:
        @daft.method.batch(return_dtype=daft.DataType.struct(kinds), unnest=True, batch_size=rows_per_batch)
        def __call__(self, *columns: Any) -> Any:
            table = score(pa.table({name: column.to_arrow() for name, column in zip(names, columns, strict=True)}))
            chosen = [table.column(name).combine_chunks() for name in kinds]
            return daft.Series.from_arrow(pa.StructArray.from_arrays(chosen, fields=list(added)))

    return frame.select(*names, Scores()(*(frame[name] for name in names)))
