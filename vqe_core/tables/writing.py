"""Tables out: whole or not at all, and rehearsed before the work whose results they are to hold."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from vqe_core.errors import InputError, TableWarning
from vqe_core.tables.formats import AnyColumns, check_format
from vqe_core.tables.parquet import metadata_of, write_parquet
from vqe_core.tables.values import ENCODER, LONGEST_INTEGER, Changes, as_text, escaped, json_text, pieces, storable

_LONGEST_NAME = 60  # letters of a file's name that its temporary file repeats
_TEXT = {str, int, float, bool, type(None)}


def write_table(
    path: str | os.PathLike[str],
    columns: AnyColumns,
    signature: Mapping[str, Any] | None = None,
    earlier: Sequence[Mapping[str, Any]] = (),
    environments: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write columns, whole or not at all. NaN becomes null.

    A value that the format cannot hold is written in the form that says most, and a ``TableWarning`` names row and
    column.

    Args:
        path: its ending gives the format.
        columns: an entry a row.
        signature: of the scores in it; parquet carries it in the metadata of its schema, as JSON.
        earlier: signatures of other metrics that scored it before, carried as ``"signature of <metric>"``.
        environments: what computed the scores, by metric, carried as ``"environment of <metric>"``.

    Raises:
        InputError: an ending that is not known, or a folder that is not there or cannot be written.
        OSError: the disk is full, or failed; the old file is whole.
    """
    warn_of(write_noted(path, lambda: [columns], signature, earlier, environments), path)


