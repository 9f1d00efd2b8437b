"""Score tables as runs: planned once, scored part by part, resumed, merged.

Task: rows in, scores out, whatever is killed in between, on one machine or many.
Conventions: a run is a folder (``folder``); its rows come from a ``RowSource`` (``sources``), are cut into parts
(``plan``, ``staging``), scored by an engine (``engines``), and put together at the end (``merging``, ``summary``).
"""

from __future__ import annotations

from vqe_core.run.job import finish_run, score_run, score_table
from vqe_core.run.status import run_status

__all__ = ["finish_run", "run_status", "score_run", "score_table"]
