"""What counts as the rows of a data set, and the format in which it hands them out."""

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


def without_format(part: Any) -> Any:
    """The rows as Python values, unless a transform of the user's own makes them."""
    return part if _format_of(part) in (None, "custom") else part.with_format(None)


def formatted_as(scored: Any, part: Any) -> Any:
    """The scored rows in the format of those before, results included."""
    kind = _format_of(part)
    if kind in (None, "custom"):
        return scored
    if isinstance(part, IterableDataset):
        return scored.with_format(kind)
    added = [name for name in scored.column_names if name not in part.column_names]
    how = part.format
    columns = [*how["columns"], *added]
    return scored.with_format(kind, columns, how["output_all_columns"], **how["format_kwargs"])


def _format_of(part: Any) -> str | None:
    stream = isinstance(part, IterableDataset)
    kind: str | None = getattr(part._formatting, "format_type", None) if stream else part.format["type"]
    return kind
