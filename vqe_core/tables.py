"""Tables on disk: jsonl, json, csv and parquet, chosen by the file's ending, whole or batch by batch.

Parquet is read and written by pyarrow. Text is not, because pyarrow would change what users wrote, or refuse it. Seen
with its release 26: the JSON reader turns texts that look like dates into timestamps and whole numbers beside fractions
into fractions (9007199254740993 into ...992), gives every object the keys of all others, refuses a column of texts and
lists, a key named twice and a row longer than a block, takes two rows on one line, and names no line. The CSV reader
turns "007" into 7, "true" into a flag and "NA" into null; with every column declared text it still refuses rows that
are short of cells and passes over what follows a closing quote. It is about four times as fast as ours, which is three
seconds for 300,000 rows: little beside scoring them. There is no JSON writer, and the CSV writer quotes every text and
takes no lists.
"""

from __future__ import annotations

import csv
import json
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from vqe_core.errors import InputError

Columns = dict[str, list[Any]]
AnyColumns = Mapping[str, Sequence[Any]]
FORMATS = (".jsonl", ".json", ".csv", ".parquet")
SIGNATURE = "signature"  # key of parquet's metadata

_ROWS = 1024  # rows in hand where nobody chose: more of them live long enough to slow the garbage collector
_PARQUET_ROWS = 8192  # no objects a row there
_AS_THEY_ARE = {str, int, bool, type(None), list, dict}  # values that need no look for NaN
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
_LONGEST_CELL = 2**31 - 1  # a C long on any system
_csv_limit = threading.Lock()


def read_table(path: str | os.PathLike[str]) -> Columns:
    """Read a table as columns of equal length. A key that a row lacks is None there.

    Raises:
        InputError: no such file, an ending that is not known, or content that is not a table of rows.
    """
    path, suffix = _existing(path)
    columns: Columns = {}
    rows = 0
    with _told(path, suffix):
        for count, batch in _READERS[suffix](path, _PARQUET_ROWS if suffix == ".parquet" else _ROWS):
            for name, values in batch.items():
                columns.setdefault(name, [None] * rows).extend(values)
            rows += count
            for name in columns.keys() - batch.keys():
                columns[name].extend([None] * count)
    if not columns or not rows:
        raise InputError(f"{str(path)!r} has no rows")
    return columns


def read_batches(path: str | os.PathLike[str], batch_size: int) -> Iterator[Columns]:
    """Read a table batch by batch, in order; every batch has all columns, and together they are ``read_table``.

    Batches are Python values, not Arrow's: a column of jsonl may hold texts and lists at once. Before the first batch,
    jsonl and csv are gone through once, for the columns of all rows and so that a mistake in the last line is told
    before work on the first. One batch is in memory at a time; of json, which cannot be read in parts, the whole table.

    Args:
        path: of the table.
        batch_size: rows of each batch but the last, at least 1.

    Raises:
        InputError: as ``read_table``; what is wrong with the content is told when the first batch is asked for, of
            parquet when its batch is.

    Example:
        >>> path = getfixture("tmp_path") / "rows.jsonl"
        >>> write_table(path, {"id": [1, 2, 3], "text": ["a", ["b", "c"], None]})
        >>> [batch["text"] for batch in read_batches(path, 2)]
        [['a', ['b', 'c']], [None]]
    """
    if batch_size < 1:
        raise InputError(f"batch_size ({batch_size}) must be at least 1")
    return _batches(*_existing(path), batch_size)


