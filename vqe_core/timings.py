"""Seconds by what they went to, and counts, of whoever wants to know; nothing is measured where nobody does.

Conventions: seconds are those of threads, so that side by side they may be more than passed on the clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


class Timings:
    """Sums of seconds and counts by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[str, float] = {}

    def add(self, name: str, amount: float) -> None:
        """Add to a sum."""
        with self._lock:
            self._sums[name] = self._sums.get(name, 0.0) + amount

    def begin(self, name: str) -> None:
        """Note that something begins; for whoever shows stages."""

    def sums(self) -> dict[str, float]:
        """Return the sums so far."""
        with self._lock:
            return dict(self._sums)


_active: Timings | None = None


@contextmanager
def measured(into: Timings | None = None) -> Iterator[Timings]:
    """Measure what happens in this process until the end; a measurement within another takes its place meanwhile.

    Args:
        into: what it is added to. Default: new sums.

    Example:
        >>> with measured() as timings:
        ...     count("images", 3)
        ...     with timed("encode"):
        ...         pass
        >>> sorted(timings.sums())
        ['encode', 'images']
    """
    global _active
    before, _active = _active, Timings() if into is None else into
    try:
        yield _active
    finally:
        _active = before


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Add the seconds of what is done within."""
    timings = _active
    if timings is None:
        yield
        return
    began = time.perf_counter()
    timings.begin(name)
    try:
        yield
    finally:
        timings.add(name, time.perf_counter() - began)


def timed_items(name: str, items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, and add the seconds that each took to come; not those of who takes them."""
    iterator = iter(items)
    while True:
        with timed(name):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item


def count(name: str, amount: float = 1) -> None:
    """Add to a count."""
    if _active is not None:
        _active.add(name, amount)


def added(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Return the sums of two measurements together.

    Example:
        >>> added({"encode": 1.0}, {"encode": 0.5, "images": 2})
        {'encode': 1.5, 'images': 2.0}
    """
    return {name: float(one.get(name, 0.0) + other.get(name, 0.0)) for name in {**one, **other}}
