"""Measure the baseline of EMScore on a table on disk. What ``vqe baseline build`` does, callable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.tables import read_table

if TYPE_CHECKING:
    from vqe_core.scorers.emscore.baseline import Baseline


def build_baseline(
    rows: str | os.PathLike[str], out: str | os.PathLike[str], options: Mapping[str, Any]
) -> tuple[Baseline, int]:
    """Measure what unrelated captions score, on a table of captions that fit.

    Args:
        rows: table to read (jsonl, json, csv, parquet); relative media paths are relative to its folder.
        out: file to write, for ``baseline=out``.
        options: of ``emscore``, by name; those of the scores that are to be rescaled.

    Returns:
        The baseline, and how many rows of the table there are.

    Raises:
        InputError: a table that cannot be read or lacks a column, or fewer than two clips with scores.
        VqeError: as the scorer.
    """
    check_fitted_out(rows, out)
    scorer = registry.load("scorer", "emscore")(**options)
    inputs, num_rows = inputs_of_table(scorer, rows)
    return scorer.fit_baseline(**inputs, path=out).baseline, num_rows


def check_fitted_out(rows: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Raise InputError, before the work, where what is fitted on a table could not be written."""
    folder = Path(out).absolute().parent
    if not folder.is_dir():
        raise InputError(
            f"cannot write {os.fspath(out)!r}: there is no folder {str(folder)!r}; make it, or name another"
        )
    if os.path.isdir(out) or (os.path.exists(out) and os.path.samefile(rows, out)):
        raise InputError(f"{os.fspath(out)!r} is a folder, or the table that is read; name another file to write")


def inputs_of_table(scorer: Any, rows: str | os.PathLike[str]) -> tuple[dict[str, Any], int]:
    """Return the inputs of a scorer in a whole table, whose media paths are relative to its folder, and its rows."""
    columns = read_table(rows)
    inputs = scorer.inputs_from(columns, base_dir=str(Path(rows).absolute().parent))
    return inputs, max(map(len, columns.values()))
