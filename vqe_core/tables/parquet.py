"""Parquet's columns have one type each: which one holds the values of a column, and what is written where none does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vqe_core.tables.formats import ENVIRONMENT, MEDIA_FOLDER, ROWS_IN_HAND, SIGNATURE, AnyColumns
from vqe_core.tables.values import Changes, escaped, is_deep, is_numbers, json_text, plain_column, storable

# The type of a column; None where no type of Arrow holds its values: they become JSON texts.
_Type = Any
# What Arrow raises of values that it takes for no column: errors of its own, and those of Python.
_UNFIT = (pa.ArrowException, ValueError, TypeError, OverflowError, RecursionError, AttributeError)
_INTEGERS = range(-(2**63), 2**63)
_SHOWN = 40  # letters of a value


def metadata_of(
    signature: Mapping[str, Any] | None,
    earlier: Sequence[Mapping[str, Any]],
    environments: Mapping[str, Mapping[str, Any]] | None = None,
    media_folder: str | None = None,
) -> dict[str, str] | None:
    """Return what a file carries beside its columns: the signatures of its scores and of those before, environments.

    ``media_folder``: where relative media paths start, relative to the file's folder; None: there.

    Of a signature of several metrics each stands for itself, and each has the environment of all.
    """
    media = {} if media_folder is None else {MEDIA_FOLDER: media_folder}
    if signature is None:
        return media or None
    if several := signature.get("signatures"):
        signature, *others = several
        earlier = [*others, *earlier]
        shared = (environments or {}).get(",".join(each["metric"] for each in several))
        known = {metric: value for metric, value in (environments or {}).items() if "," not in metric}
        environments = {**known, **({each["metric"]: shared for each in several} if shared else {})}
    named = {f"{SIGNATURE} of {other['metric']}": other for other in earlier}
    computed = {f"{ENVIRONMENT} of {metric}": value for metric, value in (environments or {}).items()}
    carried = {**named, **computed, SIGNATURE: signature}
    texts = {name: json_text(value, _silent) for name, value in carried.items()}
    return {name: text.encode(errors="backslashreplace").decode() for name, text in (media | texts).items()}


def write_parquet(
    path: Path, batches: Callable[[], Iterable[AnyColumns]], metadata: Mapping[str, str] | None
) -> Changes:
    """Write batches, a row group each, and return what was written in another form than it was given."""
    types = _types_of(batches())
    # A whole number that a column of fractions cannot hold shows only now.
    while isinstance(done := _write_row_groups(path, batches(), types, metadata), str):
        types[done] = None
    return done


def _write_row_groups(
    path: Path, batches: Iterable[AnyColumns], types: Mapping[str, _Type], metadata: Mapping[str, str] | None
) -> Changes | str:
    """Write each batch; the name of the column that does not fit its type, if one does not."""
    changes, first_row = Changes(), 0
    names = {name: escaped(str(name), changes.teller(str(name), None)) for name in types}
    fields = [(names[name], pa.string() if kind is None else kind) for name, kind in types.items()]
    schema = pa.schema(fields, metadata=metadata)
    with path.open("wb") as file, pq.ParquetWriter(file, schema) as writer:  # pyarrow takes no name that is no Unicode
        for batch in batches:
            arrays = []
            for name, column in batch.items():
                try:
                    arrays.append(_arrow_column(column, types[name], str(name), changes, first_row))
                except _UNFIT:
                    if types[name] is None:
                        raise
                    return name
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            first_row += max(map(len, arrays), default=0)
    return changes


def column_types(batches: Callable[[], Iterable[AnyColumns]]) -> dict[str, _Type]:
    """Return the type of each column that holds its values in all batches; None: they become JSON texts."""
    types = _types_of(batches())
    for batch in batches():
        for name, column in batch.items():
            try:
                _arrow_column(column, types[name], str(name), Changes(), 0)
            except _UNFIT:
                types[name] = None
    return types


def write_typed(
    path: Path, columns: AnyColumns, types: Mapping[str, _Type], metadata: Mapping[str, str] | None = None
) -> None:
    """Write columns, those named in ``types`` as ``column_types`` has them, so that several files have one schema."""
    known = {**_types_of([columns]), **types}
    _write_row_groups(path, [columns], {name: known[name] for name in columns}, metadata)


def _types_of(batches: Iterable[AnyColumns]) -> dict[str, _Type]:
    types: dict[str, _Type] = {}
    for batch in batches:
        for name, column in batch.items():
            types[name] = _common_type(types.get(name, pa.null()), _type_of(column))
    # Null in all rows here, but scores in another table.
    return {name: pa.float64() if kind == pa.null() else kind for name, kind in types.items()}


def _type_of(column: Sequence[Any]) -> _Type:
    """Return the type that Arrow takes a column for. Strings among lists become lists of one."""
    if is_numbers(column) and len(column):
        return {"f": pa.float64(), "i": pa.int64(), "b": pa.bool_()}[column.dtype.kind]
    values = plain_column(column, "", Changes())
    nested = {kind for kind in set(map(type, values)) if issubclass(kind, list | dict)}
    if nested and any(isinstance(value, list | dict) and is_deep(value) for value in values):
        return None  # Arrow goes down without a limit, and a list within itself ends the process
    for form in (values, _as_lists(values)) if any(issubclass(kind, list) for kind in nested) else (values,):
        try:
            kind = _inferred(form)
        except _UNFIT:
            continue
        if _can_be_written(kind):
            return _exact(kind, form)
    return None


def _inferred(values: list[Any]) -> _Type:
    try:
        return pa.array(values).type
    except UnicodeEncodeError:
        kind = pa.array([storable(value, _silent, escape=True) for value in values]).type
    if any(isinstance(value, dict) for value in values) or "struct" in str(kind):
        raise ValueError("a key with half of a surrogate pair is no name of a field; JSON has an escape for it")
    return kind


@lru_cache(maxsize=256)
def _can_be_written(kind: _Type) -> bool:
    """Tell whether a file with a column of this type can be written and read: not of objects without keys, or deep."""
    if not pa.types.is_nested(kind):
        return True
    file = pa.BufferOutputStream()
    try:
        with pq.ParquetWriter(file, pa.schema([("", kind)])) as writer:
            writer.write_table(pa.schema([("", kind)]).empty_table())
        pq.read_schema(pa.BufferReader(file.getvalue()))
    except (pa.ArrowException, OSError, ValueError):
        return False
    return True


def _exact(kind: _Type, values: Sequence[Any]) -> _Type:
    """Return a type of times that keeps nanoseconds where a value has some."""
    if pa.types.is_timestamp(kind) and any(getattr(value, "nanosecond", 0) for value in values):
        return pa.timestamp("ns", kind.tz)
    if pa.types.is_duration(kind) and any(getattr(value, "nanoseconds", 0) for value in values):
        return pa.duration("ns")
    return kind


def _common_type(one: _Type, other: _Type) -> _Type:
    """Return the type that holds the values of two batches of a column."""
    if one is None or other is None or one == other:
        return one if one == other else None
    try:
        schemas = [pa.schema([("", kind)]) for kind in (one, other)]
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except _UNFIT:
        if pa.types.is_list(one) == pa.types.is_list(other):
            return None
        inner = _common_type(*(kind.value_type if pa.types.is_list(kind) else kind for kind in (one, other)))
        return None if inner is None else pa.list_(inner)


def _arrow_column(column: Sequence[Any], kind: _Type, name: str, changes: Changes, first_row: int) -> Any:
    if is_numbers(column) and kind is not None and not pa.types.is_nested(kind):
        if column.dtype.kind != "f":
            return pa.array(column).cast(kind)
        if np.isinf(column).any():
            plain_column(column, name, changes, first_row)
        return pa.array(column.astype(np.float64, copy=False), mask=~np.isfinite(column))
    values = plain_column(column, name, changes, first_row)

    def tell(row: int) -> Callable[[str], None]:
        return changes.teller(name, first_row + row)

    if kind is not None:
        form = _as_lists(values) if pa.types.is_list(kind) else values
        try:
            return pa.array(form, kind)
        except UnicodeEncodeError:
            return pa.array([storable(value, tell(row), escape=True) for row, value in enumerate(form)], kind)
    odd = _odd(values)
    if odd is not None:
        changes.note(name, f"no type of parquet holds all its values ({odd[1]}), they are written as JSON texts",
                     first_row + odd[0])  # fmt: skip
    texts = [None if value is None else json_text(value, tell(row)) for row, value in enumerate(values)]
    return pa.array([None if text is None else text.encode(errors="backslashreplace").decode() for text in texts],
                    pa.string())  # fmt: skip


def _odd(values: Sequence[Any]) -> tuple[int, str] | None:
    """Return row and excerpt of the value that gives a column no type, as well as it can be told."""
    known = [(row, value) for row, value in enumerate(values) if value is not None]
    if not known:
        return None
    too_long = (each for each in known if isinstance(each[1], int) and each[1] not in _INTEGERS)
    of_another_kind = (each for each in known if type(each[1]) is not type(known[0][1]))
    row, value = next(too_long, None) or next(of_another_kind, None) or known[0]
    text = json_text(value, _silent)
    return row, text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _as_lists(values: Sequence[Any]) -> list[Any]:
    return [value if value is None or isinstance(value, list) else [value] for value in values]


def _silent(what: str) -> None:
    """Tell nobody: the same is told where it is written."""


def read_arrow(path: Path, columns: Sequence[str] | None = None) -> Any:
    """Return a file, or some of its columns, as a table of Arrow."""
    with path.open("rb") as file:
        return pq.read_table(file, columns=None if columns is None else list(columns))


def read_schema(path: Path) -> Any:
    """Return the schema of a file, with its metadata."""
    with path.open("rb") as file:
        return pq.read_schema(file)


def write_arrow(path: Path, table: Any) -> None:
    """Write a table of Arrow."""
    with path.open("wb") as file:
        pq.write_table(table, file)


def count_rows(path: Path) -> int:
    """Return the number of rows that the footer of a file states; 0 where there is none to read."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException, ValueError):
        return 0  # told by who reads it


