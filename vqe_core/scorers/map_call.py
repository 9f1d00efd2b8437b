"""The scorer as the function of ``datasets.map``: rows in a form that is scored, and the number of the worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vqe_core.errors import InputTypeError

_ONE_CELL = (str, bytes, Mapping, type(None))


def check_map_arguments(batch: Any, others: tuple[Any, ...], needed_key: str, needed: str) -> None:
    """Check that a batch of rows came, and beside it a rank or nothing.

    Args:
        batch: the first argument.
        others: further positional arguments.
        needed_key: the option that names the column without which there is no row.
        needed: that column.

    Raises:
        InputTypeError: columns one by one, a table of Arrow or polars, numbers of rows, or a single row.
    """
    if hasattr(batch, "column_names") or type(batch).__module__.startswith("polars"):
        raise InputTypeError(
            f"the rows come as {type(batch).__name__}; give them as lists: "
            "rows.with_format(None).map(scorer, batched=True)"
        )
    if not hasattr(batch, "keys"):
        raise InputTypeError(
            f"the scorer takes whole rows by column name, got {type(batch).__name__}; leave input_columns out, and "
            f"name the columns by {needed_key} and the other *_key options"
        )
    rank = others[0] if others else None
    if len(others) > 1 or not (rank is None or isinstance(rank, int)):
        raise InputTypeError("beside the rows the scorer takes their rank alone; leave with_indices out of map")
    # A row of a data set knows that it is one; otherwise a cell shows it.
    if type(batch).__name__ == "LazyRow" or (needed in batch and isinstance(batch[needed], _ONE_CELL)):
        raise InputTypeError("the scorer got a single row; give it batches of rows: map(scorer, batched=True)")


def on_rank(scorer: Any, rank: int | None) -> Any:
    """Return the scorer on the GPU of a worker, with ``device="auto"``; else the scorer itself.

    Args:
        scorer: with a ``device`` option.
        rank: number of the worker, from 0; None outside ``map(with_rank=True, num_proc=...)``. Several workers share
            a GPU where there are more of them than GPUs.
    """
    if rank is None or scorer.device != "auto":
        return scorer
    import torch

    gpus = torch.cuda.device_count()
    return replace(scorer, device=f"cuda:{rank % gpus}") if gpus > 1 else scorer
