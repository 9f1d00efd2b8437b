"""Tables in: what users wrote is read as they wrote it, or refused in one line that names file, line and way out.

Parquet is read and written by pyarrow. Text is not, because pyarrow would change what users wrote, or refuse it. Seen
with its release 26: the JSON reader turns texts that look like dates into timestamps and whole numbers beside fractions
into fractions (9007199254740993 into ...992), gives every object the keys of all others, refuses a column of texts and
lists and a row longer than a block, takes two rows on one line, and names no line. The CSV reader turns "007" into 7,
"true" into a flag and "NA" into null; with every column declared text it still refuses rows that are short of cells and
passes over what follows a closing quote. It is about four times as fast as ours, which is three seconds for 300,000
rows: little beside scoring them. There is no JSON writer, and the CSV writer quotes every text and takes no lists.
"""

from __future__ import annotations

import csv
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vqe_core.errors import InputError, MissingPackageError
from vqe_core.tables.formats import (
    ENVIRONMENT,
    MEDIA_FOLDER,
    READ_FORMATS,
    ROWS_IN_HAND,
    SIGNATURE,
    Columns,
    check_format,
)

_PARQUET_ROWS = 8192  # no objects a row there
_LONGEST_CELL = 2**31 - 1  # a C long on any system
_csv_limit = threading.Lock()


def read_table(path: str | os.PathLike[str]) -> Columns:
    """Read a table as columns of equal length. A key that a row lacks is None there.

    Args:
        path: of a file; or a folder of parquet files, as a run with ``--out DIR`` leaves one, in the order of names.

    Raises:
        InputError: no such file, an ending that is not known, or content that is not a table of rows.
    """
    if os.path.isdir(path):
        return _joined([read_table(part) for part in _parts(Path(path))])
    return _read(path, _READERS)


def read_written(path: str | os.PathLike[str]) -> Columns:
    """Read a table that ``write_table`` wrote, as ``read_table`` does, without looking for mistakes of people."""
    return _read(path, _SURE_READERS)


def _read(path: str | os.PathLike[str], readers: Mapping[str, Callable[..., Iterator[_Batch]]]) -> Columns:
    path, suffix = _existing(path)
    columns: Columns = {}
    rows = 0
    with _told(path, suffix):
        for count, batch in readers[suffix](path, _PARQUET_ROWS if suffix == ".parquet" else ROWS_IN_HAND):
            for name, values in batch.items():
                columns.setdefault(name, [None] * rows).extend(values)
            rows += count
            for name in columns.keys() - batch.keys():
                columns[name].extend([None] * count)
    if not columns or not rows:
        raise InputError(f"{str(path)!r} has no rows")
    return columns


def _parts(folder: Path) -> list[Path]:
    """Return the parquet files of a folder, by name."""
    parts = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))
    if not parts:
        raise InputError(f"no table at {str(folder)!r}; check the path: it is a folder without parquet files")
    return parts


def _joined(tables: Sequence[Columns]) -> Columns:
    names = dict.fromkeys(chain.from_iterable(tables))
    sizes = [len(next(iter(table.values()))) for table in tables]
    return {
        name: [value for table, size in zip(tables, sizes, strict=True) for value in table.get(name, [None] * size)]
        for name in names
    }


