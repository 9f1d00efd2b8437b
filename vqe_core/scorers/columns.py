"""A scorer as the function that ``datasets.map`` calls: its device, and the names and types of its columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from vqe_core.embed import many_files
from vqe_core.errors import InputError, InternalError
from vqe_core.scorers.fingerprint import carry
from vqe_core.scorers.map_arguments import check_map_arguments
from vqe_core.scorers.results import report_to_columns
from vqe_core.scorers.row_errors import MOST_FAULTS
from vqe_core.scorers.rows import check_keys
from vqe_core.scorers.score_report import ScoreReport

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


class MapFunction:
    """What makes a scorer, a frozen dataclass of options, a good function for ``datasets.map``."""

    score_batch: Callable[..., ScoreReport]
    writes_score: Callable[[str], bool]
    needed_key: ClassVar[str]  # the option that names the column without which there is no row
    status_key: str
    message_key: str

    def __call__(
        self,
        batch: Mapping[str, Any],
        rank: int | None = None,
        *others: Any,
        base_dir: str | None = None,
        isolate: bool | None = None,
    ) -> dict[str, Any]:
        """Score a batch of rows of a data set: columns in, score columns with status and message out.

        Args:
            batch: lists by column name.
            rank: of the worker; with ``device="auto"``, workers of ``map(with_rank=True, num_proc=...)`` share the
                graphics cards by it.
            others: nothing; ``map`` gives more where it is told to, which is refused.
            base_dir: folder that relative media paths start from. Default: the working directory.
            isolate: what the option of this name says where it is None. Default: the more rows this object has been
                given, the more are in the data set; so from the 64th on, worker processes decode.

        Raises:
            InputTypeError: no batch of rows by column, as ``map`` gives it with some of its settings.
            InputError: a column of the batch has the name of a result, or as ``score_batch``.
        """
        check_map_arguments(batch, (rank, *others), self.needed_key, getattr(self, self.needed_key))
        self.check_free(batch)
        scorer: Any = on_rank(self, rank)
        if scorer.isolate is None:
            scorer = replace(scorer, isolate=isolate or self._has_seen_many(len(batch[getattr(self, self.needed_key)])))
        report = scorer.score_batch(batch, base_dir)
        self._watch(report)
        return report_to_columns(report, scorer, np.float32)

    def _watch(self, report: ScoreReport) -> None:
        """End a run in which nothing happens but internal errors, batch after batch: no row will be scored.

        Raises:
            InternalError: see ``FaultWatch``.
        """
        faults: list[int] | None = self.__dict__.setdefault("_faults_by_batch", [])
        if faults is None:
            return
        if "ok" in report.status:
            self.__dict__["_faults_by_batch"] = None  # it works: what fails from here on costs its row only
            return
        count = report.status.count(InternalError.code)
        if not count:
            return
        faults.append(count)
        # One batch may hold rows of one video only.
        if len(faults) > 1 and sum(faults) >= MOST_FAULTS:
            message = report.messages[report.status.index(InternalError.code)]
            raise InternalError(f"stopped: the first {sum(faults)} rows all failed. {message}")

    def _has_seen_many(self, more: int) -> bool | None:
        """Whether enough rows came by to start worker processes; None leaves it to the files of the batch."""
        self.__dict__["_rows_seen"] = self.__dict__.get("_rows_seen", 0) + more  # no option: not pickled or compared
        return many_files(self.__dict__["_rows_seen"]) or None

    def check_columns(self, columns: Collection[str]) -> None:
        """Raise InputError if a column that an option names, or that every row needs, is not there."""
        check_keys(self, columns)
        key = getattr(self, self.needed_key)
        if key not in columns:
            raise InputError(f"{self.needed_key} ({key!r}) is no column; there are {', '.join(map(str, columns))}")

    def taken(self, columns: Collection[str]) -> list[str]:
        """Which of ``columns`` have names of results, or of scores that other options gave: they would be mixed up."""
        results = self.columns_for(columns)
        return [name for name in columns if name in results or self.writes_score(name)]

    def check_free(self, columns: Collection[str], where: str = "the data set") -> None:
        """Raise InputError if one of ``columns`` has the name of a result."""
        taken = self.taken(columns)
        if taken:
            raise InputError(
                f"{where} has columns {taken} already; rename or remove them, results are called so. status_key and "
                "message_key give status and message other names, for example beside another metric"
            )

    def check_result_names(self) -> None:
        """Raise InputError if the columns of status and message cannot be told from the others."""
        for option in ("status_key", "message_key"):
            key = getattr(self, option)
            if not isinstance(key, str) or not key or self.writes_score(key):
                raise InputError(f"{option} ({key!r}) must be a name that no score has")
        if self.status_key == self.message_key:
            raise InputError(f"status_key and message_key ({self.status_key!r}) must differ")

    def column_types(self, scores: Sequence[str], flags: Sequence[str], texts: Sequence[str]) -> dict[str, str]:
        """Types by column, in the order in which ``report_to_columns`` gives them."""
        named = {**dict.fromkeys(scores, SCORE), **dict.fromkeys(flags, FLAG), **dict.fromkeys(texts, TEXT)}
        return {**named, self.status_key: TEXT, self.message_key: TEXT}

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
