"""Progress bars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def show_progress(items: Iterable[Any], label: str, total: int, progress: bool | None) -> Iterable[Any]:
    """A progress bar: always (True), never (False), or on a terminal only (None)."""
    return tqdm(items, desc=label, total=total, disable=_hidden(progress), leave=False)


def progress_bar(label: str, total: int, progress: bool | None) -> tqdm[Any]:
    """A bar to be moved by ``update``, closed as a context manager; ``progress`` as for ``show_progress``."""
    return tqdm(desc=label, total=total, disable=_hidden(progress), leave=False)


def _hidden(progress: bool | None) -> bool | None:
    return None if progress is None else not progress
