"""A metric that costs nothing, so that what a run itself costs a row can be seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vqe_core.scorers.base import Scorer
from vqe_core.scorers.call import Input
from vqe_core.scorers.report import ResultNames


@dataclass(frozen=True, kw_only=True)
class NoCost(Scorer):
    """No cost: 1 for every row."""

    name: ClassVar[str] = "no_cost"
    inputs: ClassVar[tuple[Input, ...]] = (Input("predictions", "candidate_key", "text", required=True),)
    candidate_key: str = "candidate"

    def result_names(self, given: Collection[str]) -> ResultNames:
        """Return the name of the score."""
        return ResultNames(("one",))

    def score_row(self, row: Mapping[str, Any]) -> dict[str, float]:
        """Score one row."""
        return {"one": 1.0}

    def own_signature(self) -> dict[str, Any]:
        """Return what can change a score."""
        return {}