def read_batches(
    path: str | os.PathLike[str], batch_size: int, names: Iterable[str] | None = None
) -> Iterator[Columns]:
    """Read a table batch by batch, in order; every batch has all columns, and together they are ``read_table``.

    Batches are Python values, not Arrow's: a column of jsonl may hold texts and lists at once. Before the first batch,
    jsonl and csv are gone through once, for the columns of all rows and so that a mistake in the last line is told
    before work on the first. One batch is in memory at a time; of json, which cannot be read in parts, the whole table.

    Args:
        path: of the table.
        batch_size: rows of each batch but the last, at least 1.
        names: of the columns, where this file, unchanged, was read before: then it is not gone through first.

    Raises:
        InputError: as ``read_table``; what is wrong with the content is told when the first batch is asked for, of
            parquet when its batch is.

    Example:
        >>> from vqe_core.tables import write_table
        >>> path = getfixture("tmp_path") / "rows.jsonl"
        >>> write_table(path, {"id": [1, 2, 3], "text": ["a", ["b", "c"], None]})
        >>> [batch["text"] for batch in read_batches(path, 2)]
        [['a', ['b', 'c']], [None]]
    """
    if batch_size < 1:
        raise InputError(f"batch_size ({batch_size}) must be at least 1")
    return _batches(*_existing(path), batch_size, dict.fromkeys(names or ()))


