"""Rows of a chance bank as arrays, and the bank as a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from vqe_core.cache.entry import DamagedEntryError, Entry, entry_from_bytes, entry_to_bytes, packed, unpacked
from vqe_core.embed.texts import entry_of_text, text_of_entry
from vqe_core.embed.videos import entry_of_frames, frames_of_entry
from vqe_core.errors import InputError, InputTypeError
from vqe_core.scorers.embedded_rows import EmbeddedRow
from vqe_core.scorers.emscore.chance import ChanceBank
from vqe_core.scorers.emscore.score_types import METRICS
from vqe_core.types import TextEmbedding, TimedEmbeddings

FORM, SUFFIX = "vqe-chance-1", ".safetensors"


def entry_of_rows(rows: Sequence[EmbeddedRow], keys: Sequence[Sequence[str]]) -> Entry:
    """Return rows as they are kept: caption, clauses and video; what ``rows_of_entry`` reads."""
    entries = {}
    for i, row in enumerate(rows):
        assert row.video is not None  # those without take no part
        entries[f"{i}.caption"] = entry_of_text(row.candidate)
        entries[f"{i}.video"] = entry_of_frames(row.video)
        entries |= {f"{i}.clause{k}": entry_of_text(clause) for k, clause in enumerate(row.clauses)}
    held = packed(entries)
    return Entry(held.arrays, {"keys": [list(each) for each in keys], "entries": held.notes})


def rows_of_entry(entry: Entry) -> tuple[list[EmbeddedRow], list[tuple[str, ...]]]:
    """Return rows and their keys; one video of several rows is one object, and is scored once."""
    entries, keys = unpacked(Entry(entry.arrays, entry.notes["entries"])), entry.notes["keys"]
    videos: dict[bytes, TimedEmbeddings] = {}
    rows = []
    for i in range(len(keys)):
        video = frames_of_entry(entries[f"{i}.video"])
        same = video.distinct.numpy().tobytes() + video.where.tobytes()
        clauses: list[TextEmbedding] = []
        while (clause := entries.get(f"{i}.clause{len(clauses)}")) is not None:
            clauses.append(text_of_entry(clause))
        caption = text_of_entry(entries[f"{i}.caption"])
        rows.append(EmbeddedRow(caption, (), videos.setdefault(same, video), tuple(clauses)))
    return rows, [tuple(each) for each in keys]


def chance_to_bytes(bank: ChanceBank) -> bytes:
    """Return a bank as a safetensors file with a checksum."""
    held = entry_of_rows(bank.rows, bank.keys)
    about = {"metric": bank.metric, "numbers": dict(bank.numbers), "made_by": dict(bank.made_by)}
    return entry_to_bytes(FORM, Entry(held.arrays, {"rows": held.notes, **about}))


def load_chance(value: Any) -> ChanceBank | None:
    """Return the bank that the ``against_chance`` option names; None where it names a metric, or nothing.

    Raises:
        InputError: no file, another one, or one that was altered.
    """
    if value is None or isinstance(value, ChanceBank):
        return value
    if value in METRICS:
        return None
    name = os.fspath(value)
    try:
        found = os.stat(name)
        return _read(name, found.st_size, found.st_mtime_ns)
    except (OSError, KeyError, TypeError, DamagedEntryError) as error:
        raise InputError(f"against_chance ({name!r}) is no file that fit_chance wrote: {error!r}") from error


@lru_cache(maxsize=1)  # some 50 MB, which each part of a run would read again
def _read(name: str, size: int, changed: int) -> ChanceBank:
    form, entry = entry_from_bytes(Path(name).read_bytes())
    rows, keys = rows_of_entry(Entry(entry.arrays, entry.notes["rows"]))
    about = {name: entry.notes[name] for name in ("metric", "numbers", "made_by")}
    bank = ChanceBank(rows=tuple(rows), keys=tuple(keys), **about)
    if form != FORM or bank.metric not in METRICS:
        raise KeyError(form)
    return bank


def check_chance(value: Any) -> None:
    """Raise unless ``against_chance`` has a form that ``load_chance`` knows.

    Raises:
        InputError: a text that is no metric, and no name of such a file.
        InputTypeError: anything else.
    """
    if value is None or isinstance(value, ChanceBank) or value in METRICS:
        return
    if not isinstance(value, str | os.PathLike):
        raise InputTypeError(
            f"against_chance ({value!r}) must be a metric, None, or what fit_chance made; got {type(value).__name__}"
        )
    if not os.fspath(value).endswith(SUFFIX):
        raise InputError(
            f"against_chance ({os.fspath(value)!r}) must be among {', '.join(METRICS)}, or None, or a {SUFFIX} "
            "file that fit_chance wrote"
        )


def save_chance(bank: ChanceBank, path: str | os.PathLike[str]) -> None:
    """Write a bank to a file.

    Raises:
        InputError: the name of the file has another ending.
    """
    if not os.fspath(path).endswith(SUFFIX):
        raise InputError(f"path ({os.fspath(path)!r}) must end in {SUFFIX}, by which against_chance knows such a file")
    Path(path).write_bytes(chance_to_bytes(bank))


def chance_metric(value: Any) -> str | None:
    """Return the metric of an ``against_chance`` option that names one; None for a bank, whose metric it holds."""
    return value if isinstance(value, str) and value in METRICS else None