def write_batches(
    path: str | os.PathLike[str],
    batches: Callable[[], Iterable[AnyColumns]],
    signature: Mapping[str, Any] | None = None,
    earlier: Sequence[Mapping[str, Any]] = (),
    environments: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write batches one after the other as one table, whole or not at all. What is written is that of ``write_table``.

    Args:
        path: its ending gives the format.
        batches: gives the batches from the first one on. Called once; for parquet, whose columns have one type each,
            once to learn the types and once to write, and again where a number does not fit its column. A batch is a
            row group of parquet, so some ten thousand rows read well.
        signature, earlier, environments: as ``write_table``.

    Raises:
        InputError: as ``write_table``, or batches whose columns differ.
        OSError: as ``write_table``.

    Example:
        >>> from functools import partial
        >>> from vqe_core.tables import read_batches, read_table
        >>> folder = getfixture("tmp_path")
        >>> write_table(folder / "rows.jsonl", {"id": [1, 2, 3], "score": [None, 1, 0.5]})
        >>> write_batches(folder / "rows.parquet", partial(read_batches, folder / "rows.jsonl", 2))
        >>> read_table(folder / "rows.parquet")
        {'id': [1, 2, 3], 'score': [None, 1.0, 0.5]}
    """
    warn_of(write_noted(path, batches, signature, earlier, environments), path)


def write_noted(
    path: str | os.PathLike[str],
    batches: Callable[[], Iterable[AnyColumns]],
    signature: Mapping[str, Any] | None = None,
    earlier: Sequence[Mapping[str, Any]] = (),
    environments: Mapping[str, Mapping[str, Any]] | None = None,
    media_folder: str | None = None,
) -> Changes:
    """Write as ``write_batches``; return, in place of a warning, what was written in another form than it was given.

    ``media_folder``: where relative media paths in it start, which parquet carries. Default: the folder of ``path``.

    Example:
        >>> path = getfixture("tmp_path") / "rows.csv"
        >>> write_noted(path, lambda: [{"text": ["a", "half \\ud83d"]}]).lines()
        ["row 1, column 'text': half of a surrogate pair is written as its escape, such as \\\\ud83d"]
    """
    check_writable(Path(path))
    beside = None if media_folder is None else folder_beside(Path(path), media_folder)
    metadata = metadata_of(signature, earlier, environments, beside)
    changes: Changes = write_whole(Path(path), lambda temporary: _write(temporary, batches, metadata))
    return changes


def folder_beside(path: Path, folder: str) -> str | None:
    """Return a folder as it is seen from that of a file; None where that is it.

    Example:
        >>> folder_beside(Path("/data/out/scores.parquet"), "/data/in"), folder_beside(Path("/data/a.csv"), "/data")
        ('../in', None)
    """
    here, there = os.path.realpath(path.absolute().parent), os.path.realpath(folder)
    return None if here == there else os.path.relpath(there, here)


def warn_of(changes: Changes, path: str | os.PathLike[str]) -> None:
    """Warn of what a file does not hold as it was given, if there is something."""
    if changes.found:
        warnings.warn(changes.summary(os.fspath(path)), TableWarning, stacklevel=3)


def rehearse(path: str | os.PathLike[str], columns: AnyColumns) -> tuple[int, Changes]:
    """Write columns beside ``path`` and remove them again: what would fail later fails now.

    Returns:
        Bytes that they took, and what was written in another form than it was given.

    Raises:
        InputError: the file cannot be written there.

    Example:
        >>> rehearse(getfixture("tmp_path") / "rows.jsonl", {"id": [1, 2]})[0]
        20
    """
    return rehearse_batches(path, lambda: [columns])


def rehearse_batches(
    path: str | os.PathLike[str], batches: Callable[[], Iterable[AnyColumns]], keep: Path | None = None
) -> tuple[int, Changes]:
    """Write batches beside ``path`` and remove them again, as ``rehearse`` does with columns.

    Args:
        path: whose ending gives the format.
        batches: see ``write_batches``.
        keep: file that what was written is moved to, in place of removing it.
    """
    path = _real(Path(path))
    temporary = _beside(path)
    try:
        changes = _write(temporary, batches, None)
        size = temporary.stat().st_size
        if keep is not None:
            shutil.move(temporary, keep)  # `path` may be a link to another disk
        return size, changes
    except OSError as error:
        raise _cannot_be_written(path, error) from error
    finally:
        _remove(temporary)


def write_whole(path: Path, write: Callable[[Path], Any]) -> Any:
    """Let ``write`` fill a temporary file beside ``path`` that takes its place once it is complete.

    An interrupted run leaves the old file, or none. A link stays, and what it leads to is written.

    Returns:
        What ``write`` returns.
    """
    path = _real(path)
    temporary = _beside(path)
    try:
        result = write(temporary)
        os.replace(temporary, path)
        return result
    finally:
        _remove(temporary)


def check_writable(path: Path) -> str:
    """Return the ending of ``path`` if a table can be written there; a file beside it is made and removed to see.

    Raises:
        InputError: an ending that is not known, no such folder, one that cannot be written, or a name that is taken by
            a folder or a device.
    """
    try:
        path = _real(path)
        if not path.parent.is_dir():
            raise InputError(f"cannot write {str(path)!r}: folder {str(path.parent)!r} is not there; make it first")
        if path.is_dir():
            raise InputError(f"cannot write {str(path)!r}: it is a folder; name a file in it")
        suffix = check_format(path)
        if path.exists() and not path.is_file():
            raise InputError(f"cannot write {str(path)!r}: it is a device or a pipe; name a file")
        temporary = _beside(path)
        try:
            temporary.touch()
        finally:
            _remove(temporary)
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise _cannot_be_written(path, error) from error
    return suffix


def _cannot_be_written(path: Path, error: Exception) -> InputError:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return InputError(f"cannot write {str(path)!r}: {why}; name a folder that can be written and has room")


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _beside(path: Path) -> Path:
    """Return the name of a temporary file in the same folder, and with the same ending."""
    name = path.stem.encode("ascii", "replace").decode().replace("?", "_")[:_LONGEST_NAME]
    return path.with_name(f".{os.getpid()}-{uuid.uuid4().hex[:8]}-{name}{path.suffix}")


def _remove(path: Path) -> None:
    with suppress(OSError):  # what it was made for matters more
        path.unlink(missing_ok=True)


def _write(path: Path, batches: Callable[[], Iterable[AnyColumns]], metadata: Mapping[str, str] | None) -> Changes:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return write_parquet(path, lambda: _alike(batches()), metadata)
    changes = Changes()
    # A lone surrogate has no UTF-8. Its escape is the same character to who reads JSON.
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="" if suffix == ".csv" else None) as file:
        _WRITERS[suffix](file, _pieces(_alike(batches()), changes), changes)
    return changes


def _alike(batches: Iterable[AnyColumns]) -> Iterator[AnyColumns]:
    """Return the batches, held to have the columns of the first."""
    first: list[str] | None = None
    for number, batch in enumerate(batches):
        first = list(batch) if first is None else first
        if list(batch) != first:
            raise InputError(f"batch {number} has columns {list(batch)}, the first {first}; give all the same")
        yield batch


_Piece = tuple[list[str], int, list[list[Any]]]


def _pieces(batches: Iterable[AnyColumns], changes: Changes) -> Iterator[_Piece]:
    """Return names, first row and plain columns of some rows at a time; once without rows where a batch has none."""
    first_row = 0
    for batch in batches:
        names = [str(name) for name in batch]
        yield names, first_row, [[] for _ in names]
        for row, columns in pieces(batch, changes, first_row):
            yield names, row, columns
        first_row += max(map(len, batch.values()), default=0)


def _write_jsonl(file: Any, parts: Iterable[_Piece], changes: Changes) -> None:
    for part in parts:
        file.writelines(line + "\n" for line in _json_rows(part, ENCODER, changes))


def _write_json(file: Any, parts: Iterable[_Piece], changes: Changes) -> None:
    """Write as ``json.dumps(rows, indent=1)`` writes them, a row at a time."""
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=1, default=as_text)
    before = "[\n "
    for part in parts:
        for text in _json_rows(part, encoder, changes):
            file.write(before + text.replace("\n", "\n "))
            before = ",\n "
    file.write("[]\n" if before.startswith("[") else "\n]\n")


def _json_rows(part: _Piece, encoder: json.JSONEncoder, changes: Changes) -> Iterator[str]:
    names, first_row, columns = part
    for row, values in enumerate(zip(*columns, strict=True), start=first_row):
        try:
            yield encoder.encode(dict(zip(names, values, strict=True)))
        except Exception:  # see json_text
            cells = zip(names, values, strict=True)
            yield encoder.encode({n: storable(v, changes.teller(n, row), escape=False) for n, v in cells})


# Before 3.11, Python's csv neither writes nor reads it.
_CSV_HAS_NUL = sys.version_info >= (3, 11)


def _write_csv(file: Any, parts: Iterable[_Piece], changes: Changes) -> None:
    writer = csv.writer(file)
    header: list[str] | None = None
    for names, first_row, columns in parts:
        if header is None:
            header = [escaped(name, changes.teller(name, None)) for name in names]
            writer.writerow(header)
        cells = [_csv_cells(column, name, first_row, changes) for name, column in zip(names, columns, strict=True)]
        writer.writerows(zip(*cells, strict=True))


def _csv_cells(column: list[Any], name: str, first_row: int, changes: Changes) -> list[Any]:
    kinds = set(map(type, column))
    if kinds <= _TEXT and (int not in kinds or all(map(_is_short, column))):
        try:
            if b"\0" not in "".join(value for value in column if type(value) is str).encode() or _CSV_HAS_NUL:
                return column
        except UnicodeEncodeError:
            pass
    return [_csv_cell(value, changes.teller(name, row)) for row, value in enumerate(column, start=first_row)]


def _is_short(value: Any) -> bool:
    return type(value) is not int or value.bit_length() <= LONGEST_INTEGER


def _csv_cell(value: Any, tell: Callable[[str], None]) -> Any:
    if isinstance(value, list | dict):
        return json_text(value, tell)  # whose escapes are those of JSON
    plain = storable(value, tell, escape=True)
    if isinstance(plain, str) and "\0" in plain and not _CSV_HAS_NUL:
        tell("the character NUL is written as its escape \\x00")
        return plain.replace("\0", "\\x00")
    return json_text(plain, tell) if isinstance(plain, list | dict) else plain


_WRITERS: dict[str, Callable[[Any, Iterable[_Piece], Changes], None]] = {
    ".jsonl": _write_jsonl,
    ".json": _write_json,
    ".csv": _write_csv,
}
