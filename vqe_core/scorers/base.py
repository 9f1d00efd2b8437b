"""Base of every metric: columns and their checks, options, errors and statuses, means, signature, map, tables.

A scorer is a frozen dataclass of options. A metric of its own is a subclass that says which inputs it takes, what its
scores are called, and how a row is scored; see ``clip_score.py`` for the shortest one.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vqe_core.deadline import deadline_stopped
from vqe_core.errors import InputError, InputTypeError, InternalError, VqeError, attempt
from vqe_core.registry import spec_of
from vqe_core.runtime import own_precision, settle_in_process
from vqe_core.samplers import sampler_spec
from vqe_core.scorers.call import Call, Columns, Failing, Input, Scoring
from vqe_core.scorers.fingerprint import DEVICES, carry, environment
from vqe_core.scorers.map_call import check_map_arguments, on_rank
from vqe_core.scorers.options import SharedOptions, check_options
from vqe_core.scorers.report import (
    ResultNames,
    RowOutcome,
    ScoreReport,
    as_outcome,
    assemble_report,
    report_to_columns,
    report_to_result,
)
from vqe_core.scorers.row_errors import MOST_FAULTS, FaultWatch, outcomes_of, report_failures, told
from vqe_core.scorers.rows import (
    as_columns,
    audio_column,
    check_keys,
    is_missing,
    read_cell,
    remote_cell,
    video_column,
    with_streams,
)
from vqe_core.version import __version__

if TYPE_CHECKING:
    from vqe_core.scorers.survey import Survey

SCORE, FLAG, TEXT = "float32", "bool", "string"


@dataclass(frozen=True, kw_only=True)
class Scorer(SharedOptions):
    """A metric with fixed options.

    The object is itself the function for ``datasets.map(scorer, batched=True)``. It holds options only, so it pickles
    to a few hundred bytes, and its fingerprint is the same before and after its models load.

    A subclass names its ``inputs``, its ``result_names``, and either scores a row by itself (``score_row``) or all
    rows of a call together (``prepare``).

    Attributes:
        name: under which it is registered, and which its signature carries.
        inputs: in the order of ``compute``; the first is required.
        asked_for: text columns that an option asks for: they stand beside the means too, not among the samples only.
        words: text columns that hold words as they are; the others hold structures, in tables as JSON.
        headlines: scores that stand for all, the first that there is; where none is named, the first score.
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[Input, ...]]
    asked_for: ClassVar[tuple[str, ...]] = ()
    words: ClassVar[tuple[str, ...]] = ()
    headlines: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        check_options(self)
        self.check_result_names()

    # What a metric of its own says.

    def result_names(self, given: Collection[str]) -> ResultNames:
        """Return the names of the columns that it writes.

        Args:
            given: inputs that there are.

        Raises:
            InputError: too few to score anything.
        """
        raise NotImplementedError

    def writes_score(self, name: str) -> bool:
        """Tell whether a score, with these or other options, is called ``name``."""
        names = self.result_names({entry.name for entry in self.inputs})
        return name in (*names.scores, *names.flags)

    def read_row(self, cells: Mapping[str, Any], given: Collection[str]) -> Any:
        """Check one row, and return it in the form that is scored. Default: its checked cells, by input.

        Args:
            cells: by input.
            given: inputs that the call has.

        Raises:
            VqeError: of the kind and code of what is wrong.
        """
        return {entry.name: read_cell(entry.kind, cells[entry.name], entry.name) for entry in self.inputs}

    def score_row(self, row: Any) -> Mapping[str, float] | RowOutcome:
        """Score one row, as ``read_row`` returned it."""
        raise NotImplementedError

    def prepare(self, call: Call) -> Scoring:
        """Load what a call needs. Default: nothing; ``score_row`` scores one row after the other.

        Raises:
            ModelNotFoundError, ModelError, MissingPackageError: before anything is decoded.
        """
        return RowByRow(self, call)

    def own_signature(self) -> dict[str, Any]:
        """Return the options that can change a score and are no other metric's, for the signature."""
        return {}

    def check_batch(self) -> None:
        """Check that no option gives scores that would differ from batch to batch of a data set.

        Raises:
            InputError: one does; the message says how to fix it beforehand.
        """

    def calibrated(
        self, evidence: Mapping[str, Any], columns: Mapping[str, Any], given: Collection[str]
    ) -> tuple[dict[str, Any], dict[str, list[float]]]:
        """Compare all rows of a run with each other, whose parts were scored one by one. Default: nothing to compare.

        Args:
            evidence: what the reports of the parts left, by name, float (rows, ...); NaN for a row that failed.
            columns: of the table, by name.
            given: inputs that the run has.

        Returns:
            The numbers of all rows together, and columns that they complete, an entry a row.
        """
        return {}, {}

    def completed_by_all_rows(self) -> bool:
        """Tell whether ``calibrated`` completes what ``check_batch`` refuses. Default: no."""
        return False

    def survey(self, given: Collection[str]) -> Survey | None:
        """Return the first pass over a data set that an option needs before any row is scored. Default: none.

        Args:
            given: inputs of the metric that hold something in some row.
        """
        return None

    # What follows is the same for every metric.

    @classmethod
    def summary(cls) -> str:
        """Return the first line of its description."""
        return (cls.__doc__ or "").strip().splitlines()[0].rstrip(".")

    def compute(self, *others: Any, **columns: Any) -> Any:
        """Score rows and return plain Python values, as the ``evaluate`` module does.

        Args:
            columns: lists by input.

        Returns:
            The mean of each score, ``num_rows``, ``num_failed``, ``warnings`` (rows by code) and ``signature``;
            ``samples`` where asked for.

        Raises:
            VqeError: see ``score``.
        """
        self._check_named(others)
        return report_to_result(self.score(**columns), self)

    def score(self, *others: Any, **columns: Any) -> Any:
        """Score rows; arguments as ``compute``.

        Raises:
            InputError: columns that cannot be scored at all.
            ModelNotFoundError, ModelError, MissingPackageError: before anything is decoded.
            MediaError, InputError, RowsFailedError: rows that cannot be scored, with ``on_error="raise"``.
        """
        self._check_named(others)
        return self._scored(self.call(whole=True, **columns))

    def _check_named(self, others: Sequence[Any]) -> None:
        if others:
            takes = ", ".join(f"{entry.name}=..." for entry in self.inputs)
            raise InputTypeError(f"{self.name} takes its inputs by name: {takes}")

    def call(self, *, whole: bool, **columns: Any) -> Call:
        """Check the columns of a call and its rows; arguments as ``compute``."""
        lists = as_columns(**{entry.name: columns.pop(entry.name, None) for entry in self.inputs})
        if columns:
            takes = ", ".join(entry.name for entry in self.inputs)
            raise InputTypeError(f"{', '.join(columns)} is no input of {self.name}; it takes {takes}")
        given = frozenset(name for name, column in lists.items() if column and not all(map(is_missing, column)))
        return self._call(lists, given, whole=whole)

    def score_batch(
        self,
        batch: Mapping[str, Any],
        base_dir: str | None = None,
        *,
        whole: bool = False,
        of_run: bool = False,
        given: Collection[str] | None = None,
    ) -> ScoreReport:
        """Score a batch of rows of a data set, or with ``whole`` all of them.

        Args:
            batch: lists by column name.
            base_dir: where relative media paths start.
            whole: the batch is all there is.
            of_run: the batch is a part of a run, at whose end ``calibrated`` completes its rows.
            given: inputs that hold something in some row of the data set, where that is known. Default: all that have
                a column.

        Raises:
            InputError: an option that would differ from batch to batch.
            VqeError: see ``score``.
        """
        return self._scored(self.call_of_batch(batch, base_dir, whole=whole, of_run=of_run, given=given))

    def call_of_batch(
        self,
        batch: Mapping[str, Any],
        base_dir: str | None,
        *,
        whole: bool,
        of_run: bool = False,
        given: Collection[str] | None,
    ) -> Call:
        """Check a batch and its rows; arguments as ``score_batch``."""
        if not whole and not (of_run and self.completed_by_all_rows()):
            self.check_batch()
        lists = as_columns(**self.inputs_from(batch, base_dir))
        # By the columns there are, not by their values: every batch must give the same columns.
        there = frozenset(name for name, column in lists.items() if column is not None)
        return self._call(lists, there if given is None else there & set(given), whole=whole, of_run=of_run)

    def _call(self, columns: Columns, given: frozenset[str], *, whole: bool, of_run: bool = False) -> Call:
        self.result_names(given)  # too little to score anything is told before a row is looked at
        call = Call(columns, given, self._read_rows(columns, given), whole, of_run)
        if self.on_error == "raise":
            failures = {i: row for i, row in enumerate(call.rows) if isinstance(row, VqeError)}
            report_failures(failures, len(call.rows), "raise")
        return call

    def _scored(self, call: Call) -> ScoreReport:
        return self.scored(self.prepared(call))

    @own_precision()
    def prepared(self, call: Call) -> Scoring:
        """Load what a call needs."""
        settle_in_process()
        with deadline_stopped():  # a model is loaded for all requests to come
            return self.prepare(call)

    @own_precision()
    def scored(self, scoring: Scoring) -> ScoreReport:
        """Score the rows of a call that is prepared."""
        outcomes = outcomes_of(scoring)
        self.check_failures(outcomes, whole=scoring.call.whole)
        report: ScoreReport = told(scoring.report, outcomes)
        return report if report.environment else replace(report, environment=environment())

    def check_failures(self, outcomes: Sequence[Failing], *, whole: bool) -> None:
        """Raise, warn or pass over in silence what is wrong with some rows, by ``on_error``."""
        failures = {i: outcome.error for i, outcome in enumerate(outcomes) if outcome.error is not None}
        report_failures(failures, len(outcomes), self.on_error, whole=whole)

    def _read_rows(self, columns: Columns, given: frozenset[str]) -> list[Any]:
        """Check every row; a row that cannot be scored gives its error."""
        count = len(next(column for column in columns.values() if column is not None))
        return [
            attempt(self._read_cells, {name: column[i] if column else None for name, column in columns.items()}, given)
            for i in range(count)
        ]

    def _read_cells(self, cells: Mapping[str, Any], given: Collection[str]) -> Any:
        if self.remote:
            kinds = {entry.name: entry.kind for entry in self.inputs}
            cells = {n: remote_cell(cell) if kinds[n] in ("video", "audio") else cell for n, cell in cells.items()}
        streams = self.video_stream, self.audio_stream
        if streams != (None, None):
            media = {entry.name: entry.kind for entry in self.inputs if entry.kind in ("video", "audio")}
            named = {name: with_streams(kind, cells[name], *streams) for name, kind in media.items()}
            cells = {**cells, **named}
        return self.read_row(cells, given)

    @property
    def needed_key(self) -> str:
        """The option that names the column without which there is no row."""
        return next(entry.key for entry in self.inputs if entry.required)

    def inputs_from(self, columns: Mapping[str, Any], base_dir: str | None = None) -> dict[str, Any]:
        """Return the arguments of ``score`` from a table, by the ``*_key`` options.

        Args:
            columns: lists by column name.
            base_dir: folder that relative media paths are relative to. Default: the working directory.

        Raises:
            InputError: a column that is needed is not there.
        """
        self.check_columns(columns)
        return {entry.name: self._input_from(entry, columns, base_dir) for entry in self.inputs}

    def _input_from(self, entry: Input, columns: Mapping[str, Any], base_dir: str | None) -> Any:
        key = getattr(self, entry.key)
        if self.remote and entry.kind in ("video", "audio") and key in columns:
            columns = {**columns, key: [remote_cell(cell) for cell in columns[key]]}
        if entry.kind == "video":
            return video_column(columns, key, self.start_key, self.end_key, base_dir)
        if entry.kind == "audio":
            return audio_column(columns, key, base_dir)
        return columns[key] if key in columns else None  # noqa: SIM401 (a data set's columns have no get)

    def columns_for(self, columns: Collection[str]) -> dict[str, str]:
        """Return name and type of each column that the object, as a function, adds to a table with ``columns``."""
        self.check_columns(columns)
        names = self.result_names({entry.name for entry in self.inputs if getattr(self, entry.key) in columns})
        types = {**dict.fromkeys(names.scores, SCORE), **dict.fromkeys(names.flags, FLAG)}
        texts = (*names.texts, self.warnings_column, self.status_key, self.message_key)
        return {**types, **dict.fromkeys(texts, TEXT)}

    def signed(self, models: Mapping[str, Any], given: Collection[str] | None = None, **others: Any) -> dict[str, Any]:
        """Return the signature: metric, version, models, sampling and reader, then what is this metric's own.

        Args:
            models: signatures of what computes. The kind of device among them stands in the environment instead.
            given: inputs that are compared; None for all.
            others: more of this metric's own.
        """
        computing = {name: value for name, value in models.items() if name not in DEVICES}
        about = {"metric": self.name, "version": __version__, **computing, **self._reading(given)}
        return {**about, **self.own_signature(), **others}

    def _reading(self, given: Collection[str] | None) -> dict[str, Any]:
        """Return how videos and sounds are read, as far as there are some."""
        kinds = {entry.kind for entry in self.inputs if given is None or entry.name in given}
        if "video" not in kinds:
            return {}
        hears = any(entry.kind == "audio" for entry in self.inputs)  # also the video's own track
        streams = {"video_stream": self.video_stream, "audio_stream": self.audio_stream if hears else None}
        return {
            "sampler": sampler_spec(self.frame_sampler),
            "max_frames": self.max_frames,
            **{name: stream for name, stream in streams.items() if stream is not None},
            "reader": "pyav" if self.video_reader is None else spec_of(self.video_reader),
        }

    def signature_for(self, columns: Collection[str]) -> dict[str, Any]:
        """Return the signature that scores of a table with ``columns`` will have. Loads the models, and no video.

        Raises:
            InputError: a column that is needed is not there, or weights of tokens that are not fitted yet.
            ModelNotFoundError, ModelError, MissingPackageError: a model cannot be had.
        """
        self.check_columns(columns)
        given = frozenset(entry.name for entry in self.inputs if getattr(self, entry.key) in columns)
        self.check_batch()
        settle_in_process()
        report: ScoreReport = self.prepare(Call({}, given, (), whole=False)).report(())
        return report.signature

    def __call__(
        self,
        batch: Mapping[str, Any],
        rank: int | None = None,
        *others: Any,
        base_dir: str | None = None,
        signed_in: str | None = None,
    ) -> dict[str, Any]:
        """Score a batch of rows of a data set: columns in, score columns with status, message and warnings out.

        Args:
            batch: lists by column name.
            rank: of the worker; with ``device="auto"``, workers of ``map(with_rank=True, num_proc=...)`` share the
                GPUs by it.
            others: nothing; ``map`` gives more where it is told to, which is refused.
            base_dir: folder that relative media paths start from. Default: the working directory.
            signed_in: name of one more column, whose first row holds signature and environment as JSON. Default: none.

        Raises:
            InputTypeError: no batch of rows by column, as ``map`` gives it with some of its settings.
            InputError: a column of the batch has the name of a result, or as ``score_batch``.
        """
        check_map_arguments(batch, (rank, *others), self.needed_key, getattr(self, self.needed_key))
        self.check_free(batch)
        scorer: Any = on_rank(self, rank)
        report = scorer.score_batch(batch, base_dir)
        self._watch(report)
        columns = report_to_columns(report, scorer, np.float32)
        if signed_in is not None:
            signature = {"signature": report.signature, "environment": report.environment}
            columns[signed_in] = [json.dumps(signature), *[""] * (report.num_rows - 1)]
        return columns

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

    def check_columns(self, columns: Collection[str]) -> None:
        """Raise InputError if a column that an option names, or that every row needs, is not there."""
        check_keys(self, columns)
        key = getattr(self, self.needed_key)
        if key not in columns:
            raise InputError(f"{self.needed_key} ({key!r}) is no column; there are {', '.join(map(str, columns))}")

    def taken(self, columns: Collection[str]) -> list[str]:
        """Return those of ``columns`` that are named like results, or like scores by other options."""
        results = self.columns_for(columns)
        return [name for name in columns if name in results or self.writes_score(name)]

    def check_free(self, columns: Collection[str], where: str = "the data set") -> None:
        """Raise InputError if one of ``columns`` has the name of a result."""
        taken = self.taken(columns)
        if taken:
            raise InputError(
                f"{where} has columns {taken} already; rename or remove them, results are called so. status_key and "
                "message_key give status and message other names, for example beside another metric; warnings follow "
                "status_key, or warnings_key"
            )

    def check_result_names(self) -> None:
        """Raise InputError if the columns of status, message and warnings cannot be told from the others."""
        for option in ("status_key", "message_key", "warnings_key"):
            key = getattr(self, option)
            if option == "warnings_key" and key is None:
                continue
            if not isinstance(key, str) or not key or self.writes_score(key):
                raise InputError(f"{option} ({key!r}) must be a name that no score has")
        keys = {"status_key": self.status_key, "message_key": self.message_key, "warnings_key": self.warnings_column}
        for one, other in itertools.combinations(keys, 2):
            if keys[one] == keys[other]:
                raise InputError(f"{one} and {other} ({keys[one]!r}) must differ")

    def features(self, features: Any) -> Any:
        """Return the ``Features`` of a scored data set, for ``map(scorer, features=scorer.features(ds.features))``.

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


@dataclass(frozen=True)
class RowByRow:
    """The scoring of a metric that needs nothing but the row: one after the other, each for itself."""

    scorer: Scorer
    call: Call

    def outcomes(self) -> list[RowOutcome]:
        """Score each row; one that fails gives its error."""
        watch = FaultWatch()
        return [as_outcome(watch.attempt(self._scored, row)) for row in self.call.rows]

    def _scored(self, row: Any) -> RowOutcome:
        if isinstance(row, VqeError):
            raise row
        return as_outcome(self.scorer.score_row(row))

    def report(self, outcomes: Sequence[RowOutcome]) -> ScoreReport:
        """Make the report of the call."""
        names, signature = self.scorer.result_names(self.call.given), self.scorer.signed({}, self.call.given)
        readers = {outcome.reader for outcome in outcomes if outcome.reader}
        return assemble_report(outcomes, names, signature, environment=environment({}, readers))
