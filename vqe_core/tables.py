"""Tables on disk: jsonl, json, csv and parquet, chosen by the file's ending."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vqe_core.errors import InputError

Columns = dict[str, list[Any]]
FORMATS = (".jsonl", ".json", ".csv", ".parquet")
SIGNATURE = "signature"  # key of parquet's metadata


def read_table(path: str | os.PathLike[str]) -> Columns:
    """Read a table as columns of equal length. A key that a row lacks is None there.

    Raises:
        InputError: no such file, an ending that is not known, or content that is not a table of rows.
    """
    path = Path(path)
    suffix = check_format(path)
    if not path.is_file():
        raise InputError(f"no table at {str(path)!r}; check the path")
    try:
        columns = _READERS[suffix](path)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(path)!r} cannot be read as {suffix[1:]}: {error}") from error
    if not columns or not len(next(iter(columns.values()))):
        raise InputError(f"{str(path)!r} has no rows")
    return columns


def read_signatures(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Signatures of the metrics that scored a table before; only parquet carries them."""
    if check_format(Path(path)) != ".parquet":
        return []
    import pyarrow.parquet as pq

    metadata = pq.read_schema(path).metadata or {}
    return [json.loads(text) for name, text in metadata.items() if name.decode().split(" of ")[0] == SIGNATURE]


def write_table(
    path: str | os.PathLike[str],
    columns: Mapping[str, Sequence[Any]],
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
    path = Path(path)
    suffix = check_writable(path)
    plain = {name: [_plain(value) for value in column] for name, column in columns.items()}
    if suffix == ".parquet":
        write_whole(path, lambda temporary: _write_parquet(temporary, plain, signature, earlier))
    else:
        write_whole(path, lambda temporary: _WRITERS[suffix](temporary, plain))


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
    """The ending of ``path`` if a table can be written there.

    Raises:
        InputError: an ending that is not known, no such folder, or a folder of this name.
    """
    if not path.parent.is_dir():
        raise InputError(f"cannot write {str(path)!r}: folder {str(path.parent)!r} is not there; make it first")
    if path.is_dir():
        raise InputError(f"cannot write {str(path)!r}: it is a folder; name a file in it")
    return check_format(path)


def check_format(path: Path) -> str:
    """The ending of ``path`` if tables can have it.

    Raises:
        InputError: it is not one of the four.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{str(path)!r} must end in one of {', '.join(FORMATS)}")
    return path.suffix.lower()


def _plain(value: Any) -> Any:
    """Plain Python values; NaN and infinities, which JSON does not know, as None."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _from_rows(rows: Sequence[Any]) -> Columns:
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(f"row {i} is {type(row).__name__}, not an object with column names")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _read_jsonl(path: Path) -> Columns:
    rows = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except ValueError as error:
                    raise ValueError(f"line {number}: {error}") from error
    return _from_rows(rows)


def _read_json(path: Path) -> Columns:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, list):
        raise ValueError(f"it holds {type(content).__name__}, not a list of rows")
    return _from_rows(content)


def _read_csv(path: Path) -> Columns:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        names = next(reader, [])
        if len(set(names)) < len(names):
            raise ValueError(f"column names must differ, got {names}")
        rows = []
        for cells in reader:
            if len(cells) > len(names):
                raise ValueError(f"line {reader.line_num} has {len(cells)} cells, the header {len(names)}")
            if cells:
                rows.append(dict(zip(names, map(_from_csv, cells), strict=False)))
    return _from_rows(rows)


def _from_csv(cell: Any) -> Any:
    """A cell: empty is None, a JSON list or object is read, anything else is text."""
    if not cell:
        return None
    if isinstance(cell, str) and cell[0] in "[{":
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return cell


def _read_parquet(path: Path) -> Columns:
    import pyarrow.parquet as pq

    columns: Columns = pq.read_table(path).to_pydict()
    return columns


def _rows(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _write_jsonl(path: Path, columns: Columns) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in _rows(columns))


def _write_json(path: Path, columns: Columns) -> None:
    path.write_text(json.dumps(_rows(columns), ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8")


def _write_csv(path: Path, columns: Columns) -> None:
    def cell(value: Any) -> Any:
        return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value

    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([cell(value) for value in row.values()] for row in _rows(columns))


def _write_parquet(
    path: Path, columns: Columns, signature: Mapping[str, Any] | None, earlier: Sequence[Mapping[str, Any]]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: _arrow_column(column) for name, column in columns.items()})
    if signature is not None:
        named = {f"{SIGNATURE} of {other['metric']}": other for other in earlier}
        texts = {name: json.dumps(value, ensure_ascii=False) for name, value in {**named, SIGNATURE: signature}.items()}
        table = table.replace_schema_metadata(texts)
    pq.write_table(table, path)


def _arrow_column(column: list[Any]) -> Any:
    """A typed column. Strings among lists become lists of one; other mixtures become JSON texts."""
    import pyarrow as pa

    if all(value is None for value in column):
        return pa.array(column, type=pa.float64())  # null in all rows here, but scores in another table
    lists = [value if value is None or isinstance(value, list) else [value] for value in column]
    for form in (column, lists if any(isinstance(value, list) for value in column) else column):
        try:
            return pa.array(form)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            continue
    return pa.array([None if value is None else json.dumps(value, ensure_ascii=False) for value in column])


_READERS: dict[str, Callable[[Path], Columns]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
_WRITERS: dict[str, Callable[[Path, Columns], None]] = {
    ".jsonl": _write_jsonl,
    ".json": _write_json,
    ".csv": _write_csv,
}
