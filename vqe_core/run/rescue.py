"""A place for scores when the table that was to hold them cannot be written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from vqe_core.errors import OutputError
from vqe_core.tables import write_table

_LONGEST_NAME = 40  # letters of the output's name that the file of the scores begins with


def rescued(
    out: Path,
    columns: Mapping[str, Sequence[Any]],
    results: Mapping[str, Sequence[Any]],
    cause: Exception,
) -> OutputError:
    """Write a scored table elsewhere as jsonl, or the scores alone where there is no room for more.

    Args:
        out: what could not be written. Its folder is tried first, then those for temporary files, of work and of home.
        columns: of the input.
        results: of the metric.
        cause: why it could not be written.

    Returns:
        The error to raise, which says where the scores are.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> error = rescued(folder / "out.csv", {"id": [1]}, {"score": [0.5]}, OSError(28, "No space left on device"))
        >>> str(error).replace(str(folder), "")[:60]
        "'/out.csv' could not be written (No space left on device); t"
    """
    cause = cause.__cause__ if isinstance(cause, OutputError) and isinstance(cause.__cause__, OSError) else cause
    why = (cause.strerror if isinstance(cause, OSError) else None) or f"{type(cause).__name__}: {cause}"
    said = f"{str(out)!r} could not be written ({' '.join(why.split())})"
    rows = range(len(next(iter(results.values()))))
    forms = {
        "the scored table is": {**columns, **results},
        "the scores alone, by number of row, are": {"row": list(rows), **results},
    }
    for what, form in forms.items():
        for folder in _folders(out):
            path = _written(folder, out, form)
            if path is not None:
                return OutputError(f"{said}; {what} in {str(path)!r}")
    return OutputError(f"{said}, nor could the scores in any other folder; make room, and score again")


def _folders(out: Path) -> Iterator[Path]:
    yield out.absolute().parent
    for find in (tempfile.gettempdir, Path.cwd, Path.home):
        with suppress(OSError, RuntimeError):  # there is none
            yield Path(find())


def _written(folder: Path, out: Path, columns: Mapping[str, Sequence[Any]]) -> Path | None:
    """Write columns to a new file in a folder; None where that cannot be."""
    name = out.stem.encode("ascii", "replace").decode().replace("?", "_")[:_LONGEST_NAME]
    try:
        handle, path = tempfile.mkstemp(prefix=f"{name}-", suffix=".jsonl", dir=folder)
    except OSError:
        return None
    os.close(handle)
    try:
        write_table(path, columns)
    except Exception:  # the next folder may take it
        with suppress(OSError):
            os.unlink(path)
        return None
    return Path(path)
