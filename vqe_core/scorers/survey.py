"""First pass over a data set, for options that need all rows before any is scored: words of captions, other videos.

A run looks at its parts one by one, by whatever worker, puts together once what was found, and then scores with it; so
a row has the same score in whatever part it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from vqe_core.cache import Entry


class Survey(Protocol):
    """The first pass of a scorer over a data set."""

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that ``put_together`` makes."""
        ...

    @property
    def embeds(self) -> bool:
        """True where rows are decoded and encoded, as when they are scored; else they are only read."""
        ...

    @property
    def most_rows(self) -> int:
        """Number of rows, of the whole data set, that ``of_part`` wants embedded; 0 for none."""
        ...

    def of_part(self, columns: Mapping[str, Sequence[Any]], base_dir: str, chosen: Sequence[int]) -> Entry:
        """Return what is to be known of a part.

        Args:
            columns: its rows, by column name.
            base_dir: where relative media paths start.
            chosen: places, in the part, of the rows that stand for all.
        """
        ...

    def put_together(self, parts: Iterable[Entry]) -> dict[str, bytes]:
        """Return the content of each of ``files`` from what ``of_part`` found in all parts, in their order.

        Raises:
            VqeError: what was found does not do.
        """
        ...

    def applied(self, files: Mapping[str, Path]) -> Any:
        """Return the scorer that uses what was found."""
        ...
