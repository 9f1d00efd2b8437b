"""A scorer as the function that ``datasets.map`` calls: its device, and the names and types of its columns."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from vqe_core.errors import InputError, InputTypeError, InternalError, VqeError
from vqe_core.scorers.fingerprint import carry
from vqe_core.scorers.options import SharedOptions
from vqe_core.scorers.row_errors import MOST_FAULTS
from vqe_core.scorers.rows import check_keys
from vqe_core.workers.pool import many_files


@dataclass(frozen=True)
class ScoreReport:
    """Scores of a call, for hosts to show in their own form.

    Attributes:
        scores: column means over the rows that have the score; NaN where none has.
        rows: one list a column, an entry a row; NaN for a row that failed.
        status: a word a row, ``"ok"`` or why it has no score.
        messages: remarks a row, empty where there is nothing to say.
        signature: everything that can change a score, and nothing else.
        details: optional extra columns (``frame_details``, ``tags``).
        calibration: what the scores of the call are worth against its mismatches, where the metric says so.
    """

    scores: dict[str, float]
    rows: dict[str, list[float]]
    status: list[str]
    messages: list[str]
    signature: dict[str, Any]
    details: dict[str, list[Any]] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)

    @property
    def num_rows(self) -> int:
        """Rows of the call."""
        return len(self.status)

    @property
    def num_failed(self) -> int:
        """Rows without a score."""
        return sum(status != "ok" for status in self.status)

    def failure_lines(self) -> list[str]:
        """A line for each status but ``"ok"``, the most frequent first: how many rows ended so, and an example.

        Example:
            >>> report = ScoreReport({}, {}, ["ok", "not_found", "not_found"], ["", "no file a", "no file b"], {})
            >>> report.failure_lines()
            ['not_found: 2 rows, for example row 1: no file a']
        """
        by_status: dict[str, list[int]] = {}
        for i, status in enumerate(self.status):
            if status != "ok":
                by_status.setdefault(status, []).append(i)
        ordered = sorted(by_status.items(), key=lambda item: -len(item[1]))
        return [f"{status}: {self._example(rows)}" for status, rows in ordered]

    def _example(self, rows: list[int]) -> str:
        message = self.messages[rows[0]]
        if len(rows) == 1:
            return f"row {rows[0]}: {message}"
        alike = all(self.messages[i] == message for i in rows)
        return f"{len(rows)} rows: {message}" if alike else f"{len(rows)} rows, for example row {rows[0]}: {message}"


# Details that an option asks for stand beside the means too, not only among the samples.
ASKED_FOR = ("frame_details", "profile")
# Details that are words, not structures.
WORDS = ("description", "reason")


@dataclass(frozen=True)
class RowOutcome:
    """What became of one row: scores with remarks, or the error that stopped it."""

    scores: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    frames: list[dict[str, Any]] | None = None
    error: VqeError | None = None


def assemble_report(
    outcomes: Sequence[RowOutcome], keys: Sequence[str], signature: dict[str, Any], with_frames: bool = False
) -> ScoreReport:
    """Columns, status and means of all rows. A failed row is NaN in every score column and left out of the means."""
    rows = {key: [outcome.scores.get(key, math.nan) for outcome in outcomes] for key in keys}
    return ScoreReport(
        scores={key: mean_known(column) for key, column in rows.items()},
        rows=rows,
        status=["ok" if outcome.error is None else outcome.error.code for outcome in outcomes],
        messages=["; ".join(o.notes) if o.error is None else str(o.error) for o in outcomes],
        signature=signature,
        details={"frame_details": [outcome.frames for outcome in outcomes]} if with_frames else {},
    )


def mean_known(column: Sequence[float]) -> float:
    """Mean of the values that are not NaN; NaN where none is known."""
    known = [value for value in column if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def report_to_result(report: ScoreReport, options: SharedOptions) -> dict[str, Any]:
    """The dictionary that ``evaluate`` users get: plain Python values only."""
    result: dict[str, Any] = {
        **report.scores,
        **report.calibration,
        "num_rows": report.num_rows,
        "num_failed": report.num_failed,
        "signature": report.signature,
        **{name: column for name, column in report.details.items() if name in ASKED_FOR},
    }
    if options.per_sample:
        result["samples"] = {**report.rows, **report.details, "status": report.status, "message": report.messages}
    return result


def report_to_columns(report: ScoreReport, options: SharedOptions, precision: Any = np.float64) -> dict[str, Any]:
    """Typed columns for ``datasets.map`` and tables: numbers of ``precision``, bool flags, details as JSON texts.

    Args:
        report: of a call.
        options: name the columns of status and message.
        precision: numpy type of numbers.
    """
    scores = {key: np.asarray(column, dtype=_dtype(column, precision)) for key, column in report.rows.items()}
    details = {key: _texts(key, column) for key, column in report.details.items()}
    return {**scores, **details, options.status_key: report.status, options.message_key: report.messages}


def _dtype(column: Sequence[Any], precision: Any) -> Any:
    return np.bool_ if all(isinstance(value, bool) for value in column) else precision


def _texts(name: str, column: Sequence[Any]) -> list[str]:
    """Words as they are, "" for none; any other column as JSON. The name decides: values differ by batch."""
    if name in WORDS:
        return ["" if entry is None else entry if isinstance(entry, str) else json.dumps(entry) for entry in column]
    return [json.dumps(entry) for entry in column]


_ONE_CELL = (str, bytes, Mapping, type(None))


def check_map_arguments(batch: Any, others: tuple[Any, ...], needed_key: str, needed: str) -> None:
    """Check that a batch of rows came, and beside it a rank or nothing.

    Args:
        batch: the first argument.
        others: further positional arguments.
        needed_key: the option that names the column without which there is no row.
        needed: that column.

    Raises:
        InputTypeError: columns one by one, a table of Arrow or polars, numbers of rows, or a single row.
    """
    if hasattr(batch, "column_names") or type(batch).__module__.startswith("polars"):
        raise InputTypeError(
            f"the rows come as {type(batch).__name__}; give them as lists: "
            "rows.with_format(None).map(scorer, batched=True)"
        )
    if not hasattr(batch, "keys"):
        raise InputTypeError(
            f"the scorer takes whole rows by column name, got {type(batch).__name__}; leave input_columns out, and "
            f"name the columns by {needed_key} and the other *_key options"
        )
    rank = others[0] if others else None
    if len(others) > 1 or not (rank is None or isinstance(rank, int)):
        raise InputTypeError("beside the rows the scorer takes their rank alone; leave with_indices out of map")
    # A row of a data set knows that it is one; otherwise a cell shows it.
    if type(batch).__name__ == "LazyRow" or (needed in batch and isinstance(batch[needed], _ONE_CELL)):
        raise InputTypeError("the scorer got a single row; give it batches of rows: map(scorer, batched=True)")


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
