"""Parts of a run: their rows, kept as they are scored, and their scores."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from vqe_core.cache.entry import Entry, entry_from_bytes, entry_to_bytes
from vqe_core.errors import InputError, OutputError
from vqe_core.run.folder import Manifest, RunFolder
from vqe_core.run.plan import Part
from vqe_core.run.rescue import rescued
from vqe_core.scorers.calibration import evenly
from vqe_core.scorers.fingerprint import merged_environments
from vqe_core.scorers.report import ScoreReport, report_to_columns
from vqe_core.scorers.rows import is_missing
from vqe_core.tables import Columns, read_written, write_table
from vqe_core.tables.parquet import column_types, metadata_of, read_arrow, read_schema, write_arrow, write_typed
from vqe_core.timings import measured

NOTES = b"vqe_part"  # key of the metadata of a part's file


def keep_rows(folder: RunFolder, number: int, columns: Columns) -> None:
    """Write the rows of a part as they will be scored: exactly as they were read."""
    suffix = ".parquet" if _holds_bytes(columns) else ".jsonl"
    write_table(folder.rows_of(number, suffix), columns)


def read_rows(folder: RunFolder, number: int) -> Columns:
    """Return the rows of a part.

    Raises:
        InputError: they are not there.
    """
    for suffix in (".jsonl", ".parquet"):
        path = folder.rows_of(number, suffix)
        if path.is_file():
            return read_written(path)
    raise InputError(f"the rows of part {number} are not in {str(folder.path)!r}; give the input of the run again")


def _holds_bytes(columns: Mapping[str, Sequence[Any]]) -> bool:
    def is_bytes(value: Any) -> bool:
        if isinstance(value, dict):
            return any(map(is_bytes, value.values()))
        return isinstance(value, bytes) or not isinstance(value, str | int | float | list | type(None))

    plain = {str, int, float, type(None)}
    return any(any(map(is_bytes, values)) for values in columns.values() if not plain.issuperset(map(type, values)))


def score_part(folder: RunFolder, manifest: Manifest, scorer: Any, number: int) -> dict[str, Any]:
    """Score the rows of one part, and write them; the file is the record that it is done.

    Returns:
        What to tell who waits: number, rows, rows by status, seconds.

    Raises:
        VqeError: the rows cannot be scored at all, or with ``on_error="raise"`` one of them cannot; or the part cannot
            be written.
    """
    began = time.perf_counter()
    part = manifest.parts[number]
    columns = read_rows(folder, number)
    with measured() as timings:
        report = score_columns(scorer, manifest, columns, part)
    write_part(folder, manifest, number, columns, report, scorer)
    told = {**_counts(report), "number": number, "rows": part.num_rows, "time": timings.sums()}
    return {**told, "seconds": time.perf_counter() - began}


def _counts(report: ScoreReport) -> dict[str, Any]:
    status: dict[str, int] = {}
    for word in report.status:
        status[word] = status.get(word, 0) + 1
    return {"status": status}


def survey_part(folder: RunFolder, manifest: Manifest, scorer: Any, number: int) -> dict[str, Any]:
    """Find what one part adds to the first pass of a scorer, see ``Survey``; with the rows of it that stand for all.

    Returns:
        Number of the part, and its rows.
    """
    survey, part = scorer.survey(inputs_of(scorer, manifest)), manifest.parts[number]
    evenly_spaced = evenly(manifest.num_rows, survey.most_rows).tolist()
    chosen = [row - part.start for row in evenly_spaced if part.start <= row < part.stop]
    found = survey.of_part(read_rows(folder, number), manifest.base_dir, chosen)
    path = folder.survey_of(number)
    path.parent.mkdir(exist_ok=True)
    content = entry_to_bytes(path.stem, found)
    folder.publish(path, lambda temporary: temporary.write_bytes(content))
    return {"number": number, "surveyed": part.num_rows}


def read_survey(folder: RunFolder, number: int) -> Entry:
    """Return what ``survey_part`` found."""
    _, found = entry_from_bytes(folder.survey_of(number).read_bytes())
    return found


def inputs_of(scorer: Any, manifest: Manifest) -> frozenset[str]:
    """Return the inputs of a metric that hold something in a run."""
    return frozenset(entry.name for entry in scorer.inputs if getattr(scorer, entry.key) in manifest.given)


def score_columns(scorer: Any, manifest: Manifest, columns: Columns, part: Part) -> ScoreReport:
    """Score rows of a run; a column without a value in any row of the run is none."""
    given = inputs_of(scorer, manifest)
    report: ScoreReport = scorer.score_batch(columns, manifest.base_dir, whole=manifest.whole, of_run=True, given=given)
    if report.num_rows != part.num_rows:
        raise InputError(f"rows [{part.start}, {part.stop}) were planned, {report.num_rows} are there; start anew")
    return report


def write_part(
    folder: RunFolder, manifest: Manifest, number: int, columns: Columns, report: ScoreReport, scorer: Any
) -> None:
    """Write the scores of a part, beside its rows where the run keeps them."""
    results = report_to_columns(report, scorer)
    if report.evidence:
        _write_evidence(folder, number, report.evidence)
    kept = columns if manifest.keeps_columns else {}
    notes = {
        "signature": report.signature,
        "environment": report.environment,
        "calibration": report.calibration,
        "warnings": warning_examples(report),
        "videos": video_keys(columns.get(getattr(scorer, "video_key", ""))),
        "written": time.time(),
    }
    metadata = {
        **(metadata_of(report.signature, (), {manifest.metric: report.environment}) or {}),
        NOTES.decode(): json.dumps(notes),
    }
    types = stored_types(folder) if kept else {}
    path = folder.part(number, len(manifest.parts))
    try:
        folder.publish(path, lambda temporary: write_typed(temporary, {**kept, **results}, types, metadata))
    except OSError as error:  # the work of this part need not end with it
        part = manifest.parts[number]
        beside = folder.path.absolute().parent / path.name
        told = rescued(beside, {"row": range(part.start, part.stop)}, results, error)
        goes_on = "finished parts are kept, and the same command goes on once there is room"
        raise OutputError(f"{told}; {goes_on}") from error


def video_keys(videos: Sequence[Any] | None) -> str:
    """Return a number for each row's video, equal where the cells are, for intervals by video; "" without videos.

    Returns:
        Base64 of 8 bytes a row; 0 for a row without a video.
    """
    if videos is None or all(map(is_missing, videos)):
        return ""
    return base64.b64encode(b"".join(bytes(8) if is_missing(v) else _digest(v) for v in videos)).decode()


def _digest(video: Any) -> bytes:
    if isinstance(video, Mapping):  # as datasets writes a file: its bytes, its path, or both
        video = video.get("path") or video.get("bytes")
    content = video if isinstance(video, bytes) else str(video).encode(errors="surrogatepass")
    return hashlib.blake2b(content, digest_size=8).digest()


def warning_examples(report: ScoreReport, places: Sequence[int] | None = None) -> dict[str, tuple[int, str]]:
    """Return place and words of the first warning of each code.

    Args:
        report: of a part, or of some of its rows.
        places: of those rows in the part. Default: they are all of it.
    """
    found: dict[str, tuple[int, str]] = {}
    for i, warnings in enumerate(report.warnings):
        for warning in warnings:
            found.setdefault(warning.code, (i if places is None else places[i], str(warning)))
    return found


def _write_evidence(folder: RunFolder, number: int, evidence: Mapping[str, Any]) -> None:
    from safetensors.torch import save

    path = folder.evidence_of(number)
    path.parent.mkdir(exist_ok=True)
    arrays = {name: torch.as_tensor(values).contiguous() for name, values in evidence.items()}
    folder.publish(path, lambda temporary: temporary.write_bytes(save(arrays)))


def read_evidence(folder: RunFolder, number: int) -> dict[str, torch.Tensor]:
    """Return what a part left for numbers of all rows together; nothing where it had nothing to leave."""
    from safetensors.torch import load

    path = folder.evidence_of(number)
    return load(path.read_bytes()) if path.is_file() else {}


def part_notes(path: Path) -> dict[str, Any]:
    """Return signature and the like of a finished part.

    Raises:
        InputError: the file is none of a run.
    """
    try:
        notes: dict[str, Any] = json.loads((read_schema(path).metadata or {})[NOTES])
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{str(path)!r} is damaged ({type(error).__name__}); remove it to score it again") from error
    return notes


SCHEMA = "schema.arrow"


def store_types(folder: RunFolder, batches: Callable[[], Iterable[Columns]]) -> None:
    """Learn the types of all columns of the input, so that every part is written with the same."""
    types = column_types(batches)
    fields = [pa.field(name, pa.string() if kind is None else kind, metadata={"json": "1"} if kind is None else {})
              for name, kind in types.items()]  # fmt: skip
    (folder.rows / SCHEMA).write_bytes(pa.schema(fields).serialize().to_pybytes())


def stored_types(folder: RunFolder) -> dict[str, Any]:
    """Return the types that ``store_types`` learned; None for a column whose values become JSON texts."""
    schema = pa.ipc.read_schema(pa.BufferReader((folder.rows / SCHEMA).read_bytes()))
    return {entry.name: None if (entry.metadata or {}).get(b"json") else entry.type for entry in schema}


def failed_rows(path: Path, status_key: str) -> list[int]:
    """Return the places, within a part, of rows that could not be scored."""
    status = read_arrow(path, [status_key]).column(0).to_pylist()
    return [place for place, word in enumerate(status) if word != "ok"]


def retry_part(folder: RunFolder, manifest: Manifest, scorer: Any, number: int) -> dict[str, Any]:
    """Score again the rows of a finished part that failed, and no other; the part is replaced as a whole.

    Where an option compares the rows with each other, each one's place depends on all: then all are scored again.
    """
    if manifest.whole:
        return score_part(folder, manifest, scorer, number)
    began = time.perf_counter()
    path = folder.part(number, len(manifest.parts))
    places = failed_rows(path, scorer.status_key)
    columns = read_rows(folder, number)
    chosen = {name: [values[place] for place in places] for name, values in columns.items()}
    report = score_columns(scorer, manifest, chosen, Part(0, len(places), 0))
    table = read_arrow(path)
    for name, values in report_to_columns(report, scorer).items():
        field = table.schema.field(name)
        cells = table.column(name).to_pylist()
        for place, value in zip(places, values.tolist() if isinstance(values, np.ndarray) else values, strict=True):
            cells[place] = None if isinstance(value, float) and value != value else value
        table = table.set_column(table.schema.get_field_index(name), field, pa.array(cells, field.type))
    _retry_evidence(folder, number, manifest.parts[number].num_rows, places, report)
    notes = {**part_notes(path), "written": time.time()}
    notes["warnings"] = {**warning_examples(report, places), **notes["warnings"]}
    if "ok" in report.status:
        notes["signature"] = report.signature
        notes["environment"] = merged_environments([notes["environment"], report.environment])
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), NOTES: json.dumps(notes)})
    folder.publish(path, lambda temporary: write_arrow(temporary, table))
    return {**_counts(report), "number": number, "rows": len(places), "seconds": time.perf_counter() - began}


def _retry_evidence(folder: RunFolder, number: int, num_rows: int, places: Sequence[int], report: ScoreReport) -> None:
    if not report.evidence:
        return
    evidence = read_evidence(folder, number)
    for name, values in report.evidence.items():
        if name not in evidence:  # none of its rows was scored before
            evidence[name] = torch.full((num_rows, *values.shape[1:]), torch.nan)
        evidence[name][list(places)] = torch.as_tensor(values, dtype=evidence[name].dtype)
    _write_evidence(folder, number, evidence)
