"""Planning of a run: its rows are read once, cut into parts, and kept as the parts will be scored."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from vqe_core.errors import InputError, InputTypeError
from vqe_core.registry import spec_of
from vqe_core.run.folder import Manifest, RunFolder, differences
from vqe_core.run.parts import keep_rows, read_rows, read_survey, store_types
from vqe_core.run.plan import COSTLIEST, Part, cut, rows_per_part
from vqe_core.run.sources import RowSource
from vqe_core.scorers.fingerprint import score_identity
from vqe_core.scorers.rows import is_missing
from vqe_core.scorers.survey import Survey
from vqe_core.tables import Columns


def plan(
    source: RowSource,
    scorer: Any,
    folder: RunFolder,
    *,
    keeps_columns: bool,
    threads: int,
    most_rows: int | None,
    call: dict[str, Any] | None = None,
) -> Manifest:
    """Read the rows once, keep them part by part, and write the manifest.

    Raises:
        InputError: a table that cannot be read, or lacks a column that the options name.
    """
    parts, columns, given = _keep_parts(source, scorer, folder, keeps_columns, most_rows)
    manifest = Manifest(
        metric=scorer.name,
        options=plain_options(scorer),
        source={"name": source.name, **source.record},
        columns=columns,
        given=sorted(given),
        parts=parts,
        keeps_columns=keeps_columns,
        whole=_compares_rows(scorer),
        threads=threads,
        rows_per_part=most_rows,
        base_dir=source.base_dir,
        call=call,
        created=time.time(),
    )
    if keeps_columns:
        store_types(folder, partial(kept_batches, folder, len(parts)))
    folder.begin(manifest)
    return manifest


def _keep_parts(
    source: RowSource, scorer: Any, folder: RunFolder, keeps_columns: bool, most_rows: int | None
) -> tuple[list[Part], list[str], set[str]]:
    """Write the rows of each part; return the parts, the columns, and those that hold something."""
    folder.rows.mkdir(parents=True, exist_ok=True)
    for left in folder.rows.glob("[0-9]*"):  # of a planning that was killed, perhaps of another input
        left.unlink()
    size = None if _compares_rows(scorer) else most_rows or rows_per_part(source.expected_rows)
    columns: list[str] = []
    given: set[str] = set()
    parts = []
    for number, (part, rows) in enumerate(_cut_rows(source, scorer, size)):
        if not columns:
            columns = list(rows)
            scorer.check_free(rows, where=repr(source.name))
        given |= {name for name, values in rows.items() if name not in given and not all(map(is_missing, values))}
        keep_rows(folder, number, rows if keeps_columns else _needed(rows, scorer))
        parts.append(part)
    if not parts:
        raise InputError(f"{source.name!r} has no rows")
    return parts, columns, given


def kept_batches(folder: RunFolder, count: int) -> Iterator[Columns]:
    """Return the rows of each part, one after the other."""
    return (read_rows(folder, number) for number in range(count))


def _compares_rows(scorer: Any) -> bool:
    """Tell whether an option compares the rows with each other in a way that neither a first nor a last pass can."""
    return any(_needs_all_rows(each) for each in getattr(scorer, "scorers", (scorer,)))


def _needs_all_rows(scorer: Any) -> bool:
    if scorer.survey({entry.name for entry in scorer.inputs}) is not None or scorer.completed_by_all_rows():
        return False
    try:
        scorer.check_batch()
    except InputError:
        return True
    return False


def _needed(rows: Columns, scorer: Any) -> Columns:
    """Return the columns that are read when a row is scored."""
    keys = {getattr(scorer, name) for name in vars(scorer) if name.endswith("_key")}
    return {name: values for name, values in rows.items() if name in keys}


def _cut_rows(source: RowSource, scorer: Any, size: int | None) -> Iterator[tuple[Part, Columns]]:
    """Return parts with their rows; one for all where ``size`` is None."""
    held: Columns = {}
    first = 0
    for part in cut(_costs(source, scorer, held), size or 1 << 62, float("inf") if size is None else COSTLIEST):
        count = part.stop - first
        rows = {name: values[:count] for name, values in held.items()}
        for values in held.values():
            del values[:count]
        first = part.stop
        yield part, rows


def _costs(source: RowSource, scorer: Any, held: Columns) -> Iterator[float]:
    """Read rows into ``held``, and return what each may cost."""
    for batch in source.batches():
        if not held:
            scorer.check_columns(batch)
        for name, values in batch.items():
            held.setdefault(name, []).extend(values)
        videos = batch.get(scorer.video_key)
        count = len(next(iter(batch.values())))
        yield from [1.0] * count if videos is None else (1.0 + bytes_of(video, source.base_dir) for video in videos)


def bytes_of(video: Any, base_dir: str) -> float:
    """Return the size of a file as far as it can be told without opening it."""
    if isinstance(video, Mapping):
        if isinstance(video.get("bytes"), bytes):
            return float(len(video["bytes"]))
        video = video.get("path")
    if isinstance(video, str):
        with suppress(OSError, ValueError):
            return float(os.stat(os.path.join(base_dir, video)).st_size)
    return float(len(video)) if isinstance(video, bytes) else 0.0


def unsurveyed(survey: Survey, folder: RunFolder, manifest: Manifest) -> list[int]:
    """Return the parts that the first pass has not looked at yet."""
    if all(folder.fitted(name).is_file() for name in survey.files):
        return []
    return [number for number in range(len(manifest.parts)) if not folder.survey_of(number).is_file()]


def fitted_scorer(survey: Survey, folder: RunFolder, manifest: Manifest) -> Any:
    """Return the scorer with what the first pass found in all parts."""
    files = {name: folder.fitted(name) for name in survey.files}
    if not all(path.is_file() for path in files.values()):
        found = survey.put_together(read_survey(folder, number) for number in range(len(manifest.parts)))
        for name, content in found.items():
            folder.publish(files[name], lambda temporary, content=content: temporary.write_bytes(content))  # type: ignore[misc]
        folder.remove_surveys()
    return survey.applied(files)


def plain_options(scorer: Any) -> dict[str, Any]:
    """Return all options that can change a column, at their default too, as plain JSON values."""
    if hasattr(scorer, "scorers"):
        named = {each.name: plain_options(each) for each in scorer.scorers}
        return {f"{name} {option}": value for name, options in named.items() for option, value in options.items()}
    how = {"on_error", "per_sample"}  # what becomes of rows that fail, and in which form
    return {key: _plain(value) for key, value in score_identity(scorer).items() if key not in how}


def _plain(value: Any) -> Any:
    if hasattr(value, "digest"):
        return value.digest()
    text = json.dumps(value, default=_named)
    return json.loads(text) if len(text) <= 300 else f"sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _named(item: Any) -> Any:
    """Return what tells an object from others of its type: its signature, its spec, or at least the type."""
    if callable(getattr(item, "signature", None)):
        return item.signature()
    if dataclasses.is_dataclass(item) and isinstance(getattr(item, "name", None), str):
        try:
            return spec_of(item)
        except InputTypeError:  # an option has no text form
            return repr(item)
    return type(item).__name__


def check_same(
    manifest: Manifest,
    scorer: Any,
    source: RowSource | None,
    *,
    keeps_columns: bool | None = None,
    asked: Mapping[str, int | None] | None = None,
) -> None:
    """Check that a run goes on as it was begun; ``asked`` are its threads and rows a part, None for as they are.

    Raises:
        InputError: another metric, option, model or input; the message names what changed.
    """
    way_out = "start a new folder, or --restart"
    if manifest.metric != scorer.name:
        raise InputError(f"the run is of {manifest.metric}, not of {scorer.name}; {way_out}")
    planned = {name: value for name, value in (asked or {}).items() if value is not None}
    replanned = differences({name: getattr(manifest, name) for name in planned}, planned)
    if replanned:
        raise InputError(f"{'; '.join(replanned)}; leave it out to go on as the run was begun, {way_out}")
    changed = differences(manifest.options, plain_options(scorer))
    if changed:
        raise InputError(f"{'; '.join(changed)}; {way_out}")
    if source is not None and {**manifest.source, **source.record} != manifest.source:
        what = "; ".join(differences(_files_of(manifest.source), _files_of(source.record)))
        raise InputError(f"the input {source.name!r} has changed since the run began ({what}); {way_out}")
    if keeps_columns is not None and manifest.keeps_columns != keeps_columns:
        raise InputError(f"the run was begun for a {'folder' if manifest.keeps_columns else 'file'}; {way_out}")


def _files_of(record: Mapping[str, Any]) -> dict[str, Any]:
    files: dict[str, Any] = {file["name"]: file for file in record.get("files", ())}
    return files or {"rows": record.get("rows")}
