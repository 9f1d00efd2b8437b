"""Progress of a run, as anyone can see who reads its folder."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from vqe_core.run.folder import RunFolder
from vqe_core.run.parts import part_notes
from vqe_core.run.summary import read_summary


def run_status(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return how far a run is.

    Args:
        path: its folder; ``FILE.run`` where it writes a file.

    Returns:
        ``metric``, ``rows``, ``done_rows``, ``parts``, ``done_parts``, ``finished``; ``first_pass_parts``, how many
        parts a first pass for idf or against chance has looked at, None where none is under way; ``rows_per_second`` of
        the parts of the last ten minutes with work in them, and ``seconds_left`` by it, None where nothing tells.

    Raises:
        InputError: there is no run.
    """
    folder = RunFolder(Path(path))
    manifest = folder.manifest()
    count = len(manifest.parts)
    done = sorted(folder.done(count))
    rows = sum(manifest.parts[number].num_rows for number in done)
    rate = _rate(folder, [(number, manifest.parts[number].num_rows) for number in done], count)
    left = manifest.num_rows - rows
    return {
        "metric": manifest.metric,
        "rows": manifest.num_rows,
        "done_rows": rows,
        "parts": count,
        "done_parts": len(done),
        "first_pass_parts": folder.surveyed() or None,
        "finished": read_summary(Path(path)) is not None,
        "rows_per_second": rate,
        "seconds_left": None if not rate else left / rate,
    }


def _rate(folder: RunFolder, done: list[tuple[int, int]], count: int) -> float | None:
    written = sorted((part_notes(folder.part(number, count))["written"], rows) for number, rows in done)
    recent = [(when, rows) for when, rows in written if when > time.time() - 600]
    if len(recent) < 2:
        return None
    seconds = recent[-1][0] - recent[0][0]
    return sum(rows for _, rows in recent[1:]) / seconds if seconds > 0 else None