def read_signatures(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Signatures of the metrics that scored a table before; only parquet carries them."""
    if check_format(Path(path)) != ".parquet":
        return []
    metadata = pq.read_schema(path).metadata or {}
    return [json.loads(text) for name, text in metadata.items() if name.decode().split(" of ")[0] == SIGNATURE]


def write_table(
    path: str | os.PathLike[str],
    columns: AnyColumns,
    signature: Mapping[str, Any] | None = None,
    earlier: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write columns, whole or not at all. NaN becomes null.

    Args:
        path: its ending gives the format.
        columns: an entry a row.
        signature: of the scores in it; parquet carries it in the metadata of its schema, as JSON.
        earlier: signatures of other metrics that scored it before, carried as ``"signature of <metric>"``.

    Raises:
        InputError: an ending that is not known, or a folder that is not there.
    """
    write_batches(path, lambda: [columns], signature, earlier)


def write_batches(
    path: str | os.PathLike[str],
    batches: Callable[[], Iterable[AnyColumns]],
    signature: Mapping[str, Any] | None = None,
    earlier: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write batches one after the other as one table, whole or not at all. What is written is that of ``write_table``.

    Args:
        path: its ending gives the format.
        batches: gives the batches from the first one on. Called once; for parquet, whose columns have one type each,
            once to learn the types and once to write, and again where a number does not fit its column. A batch is a
            row group of parquet, so some ten thousand rows read well.
        signature, earlier: as ``write_table``.

    Raises:
        InputError: as ``write_table``, or batches whose columns differ.

    Example:
        >>> from functools import partial
        >>> folder = getfixture("tmp_path")
        >>> write_table(folder / "rows.jsonl", {"id": [1, 2, 3], "score": [None, 1, 0.5]})
        >>> write_batches(folder / "rows.parquet", partial(read_batches, folder / "rows.jsonl", 2))
        >>> read_table(folder / "rows.parquet")
        {'id': [1, 2, 3], 'score': [None, 1.0, 0.5]}
    """
    path = Path(path)
    suffix = check_writable(path)
    if suffix == ".parquet":
        write_whole(path, lambda temporary: _write_parquet(temporary, batches, _metadata(signature, earlier)))
    else:
        write_whole(path, lambda temporary: _WRITERS[suffix](temporary, _alike(batches())))


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let ``write`` fill a temporary file beside ``path`` that takes its place once it is complete.

    An interrupted run leaves the old file, or none.
    """
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> str:
    """Return the ending of ``path`` if a table can be written there.

    Raises:
        InputError: an ending that is not known, no such folder, or a folder of this name.
    """
    if not path.parent.is_dir():
        raise InputError(f"cannot write {str(path)!r}: folder {str(path.parent)!r} is not there; make it first")
    if path.is_dir():
        raise InputError(f"cannot write {str(path)!r}: it is a folder; name a file in it")
    return check_format(path)


def check_format(path: Path) -> str:
    """Return the ending of ``path`` if tables can have it.

    Raises:
        InputError: it is not one of the four.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{str(path)!r} must end in one of {', '.join(FORMATS)}")
    return path.suffix.lower()


def _existing(path: str | os.PathLike[str]) -> tuple[Path, str]:
    path = Path(path)
    suffix = check_format(path)
    if not path.is_file():
        raise InputError(f"no table at {str(path)!r}; check the path")
    return path, suffix


@contextmanager
def _told(path: Path, suffix: str) -> Iterator[None]:
    """Say which table could not be read."""
    try:
        yield
    except (ValueError, OSError, pa.ArrowException) as error:
        raise InputError(f"{str(path)!r} cannot be read as {suffix[1:]}: {error}") from error


def _batches(path: Path, suffix: str, size: int) -> Iterator[Columns]:
    rows, names = 0, dict[str, None]()
    with _told(path, suffix):
        if suffix in (".jsonl", ".csv"):
            for _, batch in _READERS[suffix](path, _ROWS):
                names.update(dict.fromkeys(batch))
        for count, batch in _READERS[suffix](path, size):
            if not (all_names := names or batch):
                break
            rows += count
            yield {name: batch[name] if name in batch else [None] * count for name in all_names}
    if not rows:
        raise InputError(f"{str(path)!r} has no rows")


# The readers give the number of rows beside their columns: rows without any key are rows, too.
_Batch = tuple[int, Columns]


def _from_rows(rows: Sequence[dict[str, Any]], names: Iterable[str] | None = None) -> _Batch:
    first = tuple(rows[0])
    if all(tuple(row) == first for row in rows) and (names is None or tuple(names) == first):
        return len(rows), dict(zip(first, map(list, zip(*map(dict.values, rows), strict=True)), strict=True))
    known = dict.fromkeys(chain.from_iterable(rows)) if names is None else names
    return len(rows), {name: [row.get(name) for row in rows] for name in known}


def _checked_row(number: int, row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise ValueError(f"row {number} is {type(row).__name__}, not an object with column names")
    return row


def _read_jsonl(path: Path, size: int) -> Iterator[_Batch]:
    done, rows = 0, list[dict[str, Any]]()
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.isspace():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            rows.append(_checked_row(done + len(rows), row))
            if len(rows) == size:
                yield _from_rows(rows)
                done, rows = done + size, []
    if rows:
        yield _from_rows(rows)


def _read_json(path: Path, size: int) -> Iterator[_Batch]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, list):
        raise ValueError(f"it holds {type(content).__name__}, not a list of rows")
    rows = [_checked_row(number, row) for number, row in enumerate(content)]
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    for start in range(0, len(rows), size):
        yield _from_rows(rows[start : start + size], names)


def _read_csv(path: Path, size: int) -> Iterator[_Batch]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = _csv_lines(csv.reader(file, strict=True))
        names = _next_lines(lines, 1)[0]
        while rows := _next_lines(lines, size):
            columns = zip(*rows, strict=True)
            yield len(rows), {name: _from_csv(cells) for name, cells in zip(names, columns, strict=True)}


def _csv_lines(reader: Any) -> Iterator[list[str]]:
    """Return the header, then rows of as many cells: empty cells where a row is short, no row for an empty line."""
    try:
        names: list[str] = next(reader, [])
        if len(set(names)) < len(names):
            raise ValueError(f"column names must differ, got {names}")
        yield names
        for cells in reader:
            if len(cells) > len(names):
                raise ValueError(f"line {reader.line_num} has {len(cells)} cells, the header {len(names)}")
            if cells:
                yield cells if len(cells) == len(names) else cells + [""] * (len(names) - len(cells))
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error


def _next_lines(lines: Iterator[list[str]], count: int) -> list[list[str]]:
    """Return the next lines, however long a cell.

    The csv module refuses cells beyond 131072 characters, and the details of a long video have more. Its limit is that
    of the whole process: it is put back, and one thread at a time has it changed.
    """
    with _csv_limit:
        before = csv.field_size_limit(_LONGEST_CELL)
        try:
            return list(islice(lines, count))
        finally:
            csv.field_size_limit(before)


def _from_csv(cells: Iterable[str]) -> list[Any]:
    """Return values of cells: empty is None, a JSON list or object is read, anything else is text."""
    # A call a cell would cost as much as reading it.
    return [_from_json(cell) if cell[:1] in ("[", "{") else cell or None for cell in cells]


def _from_json(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def _read_parquet(path: Path, size: int) -> Iterator[_Batch]:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        if len(set(names)) < len(names):
            raise ValueError(f"column names must differ, got {names}")
        # Arrow's batches end with a row group, ours do not.
        held: Columns = {name: [] for name in names}
        rows = 0
        for batch in file.iter_batches(size):
            for name, column in zip(names, batch.columns, strict=True):
                held[name].extend(column.to_pylist())
            rows += batch.num_rows
            if rows >= size:
                yield size, {name: values[:size] for name, values in held.items()}
                held = {name: values[size:] for name, values in held.items()}
                rows -= size
        if rows:
            yield rows, held


def _alike(batches: Iterable[AnyColumns]) -> Iterator[AnyColumns]:
    """Return the batches, held to have the columns of the first."""
    first: list[str] | None = None
    for number, batch in enumerate(batches):
        first = list(batch) if first is None else first
        if list(batch) != first:
            raise InputError(f"batch {number} has columns {list(batch)}, the first {first}; give all the same")
        yield batch


def _plain(value: Any) -> Any:
    """Return a plain Python value; NaN and infinities, which JSON does not know, as None."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _is_numbers(column: Any) -> TypeGuard[npt.NDArray[Any]]:
    """Tell whether a column is an array whose numbers or flags need no look one by one."""
    return isinstance(column, np.ndarray) and column.ndim == 1 and column.dtype.kind in "fib" and column.itemsize <= 8


def _plain_column(column: Sequence[Any]) -> list[Any]:
    if _is_numbers(column):
        numbers: list[Any] = column.tolist()
        if column.dtype.kind != "f" or np.isfinite(column).all():
            return numbers
        return [value if math.isfinite(value) else None for value in numbers]
    values = column if isinstance(column, list) else list(column)
    return values if set(map(type, values)) <= _AS_THEY_ARE else [_plain(value) for value in values]


def _plain_rows(columns: AnyColumns) -> Iterator[tuple[Any, ...]]:
    """Return rows of plain values, of which some thousands are in memory beside the columns."""
    sliced = [column if isinstance(column, list | np.ndarray) else list(column) for column in columns.values()]
    for start in range(0, max(map(len, sliced), default=0), _ROWS):
        yield from zip(*(_plain_column(column[start : start + _ROWS]) for column in sliced), strict=True)


def _write_jsonl(path: Path, batches: Iterable[AnyColumns]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for batch in batches:
            names = list(batch)
            file.writelines(_ENCODER.encode(dict(zip(names, row, strict=True))) + "\n" for row in _plain_rows(batch))


def _write_json(path: Path, batches: Iterable[AnyColumns]) -> None:
    """As ``json.dumps(rows, indent=1)`` writes them, a row at a time."""
    encoder = json.JSONEncoder(ensure_ascii=False, indent=1, default=str)
    before = "[\n "
    with path.open("w", encoding="utf-8") as file:
        for batch in batches:
            names = list(batch)
            for row in _plain_rows(batch):
                file.write(before + encoder.encode(dict(zip(names, row, strict=True))).replace("\n", "\n "))
                before = ",\n "
        file.write("[]\n" if before.startswith("[") else "\n]\n")


def _write_csv(path: Path, batches: Iterable[AnyColumns]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for number, batch in enumerate(batches):
            if number == 0:
                writer.writerow(batch)
            writer.writerows(map(_to_csv, row) for row in _plain_rows(batch))


def _to_csv(value: Any) -> Any:
    return _ENCODER.encode(value) if isinstance(value, list | dict) else value


def _metadata(signature: Mapping[str, Any] | None, earlier: Sequence[Mapping[str, Any]]) -> dict[str, str] | None:
    if signature is None:
        return None
    named = {f"{SIGNATURE} of {other['metric']}": other for other in earlier}
    return {name: json.dumps(value, ensure_ascii=False) for name, value in {**named, SIGNATURE: signature}.items()}


# The type of a column of parquet; None where no type of Arrow holds its values: they become JSON texts.
_Type = Any
_UNFIT = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError)


def _write_parquet(path: Path, batches: Callable[[], Iterable[AnyColumns]], metadata: Mapping[str, str] | None) -> None:
    types = _types_of(_alike(batches()))
    # A whole number that a column of fractions cannot hold shows only now.
    while (unfit := _write_row_groups(path, _alike(batches()), types, metadata)) is not None:
        types[unfit] = None


def _write_row_groups(
    path: Path, batches: Iterable[AnyColumns], types: Mapping[str, _Type], metadata: Mapping[str, str] | None
) -> str | None:
    """Write each batch; the name of the column that does not fit its type, if one does not."""
    fields = [(name, pa.string() if kind is None else kind) for name, kind in types.items()]
    schema = pa.schema(fields, metadata=metadata)
    with pq.ParquetWriter(path, schema) as writer:
        for batch in batches:
            arrays = []
            for name, column in batch.items():
                try:
                    arrays.append(_arrow_column(column, types[name]))
                except _UNFIT:
                    if types[name] is None:
                        raise
                    return name
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return None


def _types_of(batches: Iterable[AnyColumns]) -> dict[str, _Type]:
    types: dict[str, _Type] = {}
    for batch in batches:
        for name, column in batch.items():
            types[name] = _common_type(types.get(name, pa.null()), _type_of(column))
    # Null in all rows here, but scores in another table.
    return {name: pa.float64() if kind == pa.null() else kind for name, kind in types.items()}


def _type_of(column: Sequence[Any]) -> _Type:
    """Return the type that Arrow takes a column for. Strings among lists become lists of one."""
    if _is_numbers(column) and len(column):
        return {"f": pa.float64(), "i": pa.int64(), "b": pa.bool_()}[column.dtype.kind]
    values = _plain_column(column)
    for form in (values, _as_lists(values)) if any(isinstance(value, list) for value in values) else (values,):
        try:
            return pa.array(form).type
        except _UNFIT:
            continue
    return None


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


def _arrow_column(column: Sequence[Any], kind: _Type) -> Any:
    if _is_numbers(column) and kind is not None and not pa.types.is_nested(kind):
        if column.dtype.kind != "f":
            return pa.array(column).cast(kind)
        return pa.array(column.astype(np.float64, copy=False), mask=~np.isfinite(column))
    values = _plain_column(column)
    if kind is None:
        return pa.array([None if value is None else _ENCODER.encode(value) for value in values], pa.string())
    return pa.array(_as_lists(values) if pa.types.is_list(kind) else values, kind)


def _as_lists(values: Sequence[Any]) -> list[Any]:
    return [value if value is None or isinstance(value, list) else [value] for value in values]


_READERS: dict[str, Callable[[Path, int], Iterator[_Batch]]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
_WRITERS: dict[str, Callable[[Path, Iterable[AnyColumns]], None]] = {
    ".jsonl": _write_jsonl,
    ".json": _write_json,
    ".csv": _write_csv,
}
