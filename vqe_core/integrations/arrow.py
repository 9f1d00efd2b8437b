"""Scores beside the columns of Arrow tables, for engines that hand out batches: Ray Data, Spark, Daft.

Task: a batch in, the same batch with the columns of a metric out; what the engine loses in a crash it computes again.
Runs (``vqe_core.run``) keep finished parts instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from vqe_core.scorers.named import scorer_for


class ScoreArrow:
    """Add the columns of a metric to tables of Arrow; the model is loaded once a process.

    Args:
        metric: name of a registered scorer, or a scorer.
        base_dir: folder that relative media paths start from. Default: the working directory of the process.
        options: of the metric, where it is named. ``on_error`` is ``"skip"`` then, if it is not given.

    Raises:
        InputError: an option that would differ from batch to batch, such as ``idf=True``; the message says what to do.

    Example:
        >>> score = ScoreArrow(clip_model_path="toy", metrics="cogr")
        >>> table = score(pa.table({"id": [7], "candidate": ["a dog"], "reference": ["a dog"]}))
        >>> table.column_names
        ['id', 'candidate', 'reference', 'EMScore(X,X*)_cogr', 'warnings', 'status', 'message']
    """

    def __init__(self, metric: Any = "emscore", *, base_dir: str | None = None, **options: Any) -> None:
        named = {"progress": False, **options} if isinstance(metric, str) else options
        self.scorer, self.base_dir = scorer_for(metric, named), base_dir
        self.scorer.check_batch()

    def __call__(self, table: Any) -> Any:
        """Return a table, or a record batch, with its columns and those of the metric; no score is null."""
        columns = {name: table.column(name).to_pylist() for name in table.schema.names}
        added = self.added(table.schema.names)
        results = self.scorer(columns, base_dir=self.base_dir) if table.num_rows else {name: [] for name in added.names}
        arrays = [pa.array(results[entry.name], entry.type, from_pandas=True) for entry in added]
        fields = [*table.schema, *added]
        return type(table).from_arrays([*table.columns, *arrays], schema=pa.schema(fields))

    def added(self, names: Iterable[str]) -> pa.Schema:
        """Return names and types of the columns that are added to a table with columns of these names."""
        return pa.schema(
            [(name, pa.type_for_alias(kind)) for name, kind in self.scorer.columns_for(list(names)).items()]
        )

    def batches(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Score batch after batch, as ``DataFrame.mapInArrow`` of Spark gives and takes them."""
        return map(self, batches)

    def schema_text(self, before: str, names: Iterable[str]) -> str:
        """Return the schema of the result as Spark writes one.

        Args:
            before: schema of the input, ``df.schema.simpleString()``.
            names: its columns.

        Example:
            >>> ScoreArrow(clip_model_path="toy", metrics="cogr").schema_text(
            ...     "struct<candidate:string,reference:string>", ["candidate", "reference"])
            'struct<candidate:string,reference:string,`EMScore(X,X*)_cogr`:float,`warnings`:string,`status`:string,`message`:string>'
        """
        kinds = {"float": "float", "bool": "boolean", "string": "string"}
        added = ",".join(f"`{entry.name}`:{kinds[str(entry.type)]}" for entry in self.added(names))
        return f"{before[:-1]},{added}>"


def score_ray_data(
    rows: Any,
    metric: Any = "emscore",
    *,
    workers: int = 1,
    rows_per_batch: int = 64,
    num_gpus: float = 0,
    **options: Any,
) -> Any:
    """Score a data set of Ray Data; its columns stay, and those of the metric are added.

    Args:
        rows: ``ray.data.Dataset``.
        metric, options: see ``ScoreArrow``.
        workers: actors, each with a model.
        rows_per_batch: rows that are read together.
        num_gpus: of each actor.

    Raises:
        InputError: see ``ScoreArrow``.
    """
    ScoreArrow(metric, **options)  # what is wrong is told here, and not by an actor
    return rows.map_batches(
        ScoreArrow,
        fn_constructor_args=(metric,),
        fn_constructor_kwargs=options,
        batch_format="pyarrow",
        batch_size=rows_per_batch,
        concurrency=workers,
        num_gpus=num_gpus,
    )
