"""The table of a finished run: its parts beside the columns of the input, streamed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vqe_core.errors import OutputError
from vqe_core.media import is_address
from vqe_core.run.folder import Manifest, RunFolder
from vqe_core.run.parts import inputs_of, read_evidence, read_rows
from vqe_core.run.sources import RowSource
from vqe_core.run.summary import RunSummary
from vqe_core.tables import Changes, Columns, write_noted, write_whole
from vqe_core.tables.parquet import metadata_of, read_arrow, write_arrow, write_beside
from vqe_core.tables.writing import folder_beside

MOST_COMPARED = 100_000  # rows whose evidence is held at one time, some kilobytes each


def write_merged(out: Path, folder: RunFolder, manifest: Manifest, source: RowSource, summary: RunSummary) -> Changes:
    """Write the input with the scores of all parts as one table, whole or not at all; return what it cannot hold."""
    metrics = manifest.metric.split(",")
    earlier = [each for each in source.signatures() if each.get("metric") not in metrics]
    try:
        return _written(out, folder, manifest, source, summary, earlier)
    except OSError as error:
        raise OutputError(
            f"{str(out)!r} could not be written ({error.strerror or error}); all scores are kept in "
            f"{str(folder.path)!r}: make room, and give the same command again"
        ) from error


def _written(
    out: Path,
    folder: RunFolder,
    manifest: Manifest,
    source: RowSource,
    summary: RunSummary,
    earlier: Sequence[Mapping[str, Any]],
) -> Changes:
    environments = {**source.environments(), manifest.metric: summary.environment}
    files = source.files if source.is_parquet else (folder.columns,) if folder.columns.is_file() else ()
    if files and out.suffix.lower() == ".parquet":
        parts = (folder.part(number, len(manifest.parts)) for number in range(len(manifest.parts)))
        metadata = metadata_of(summary.signature, earlier, environments, folder_beside(out, manifest.base_dir))
        write_whole(out, lambda temporary: write_beside(temporary, files, parts, metadata))
        return Changes()
    return write_noted(
        out,
        lambda: _merged(folder, manifest, source),
        summary.signature,
        earlier,
        environments,
        media_folder=manifest.base_dir,
    )


def elsewhere(out: Path, manifest: Manifest, scorer: Any, source: RowSource) -> str:
    """Return where relative paths of media start in a table that does not say so, and lies elsewhere; else ""."""
    if out.suffix.lower() == ".parquet" or folder_beside(out, manifest.base_dir) is None:
        return ""
    keys = {getattr(scorer, entry.key) for entry in scorer.inputs if entry.kind in ("video", "audio")}
    first: Columns = next(iter(source.batches()), {})
    cells = (cell for key in keys for cell in first.get(key, ()))
    relative = any(isinstance(cell, str) and not is_address(cell) and not os.path.isabs(cell) for cell in cells)
    return manifest.base_dir if relative else ""


def _merged(folder: RunFolder, manifest: Manifest, source: RowSource) -> Iterator[Columns]:
    rows = source.batches()
    held: Columns = {}
    for number, part in enumerate(manifest.parts):
        while not held or len(next(iter(held.values()))) < part.num_rows:
            for name, values in next(rows).items():
                held.setdefault(name, []).extend(values)
        taken = {name: values[: part.num_rows] for name, values in held.items()}
        for values in held.values():
            del values[: part.num_rows]
        yield {**taken, **_results(read_arrow(folder.part(number, len(manifest.parts))), taken)}


def _results(table: pa.Table, columns: Columns) -> dict[str, Any]:
    """Return the columns of results as they were before they were written: numbers as arrays, texts as lists."""
    results: dict[str, Any] = {}
    for name in table.column_names:
        if name in columns:
            continue
        column = table.column(name)
        if pa.types.is_floating(column.type):
            values = np.array(column.to_numpy(), dtype=np.float64)
            results[name] = values
        else:
            results[name] = column.to_pylist()
    return results


def calibrate_all(folder: RunFolder, manifest: Manifest, scorer: Any) -> dict[str, Any]:
    """Compare all rows of a finished run with each other, where the metric does so, and complete the parts by it.

    Returns:
        The numbers of all rows together; none where the metric has none, or there are too many rows.
    """
    if manifest.whole or (manifest.num_rows > MOST_COMPARED and not _must_compare(scorer)):
        return {}
    evidence = {number: read_evidence(folder, number) for number in range(len(manifest.parts))}
    if not any(evidence.values()):
        return {}
    import torch

    size = {number: part.num_rows for number, part in enumerate(manifest.parts)}
    names = next(each for each in evidence.values() if each)
    vectors = {
        name: torch.cat(
            [
                evidence[number].get(name, torch.full((size[number], *like.shape[1:]), torch.nan))
                for number in sorted(evidence)
            ]
        )
        for name, like in names.items()
    }
    columns: Columns = {}
    for number in range(len(manifest.parts)):
        for name, values in read_rows(folder, number).items():
            columns.setdefault(name, []).extend(values)
    numbers, added = scorer.calibrated(vectors, columns, inputs_of(scorer, manifest))
    for number, part in enumerate(manifest.parts):
        _complete(folder, manifest, number, {name: values[part.start : part.stop] for name, values in added.items()})
    return dict(numbers)


def _must_compare(scorer: Any) -> bool:
    """Tell whether an option asks for the comparison, however many rows there are."""
    return any(each.completed_by_all_rows() for each in getattr(scorer, "scorers", (scorer,)))


def _complete(folder: RunFolder, manifest: Manifest, number: int, added: Mapping[str, Sequence[float]]) -> None:
    """Write numbers and flags of all rows together into a part; it is replaced as a whole, and the same each time."""
    path = folder.part(number, len(manifest.parts))
    before = table = read_arrow(path)
    for name, values in added.items():
        place = table.schema.get_field_index(name)
        kind = bool if pa.types.is_boolean(table.schema.field(name).type) else float
        cells = [None if math.isnan(value) else kind(value) for value in values]
        if table.column(name).to_pylist() == cells:
            continue
        table = table.set_column(place, table.schema.field(name), pa.array(cells, table.schema.field(name).type))
    if table is not before:
        folder.publish(path, lambda temporary: write_arrow(temporary, table))
