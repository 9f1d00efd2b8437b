"""Files of a report: written whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from vqe_core.types import ScoreReport


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


def write_score_table(path: Path, columns: Mapping[str, Sequence[Any]], scores: ScoreReport) -> None:
    """Write a parquet table: ``columns``, then the score columns, ``status`` and ``message``.

    A score that is not there is null, not NaN. The signature travels in the metadata of the schema, as JSON.

    Args:
        path: of the file.
        columns: what each row is about, an entry a row.
        scores: of the same rows.
    """
    table = {name: pa.array(list(values)) for name, values in columns.items()}
    table |= {name: pa.array(nulls_for_nan(values), pa.float64()) for name, values in scores.rows.items()}
    table |= {"status": pa.array(scores.status, pa.string()), "message": pa.array(scores.messages, pa.string())}
    signature = json.dumps(scores.signature, ensure_ascii=False)
    write_whole(path, lambda temporary: _write_parquet(table, signature, temporary))


def nulls_for_nan(values: Sequence[float]) -> list[float | None]:
    """None in place of NaN, which no strict JSON reader takes and which tables count as a number."""
    return [None if math.isnan(value) else float(value) for value in values]


def _write_parquet(table: Mapping[str, pa.Array], signature: str, path: Path) -> None:
    pyarrow.parquet.write_table(pa.table(dict(table)).replace_schema_metadata({"signature": signature}), path)
