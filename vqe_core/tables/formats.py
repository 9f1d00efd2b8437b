"""The formats of tables, by the ending of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqe_core.errors import InputError

Columns = dict[str, list[Any]]
AnyColumns = Mapping[str, Sequence[Any]]
FORMATS = (".jsonl", ".json", ".csv", ".parquet")  # read and written
READ_FORMATS = (*FORMATS, ".tsv", ".xlsx")
# Keys of parquet's metadata. The folder is relative to that of the file, so that both can move together.
SIGNATURE, ENVIRONMENT, MEDIA_FOLDER = "signature", "environment", "media_folder"
ROWS_IN_HAND = 1024  # where nobody chose: more of them live long enough to slow the garbage collector


def check_format(path: Path, formats: Sequence[str] = FORMATS) -> str:
    """Return the ending of ``path`` if tables can have it.

    Raises:
        InputError: it is not one of ``formats``.

    Example:
        >>> check_format(Path("rows.CSV"))
        '.csv'
    """
    if path.suffix.lower() not in formats:
        raise InputError(f"{str(path)!r} must end in one of {', '.join(formats)}")
    return path.suffix.lower()
