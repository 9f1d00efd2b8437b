"""Score a table on disk: read, score, write. What the command line does, callable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vqe_core import registry
from vqe_core.scorers.report import ScoreReport, report_to_columns
from vqe_core.tables import check_writable, read_signatures, read_table, write_table


def score_table(
    metric: str, rows: str | os.PathLike[str], out: str | os.PathLike[str], options: Mapping[str, Any]
) -> ScoreReport:
    """Score the rows of a table and write them with their scores.

    Args:
        metric: a registered scorer, for example ``"emscore"``.
        rows: table to read (jsonl, json, csv, parquet); relative media paths are relative to its folder.
        out: table to write: all input columns, then the score columns, ``status``, ``message`` and
            ``warnings``.
        options: of the scorer, by name.

    Returns:
        The report, for its means and signature.

    Raises:
        InputError: a table that cannot be read or written, or lacks a column the options name.
        VqeError: as the scorer.
    """
    check_writable(Path(out))
    scorer = registry.load("scorer", metric)(**options)
    columns = read_table(rows)
    earlier = [signature for signature in read_signatures(rows) if signature.get("metric") != metric]
    scorer.check_free(columns, where=repr(str(rows)))
    report: ScoreReport = scorer.score(**scorer.inputs_from(columns, base_dir=str(Path(rows).absolute().parent)))
    write_table(out, {**columns, **report_to_columns(report, scorer)}, report.signature, earlier)
    return report
