"""Which rows make which part of a run, and in which order parts are begun. Arithmetic alone.

Conventions: a part is a range of rows [start, stop); its cost is an estimate in bytes of media, of rows without media
one each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from vqe_core.errors import InputError

FEWEST, MOST = 64, 1024  # rows of a part: what a kill may cost against what a file costs
PARTS_WANTED = 64  # so that workers end together, and progress shows
COSTLIEST = 2 << 30  # bytes of media of a part: one long video makes a part nearly alone


class Part(NamedTuple):
    """Rows [start, stop) of a run, and what they cost at about."""

    start: int
    stop: int
    cost: float

    @property
    def num_rows(self) -> int:
        """Rows of the part."""
        return self.stop - self.start


def rows_per_part(num_rows: int) -> int:
    """Return how many rows a part has: few of a short table, so that little is lost with a killed worker.

    Example:
        >>> rows_per_part(400), rows_per_part(10_000), rows_per_part(1_000_000)
        (64, 157, 1024)
    """
    return max(FEWEST, min(MOST, -(-num_rows // PARTS_WANTED)))


def cut(costs: Iterable[float], most_rows: int, costliest: float = COSTLIEST) -> Iterator[Part]:
    """Cut rows into parts, in their order: each of at most so many rows, and of at most so much cost if of several.

    Args:
        costs: of each row, at least 0.
        most_rows: of a part, at least 1.
        costliest: of a part; a row that costs more is a part by itself.

    Example:
        >>> [part[:2] for part in cut([1, 1, 9, 1, 1], most_rows=2, costliest=5)]
        [(0, 2), (2, 3), (3, 5)]
    """
    start = row = 0
    held = 0.0
    for row, cost in enumerate(costs, start=1):
        before = row - 1
        if before > start and (before - start == most_rows or held + cost > costliest):
            yield Part(start, before, held)
            start, held = before, 0.0
        held += cost
    if row > start:
        yield Part(start, row, held)


def largest_first(parts: Sequence[Part], numbers: Iterable[int]) -> list[int]:
    """Return numbers of parts, those of most cost first: begun last, a long one would be waited for alone.

    Example:
        >>> largest_first([Part(0, 2, 1), Part(2, 4, 9), Part(4, 6, 1)], [0, 1, 2])
        [1, 0, 2]
    """
    return sorted(numbers, key=lambda number: (-parts[number].cost, number))


def of_shard(numbers: Iterable[int], shard: tuple[int, int] | None) -> list[int]:
    """Return the numbers of parts that one of several jobs scores: every N-th, from the I-th on.

    Example:
        >>> of_shard(range(5), (1, 2))
        [1, 3]
    """
    if shard is None:
        return list(numbers)
    index, count = shard
    return [number for number in numbers if number % count == index]


def parse_shard(text: str | tuple[int, int] | None) -> tuple[int, int] | None:
    """Return ``"I/N"`` as numbers.

    Raises:
        InputError: not of that form, or I is not in [0, N).

    Example:
        >>> parse_shard("0/2")
        (0, 2)
    """
    if text is None:
        return None
    try:
        index, count = map(int, text.split("/")) if isinstance(text, str) else text
    except (ValueError, TypeError):
        index, count = -1, 0
    if not 0 <= index < count:
        raise InputError(f"shard ({text!r}) must be I/N with 0 <= I < N, for example 0/4 to 3/4 for four jobs")
    return index, count
