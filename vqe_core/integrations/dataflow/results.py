"""Scores into a data frame: under which names, and never over what is there already."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vqe_core.errors import InputError


@dataclass(frozen=True)
class ResultColumns:
    """Names of the columns beside the scores, and what becomes of columns that have such names already.

    Attributes:
        status: a word a row, ``"ok"`` or why it has no score.
        message: remarks, or the reason in full.
        signature: everything that can change a score, as JSON, the same in every row; None writes none.
        overwrite: whether columns that are there already are replaced.
    """

    status: str
    message: str
    signature: str | None
    overwrite: bool

    def check_free(self, columns: Sequence[Any], writes: Callable[[str], bool]) -> None:
        """Check that no column has the name of a result.

        Raises:
            InputError: one has, and ``overwrite`` is False.
        """
        own = {self.status, self.message, self.signature}
        taken = [name for name in columns if isinstance(name, str) and (name in own or writes(name))]
        if taken and not self.overwrite:
            raise InputError(
                f"the storage has columns {taken} already, and results are written under these names; rename them, "
                "or use overwrite=True"
            )

    def named(self, scores: Mapping[str, Any], signature: Mapping[str, Any], first: Sequence[str]) -> dict[str, Any]:
        """The columns to write.

        Args:
            scores: columns of a scorer, with ``status`` and ``message``.
            signature: of these scores.
            first: names that come before the others.
        """
        names = {"status": self.status, "message": self.message}
        order = sorted(scores, key=lambda name: (name not in first, name in names))  # stable otherwise
        columns = {names.get(name, name): scores[name] for name in order}
        if self.signature is not None:
            columns[self.signature] = [json.dumps(signature, ensure_ascii=False)] * len(scores["status"])
        return columns