def read_signatures(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the signatures of the metrics that scored a table before; only parquet carries them.

    Another program's metadata of that name is passed over.
    """
    known = (_mapping(text) for name, text in _metadata(path).items() if name.split(" of ")[0] == SIGNATURE)
    return [signature for signature in known if signature is not None and "metric" in signature]


def read_environments(path: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """Return what computed the scores of a table, by metric; only parquet carries it."""
    named = ((name.partition(f"{ENVIRONMENT} of "), text) for name, text in _metadata(path).items())
    known = {metric: _mapping(text) for (before, mark, metric), text in named if mark and not before}
    return {metric: environment for metric, environment in known.items() if environment is not None}


def read_media_folder(path: str | os.PathLike[str]) -> str:
    """Return the folder that relative media paths of a table start from: its own, unless it says another.

    A table is written elsewhere than its input was, and its paths are as they were; only parquet carries where they
    start.
    """
    own = os.path.abspath(path if os.path.isdir(path) else os.path.dirname(path))
    carried = _metadata(path).get(MEDIA_FOLDER)
    return own if carried is None else os.path.realpath(os.path.join(os.path.realpath(own), carried.decode("utf-8")))


def _metadata(path: str | os.PathLike[str]) -> dict[str, bytes]:
    if os.path.isdir(path):
        path = _parts(Path(path))[0]
    if check_format(Path(path), READ_FORMATS) != ".parquet":
        return {}
    with _told(Path(path), ".parquet"):
        metadata = pq.read_schema(path).metadata or {}
    return {name.decode(errors="replace"): text for name, text in metadata.items()}


def _mapping(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _existing(path: str | os.PathLike[str]) -> tuple[Path, str]:
    path = Path(path)
    suffix = check_format(path, READ_FORMATS)
    if not os.path.isfile(path):  # Path.is_file raises where a name is too long
        raise InputError(f"no table at {str(path)!r}; check the path")
    return path, suffix


@contextmanager
def _told(path: Path, suffix: str) -> Iterator[None]:
    """Say which table could not be read, and why, in one line."""
    try:
        yield
    except (InputError, MissingPackageError):
        raise
    except UnicodeDecodeError as error:
        why = str(error) if suffix == ".parquet" else _no_utf_8(path)
        raise InputError(f"{str(path)!r} cannot be read as {suffix[1:]}: {why}") from error
    except (ValueError, OSError, pa.ArrowException) as error:
        words = " ".join(str(error).split())
        raise InputError(f"{str(path)!r} cannot be read as {suffix[1:]}: {words}") from error


_OTHER_FILES = {  # how a file begins that is no text
    b"\xff\xfe": "it is UTF-16",
    b"\xfe\xff": "it is UTF-16",
    b"\x1f\x8b": "it is compressed by gzip",
    b"PK\x03\x04": "it is a zip file, as those of spreadsheets are",
    b"PAR1": "it is parquet, and must end in .parquet",
}


def _no_utf_8(path: Path) -> str:
    """Return what is wrong with the letters of a file, with the first line that is no UTF-8."""
    way_out = "save it again as a text in UTF-8"
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            for start, what in _OTHER_FILES.items() if number == 1 else ():
                if line.startswith(start):
                    return f"{what}; {way_out}"
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"line {number}: byte 0x{line[error.start]:02x} is no UTF-8; {way_out}"
    return f"it is no UTF-8; {way_out}"


def _batches(path: Path, suffix: str, size: int, names: dict[str, None]) -> Iterator[Columns]:
    rows = 0
    with _told(path, suffix):
        if not names and suffix in (".jsonl", ".csv", ".tsv"):
            names = _names_of(path, suffix)
        readers = _SURE_READERS if names else _READERS
        for count, batch in readers[suffix](path, size):
            if not (all_names := names or batch):
                break
            rows += count
            yield {name: batch[name] if name in batch else [None] * count for name in all_names}
    if not rows:
        raise InputError(f"{str(path)!r} has no rows")


_SETTLED_AFTER = 2_000_000_000  # ns: two changes within a tick of a file system's clock look the same
_KNOWN_NAMES: dict[tuple[str, int, int, int], dict[str, None]] = {}
_MOST_KNOWN = 1000  # files


def _names_of(path: Path, suffix: str) -> dict[str, None]:
    """Return the columns of all rows, by going through them; of a file that has not changed since, as they were found.

    A run reads its table six times, and need not look for mistakes in it each time.
    """
    found, now = path.stat(), time.time_ns()
    stamp = (str(path.absolute()), found.st_ino, found.st_size, found.st_mtime_ns)
    if stamp in _KNOWN_NAMES:
        return _KNOWN_NAMES[stamp]
    names = dict[str, None]()
    for _, batch in _READERS[suffix](path, ROWS_IN_HAND):
        names.update(dict.fromkeys(batch))
    if found.st_mtime_ns < now - _SETTLED_AFTER:
        if len(_KNOWN_NAMES) >= _MOST_KNOWN:
            _KNOWN_NAMES.clear()
        _KNOWN_NAMES[stamp] = names
    return names


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


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object whose keys differ: of two values, the first would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the key {twice!r} twice; rename one")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)  # json.loads would make one for each text
_SCAN: Any = _DECODER.scan_once  # type: ignore[attr-defined]
_SURE_SCAN: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


def _json_value(text: str, line: int | None = None) -> Any:
    """Read a JSON text.

    Args:
        text: to its end.
        line: of the file, None where the text is the whole file.

    Raises:
        ValueError: it is none, or deeper or with longer numbers than Python reads.
    """
    where = f"line {line}: " if line is not None else ""
    try:
        try:
            value, end = _SCAN(text, 0)
        except StopIteration:  # a space before it, or an error, which ``decode`` tells
            return _DECODER.decode(text)
        return value if not text[end:].strip(" \t\n\r") else _DECODER.decode(text)
    except json.JSONDecodeError as error:
        ends = error.pos >= len(text.rstrip()) or "Unterminated" in error.msg
        cut = f"; is the file cut off{'' if line is None else ', or the row on several lines'}?" if ends else ""
        where = where or f"line {error.lineno}: "
        raise ValueError(f"{where}{error.msg} (column {error.colno}){cut}") from error
    except RecursionError:
        # The traceback would hold a frame a level.
        raise ValueError(f"{where}nested deeper than Python reads, about 1000 levels; flatten it") from None
    except ValueError as error:
        words = str(error).partition("; use sys.")[0]
        raise ValueError(f"{where}{words}") from error


def _read_jsonl(path: Path, size: int, *, sure: bool = False) -> Iterator[_Batch]:
    """Read objects line by line; ``sure`` that they are right, without looking."""
    done, rows = 0, list[dict[str, Any]]()
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.isspace():
                continue
            if sure and line[0] == "{":
                rows.append(_SURE_SCAN(line, 0)[0])
            else:
                rows.append(_checked_row(done + len(rows), _json_value(line, number)))
            if len(rows) == size:
                yield _from_rows(rows)
                done, rows = done + size, []
    if rows:
        yield _from_rows(rows)


def _read_json(path: Path, size: int) -> Iterator[_Batch]:
    text = path.read_text(encoding="utf-8-sig")
    if not text.strip():
        return
    content = _json_value(text)
    if not isinstance(content, list):
        raise ValueError(f"it holds {type(content).__name__}, not a list of rows")
    rows = [_checked_row(number, row) for number, row in enumerate(content)]
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    for start in range(0, len(rows), size):
        yield _from_rows(rows[start : start + size], names)


def _read_csv(path: Path, size: int, delimiter: str = ",") -> Iterator[_Batch]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = _csv_lines(csv.reader(file, strict=True, delimiter=delimiter))
        names = _next_lines(lines, 1)[0]
        while rows := _next_lines(lines, size):
            columns = zip(*rows, strict=True)
            yield len(rows), {name: _from_csv(cells) for name, cells in zip(names, columns, strict=True)}


def _csv_lines(reader: Any) -> Iterator[list[str]]:
    """Return the header, then rows of as many cells: empty cells where a row is short, no row for an empty line."""
    start = 1
    try:
        names: list[str] = next(filter(None, reader), [])
        if len(set(names)) < len(names):
            raise ValueError(f"column names must differ, got {names}; rename one")
        yield names
        start = reader.line_num + 1
        for cells in reader:
            if len(cells) > len(names):
                raise ValueError(
                    f"line {reader.line_num} has {len(cells)} cells, the header {len(names)}; quote cells with commas"
                )
            if cells:
                yield cells if len(cells) == len(names) else cells + [""] * (len(names) - len(cells))
            start = reader.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise ValueError(
                f"line {start}: a quote is opened and not closed before the end of the file; close it, or write a "
                'quote within a cell as ""'
            ) from error
        raise ValueError(f"line {reader.line_num}: {error}; a cell with quotes or line ends is quoted as a whole, "
                         'quotes within it as ""') from error  # fmt: skip


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
        return _json_value(cell)
    except ValueError:
        return cell


def _read_xlsx(path: Path, size: int) -> Iterator[_Batch]:
    """Read the first sheet; its first row names the columns."""
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise MissingPackageError(
            f"{str(path)!r} is a table of a spreadsheet, which needs openpyxl: pip install openpyxl; or save it as csv"
        ) from error
    book = load_workbook(path, read_only=True, data_only=True)
    try:
        lines = book.worksheets[0].iter_rows(values_only=True)
        names = [str(name) for name in next(lines, ()) if name is not None]
        if len(set(names)) < len(names):
            raise ValueError(f"column names must differ, got {names}; rename one")
        while rows := [dict(zip(names, cells, strict=False)) for cells in islice(lines, size)]:
            yield _from_rows(rows, names)
    finally:
        book.close()


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
                held[name].extend(_python_values(column, name))
            rows += batch.num_rows
            if rows >= size:
                yield size, {name: values[:size] for name, values in held.items()}
                held = {name: values[size:] for name, values in held.items()}
                rows -= size
        if rows:
            yield rows, held


def _python_values(column: Any, name: str) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except Exception as error:  # dates beyond the year 9999, time zones that are not known, texts that are no UTF-8
        raise ValueError(
            f"column {name!r} ({column.type}) holds what Python cannot ({type(error).__name__}: {error}); leave it out "
            "of the table, or write it in another type"
        ) from error
    return values


_READERS: dict[str, Callable[[Path, int], Iterator[_Batch]]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".tsv": partial(_read_csv, delimiter="\t"),
    ".xlsx": _read_xlsx,
}
# For tables that were read before, or that are our own.
_SURE_READERS: dict[str, Callable[[Path, int], Iterator[_Batch]]] = {
    **_READERS,
    ".jsonl": partial(_read_jsonl, sure=True),
}
