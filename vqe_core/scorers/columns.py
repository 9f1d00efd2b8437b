"""A scorer as the function that ``datasets.map`` calls: its device, and the names and types of its columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vqe_core.scorers.fingerprint import carry
from vqe_core.scorers.results import report_to_columns
from vqe_core.types import ScoreReport

SCORE, FLAG, TEXT = "float32", "bool", "string"


def on_rank(scorer: Any, rank: int | None) -> Any:
    """The scorer on the graphics card of a worker, with ``device="auto"``; else the scorer itself.

    Args:
        scorer: with a ``device`` option.
        rank: number of the worker, from 0; None outside ``map(with_rank=True, num_proc=...)``. Several workers share
            a card where there are more of them than cards.
    """
    if rank is None or scorer.device != "auto":
        return scorer
    import torch

    cards = torch.cuda.device_count()
    return replace(scorer, device=f"cuda:{rank % cards}") if cards > 1 else scorer


def column_types(scores: Sequence[str], flags: Sequence[str], texts: Sequence[str]) -> dict[str, str]:
    """Types by column, in the order in which ``report_to_columns`` gives them."""
    named = {**dict.fromkeys(scores, SCORE), **dict.fromkeys(flags, FLAG), **dict.fromkeys(texts, TEXT)}
    return {**named, "status": TEXT, "message": TEXT}


class MapFunction:
    """What makes a scorer, a frozen dataclass of options, a good function for ``datasets.map``."""

    score_batch: Callable[..., ScoreReport]

    def __call__(
        self, batch: Mapping[str, Any], rank: int | None = None, *, base_dir: str | None = None
    ) -> dict[str, Any]:
        """Score a batch of rows of a data set: columns in, score columns with status and message out.

        Args:
            batch: lists by column name.
            rank: of the worker; with ``device="auto"``, workers of ``map(with_rank=True, num_proc=...)`` share the
                graphics cards by it.
            base_dir: folder that relative media paths start from. Default: the working directory.
        """
        return report_to_columns(on_rank(self, rank).score_batch(batch, base_dir), np.float32)

    def columns_for(self, columns: Collection[str]) -> dict[str, str]:
        """Name and type of each column that the object, as a function, adds to a table with ``columns``."""
        raise NotImplementedError

    def features(self, features: Any) -> Any:
        """The ``datasets.Features`` of a scored data set, for ``map(scorer, features=scorer.features(ds.features))``.

        Needed where there may be no row to learn the types from: streams, and data sets that may be empty.

        Args:
            features: of the data set before.

        Raises:
            InputError: a column that is needed is not there.
        """
        from datasets import Features, Value

        return Features({**features, **{name: Value(kind) for name, kind in self.columns_for(features).items()}})

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return carry(self)
