"""Engines: what scores the parts of a run. Each hands out numbers of parts, never rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from vqe_core import registry
from vqe_core.run.engines.local import Task
from vqe_core.run.folder import RunFolder


class Engine(Protocol):
    """An engine with so many workers."""

    def run(self, folder: RunFolder, scorer: Any, numbers: Sequence[int], task: Task) -> Iterator[dict[str, Any]]:
        """Score parts, in about this order, and tell of each one that is finished.

        Args:
            folder: a begun run.
            scorer: whose options the run has.
            numbers: of the parts.
            task: score the parts, score the failed rows of finished parts again and no others, or look at them for the
                first pass of the scorer.

        Yields:
            What ``score_part``, ``retry_part`` or ``survey_part`` returns.

        Raises:
            VqeError: as ``score_part``, or a worker that ends at the same part again and again.
        """
        ...


def make_engine(name: str, workers: int, address: str | None) -> Engine:
    """Return the engine of a name.

    Raises:
        InputError: none has the name, or it takes no address.
        MissingPackageError: it needs a package.
    """
    engine: Engine = registry.load("engine", name)(workers=workers, address=address)
    return engine