def write_beside(out: Path, files: Sequence[Path], results: Iterable[Path], metadata: Mapping[str, str] | None) -> None:
    """Write the rows of parquet files with columns of other parquet files beside them, as one file.

    Columns keep their types: no value becomes Python's. A row group is in memory at one time.

    Args:
        out: file to write.
        files: tables, one after the other.
        results: as many rows in as many files as there are, their columns beside those of ``files``.
        metadata: of the file.
    """
    with pq.ParquetFile(files[0]) as first:
        columns = first.schema_arrow
    columns = columns.remove_metadata()
    rows = _Rows(_record_batches(files, columns))
    writer = None
    try:
        for path in results:
            scores = read_arrow(path)
            taken = pa.Table.from_batches(rows.take(scores.num_rows), columns)
            scores = scores.select([name for name in scores.column_names if name not in columns.names])
            for name, column in zip(scores.column_names, scores.columns, strict=True):
                taken = taken.append_column(scores.schema.field(name), column)
            if writer is None:
                schema = taken.schema.with_metadata(dict(metadata or {}))
                writer = pq.ParquetWriter(out, schema)
            writer.write_table(taken.cast(schema))
    finally:
        if writer is not None:
            writer.close()


class _Rows:
    """Record batches of several files, from which any number of rows can be taken."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = iter(batches)
        self._held: Any = None

    def take(self, count: int) -> list[Any]:
        taken = []
        while count:
            if self._held is None or not self._held.num_rows:
                self._held = next(self._batches)
            part = self._held.slice(0, count)
            self._held = self._held.slice(part.num_rows)
            taken.append(part)
            count -= part.num_rows
        return taken


def _record_batches(files: Sequence[Path], schema: Any) -> Iterator[Any]:
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_IN_HAND, columns=schema.names):
                yield pa.RecordBatch.from_arrays(
                    [batch.column(entry.name).cast(entry.type) for entry in schema], schema=schema
                )
