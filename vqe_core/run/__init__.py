"""Score a table on disk: read, score, write. What the command line does, callable."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.run.rescue import rescued
from vqe_core.scorers.report import ScoreReport, report_to_columns
from vqe_core.tables import (
    Changes,
    check_writable,
    read_environments,
    read_signatures,
    read_table,
    rehearse,
    warn_of,
    write_noted,
)

_PER_CELL, _PER_ROW = 24, 200  # bytes of a score, and of status and message, as text; a rough estimate
_MB = 1024**2


def score_table(
    metric: str, rows: str | os.PathLike[str], out: str | os.PathLike[str], options: Mapping[str, Any]
) -> ScoreReport:
    """Score the rows of a table and write them with their scores.

    What can be known of the output is checked before the work: format, folder, room on the disk, and whether the format
    holds every value of the input. If the table cannot be written all the same, the scores are written elsewhere.

    Args:
        metric: a registered scorer, for example ``"emscore"``.
        rows: table to read (jsonl, json, csv, parquet); relative media paths are relative to its folder.
        out: another table to write: all input columns, then the score columns, ``status``, ``message`` and
            ``warnings``. An older one stays whole until the new one is complete.
        options: of the scorer, by name.

    Returns:
        The report, for its means and signature.

    Raises:
        InputError: a table that cannot be read or written, or lacks a column the options name.
        OutputError: the table could not be written at the end, as on a disk that filled up; it says where the scores
            are instead.
        VqeError: as the scorer.
    """
    out = Path(out)
    check_writable(out)
    if _same_file(rows, out):
        raise InputError(f"{str(out)!r} is the table that is read; name another file to write")
    scorer = registry.load("scorer", metric)(**options)
    columns = read_table(rows)
    earlier = [signature for signature in read_signatures(rows) if signature.get("metric") != metric]
    scorer.check_free(columns, where=repr(str(rows)))
    inputs = scorer.inputs_from(columns, base_dir=str(Path(rows).absolute().parent))
    expected = _rehearsed(out, columns, len(scorer.columns_for(columns)))
    report: ScoreReport = scorer.score(**inputs)
    results = report_to_columns(report, scorer)
    try:
        environments = {**read_environments(rows), metric: report.environment}
        changes = write_noted(out, lambda: [{**columns, **results}], report.signature, earlier, environments)
    except Exception as error:  # whatever it is, hours of work must not end with it
        raise rescued(out, columns, results, error) from error
    warn_of(changes.beyond(expected), out)
    return report


def _same_file(rows: str | os.PathLike[str], out: Path) -> bool:
    try:
        return os.path.samefile(rows, out)
    except (OSError, ValueError):  # one of them is not there
        return False


def _rehearsed(out: Path, columns: Mapping[str, list[Any]], results: int) -> Changes:
    """Write the input columns where the output will be, and warn of what does not fit its format.

    Raises:
        InputError: they cannot be written, or the disk has no room for the results beside them.
    """
    size, changes = rehearse(out, columns)
    rows = max(map(len, columns.values()))
    needed = size + rows * (_PER_CELL * results + _PER_ROW)
    room = shutil.disk_usage(os.path.realpath(out.parent)).free
    if room < needed:
        raise InputError(
            f"cannot write {str(out)!r}: its disk has room for {room / _MB:.1f} MB, and about {needed / _MB:.1f} MB "
            "are needed; make room, or name another folder"
        )
    warn_of(changes, out)
    return changes
