"""Inputs of a metric, the checked rows of one call, and the scoring of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from vqe_core.errors import VqeError
from vqe_core.scorers.report import ScoreReport

Columns = Mapping[str, "list[Any] | None"]


@dataclass(frozen=True)
class Input:
    """One input of a metric.

    Attributes:
        name: argument of ``compute``, for example ``"predictions"``.
        key: the option that names its column in a table.
        kind: what a cell holds; ``"value"`` is anything.
        required: whether every row needs it.
    """

    name: str
    key: str
    kind: Literal["text", "texts", "video", "audio", "value"]
    required: bool = False


@dataclass(frozen=True)
class Call:
    """The rows of one call, checked.

    Attributes:
        columns: lists by input, None for an input that is not given.
        given: inputs that hold something; of a batch of a table, those that have a column.
        rows: what ``Scorer.read_row`` made of each, or why it cannot be scored.
        whole: False for a batch of a data set.
        of_run: whether the batch is a part of a run, whose rows ``Scorer.calibrated`` compares at its end.
    """

    columns: Columns
    given: frozenset[str]
    rows: Sequence[Any]
    whole: bool
    of_run: bool = False


class Failing(Protocol):
    """An outcome of a row, as far as the base looks at it."""

    @property
    def error(self) -> VqeError | None: ...


class Scoring(Protocol):
    """One call at work, its models loaded."""

    @property
    def call(self) -> Call:
        """The rows."""
        ...

    def outcomes(self) -> Sequence[Any]:
        """Score all rows; each outcome has an ``error``, None where the row has scores."""
        ...

    def report(self, outcomes: Sequence[Any]) -> ScoreReport:
        """Make the report of the call."""
        ...

    # A scoring that embeds frames also says which, as ``frame_recipe``, so that several metrics read a video once.
