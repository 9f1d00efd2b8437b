"""Scores into a data frame: under which names, and never over what is there already."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vqe_core.errors import InputError


@dataclass(frozen=True)
class ResultColumns:
    """Names of the columns beside the scores, and what becomes of columns that have such names already.

    Attributes:
        signature: everything that can change a score, as JSON, the same in every row; None writes none.
        overwrite: whether columns that are there already are replaced.
    """

    signature: str | None
    overwrite: bool

    def check_free(self, columns: Collection[Any], results: Iterable[str]) -> None:
        """Check that no column has the name of a result.

        Raises:
            InputError: one has, and ``overwrite`` is False.
        """
        taken = [name for name in (*results, self.signature) if name is not None and name in columns]
        if taken and not self.overwrite:
            raise InputError(
                f"the storage has columns {taken} already, and results are written under these names; rename them, "
                "or use overwrite=True"
            )

    def named(self, scores: Mapping[str, Any], signature: Mapping[str, Any], first: Sequence[str]) -> dict[str, Any]:
        """The columns to write.

        Args:
            scores: columns of a scorer.
            signature: of these scores.
            first: names that come before the others.
        """
        columns = {name: scores[name] for name in sorted(scores, key=lambda name: name not in first)}  # stable
        if self.signature is not None:
            count = len(next(iter(columns.values())))
            columns[self.signature] = [json.dumps(signature, ensure_ascii=False)] * count
        return columns
