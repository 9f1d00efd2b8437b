"""What counts as the rows of a data set."""

from __future__ import annotations

from typing import Any

from datasets import Dataset, IterableDataset

from vqe_core.errors import InputError, InputTypeError


def checked_rows(part: Any, num_proc: int | None = None) -> Any:
    """A data set whose columns are known.

    Args:
        part: should be a ``Dataset`` or an ``IterableDataset``.
        num_proc: processes that are to read it.

    Raises:
        InputTypeError: it is neither.
        InputError: a stream for several processes.
    """
    if isinstance(part, IterableDataset):
        if num_proc is not None:
            raise InputError(
                f"num_proc ({num_proc}) cannot speed up a stream; score it in one process, or shard it over several"
            )
        return part._resolve_features()  # reads a few rows of a stream whose columns are not known yet
    if not isinstance(part, Dataset):
        raise InputTypeError(f"rows must be a data set of `datasets`, or the name of one, got {type(part).__name__}")
    return part
