"""Operator around a scorer: read a storage, score its rows, write them back with their scores.

Imports without open-dataflow; making an operator needs it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import math
import re
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from vqe_core.errors import InputError, InputTypeError, MissingPackageError
from vqe_core.scorers.options import SharedOptions
from vqe_core.scorers.report import ScoreReport, report_to_columns

# Its own requirements pin numpy below 2 and years-old versions of much else, so they are not asked for.
INSTALL = "pip install --no-deps open-dataflow==1.0.13 && pip install colorlog rich pandas"


class _NoOperatorABC:
    """Base of the operators where open-dataflow is absent."""


try:
    from dataflow.core import OperatorABC
    from dataflow.utils.registry import OPERATOR_REGISTRY

    absent: ImportError | None = None
except ImportError as error:
    OperatorABC: Any = _NoOperatorABC  # type: ignore[no-redef]
    OPERATOR_REGISTRY: Any = None  # type: ignore[no-redef]
    absent = error


# What each operator read last of each storage: not a part of it, as it is pickled.
_READ: weakref.WeakKeyDictionary[Any, weakref.WeakKeyDictionary[Any, tuple[Any, bytes]]] = weakref.WeakKeyDictionary()

SHOWN_FAILURES = 10  # in the log; the rest is counted


class ScoreOperator(OperatorABC):
    """Operator around a scorer.

    Attributes:
        scorer: the scorer with its options; each run names its columns.
        summary: of the last run: means, what they are worth, ``num_rows``, ``num_failed``, ``warnings``
            (rows by code), ``signature`` and ``environment``.
    """

    first_columns: ClassVar[tuple[str, ...]] = ()
    # How to count over all rows before the first part is scored.
    fit_first: ClassVar[str] = ""

    def __init__(
        self,
        scorer: type,
        named: Mapping[str, Any],
        options: Mapping[str, Any],
        results: ResultColumns,
        base_dir: str | None,
    ) -> None:
        require_dataflow()
        super().__init__()
        check_options(type(self), options)
        self.scorer: Any = scorer(**named, **options)
        self.results = results
        self.base_dir = base_dir
        self.summary: dict[str, Any] = {}

    def _run(self, storage: Any, nested: tuple[str | None, ...], keys: Mapping[str, str | None]) -> list[str]:
        frame = storage.read("dataframe")
        scorer = replace(self.scorer, **keys)
        if len(frame):
            names = [name for name in frame.columns if isinstance(name, str)]
            self.results.check_free(names, scorer.taken(names))
            report = self._score(scorer, frame_columns(frame, nested), storage)
            self._tell(report)
            written = self.results.named(self._columns(report), report.signature, self.first_columns)
        else:  # a filter before this operator may leave nothing
            self.summary = {"num_rows": 0, "num_failed": 0, "warnings": {}, "signature": {}, "environment": {}}
            promised = (*self._columns_of_nothing(), scorer.warnings_column, scorer.status_key, scorer.message_key)
            nothing: dict[str, list[Any]] = {name: [] for name in promised}
            self.results.check_free(frame.columns, promised)
            written = self.results.named(nothing, {}, self.first_columns)
        frame = frame.copy()  # a storage in memory may hand out its own
        for name, column in written.items():
            frame[name] = column
        storage.write(frame)
        return list(written)

    def _score(self, scorer: Any, columns: Mapping[str, Any], storage: Any) -> ScoreReport:
        # In one of several parts nothing may depend on which rows are in it.
        told_by = tells_of_parts(storage) or self._gave_others(storage, columns[getattr(scorer, scorer.needed_key)])
        if told_by:
            self._check_part(scorer, told_by)
        report: ScoreReport = scorer.score_batch(columns, self.base_dir, whole=not told_by)
        counts = {"num_rows": report.num_rows, "num_failed": report.num_failed, "warnings": report.num_warned}
        signed = {"signature": report.signature, "environment": report.environment}
        self.summary = {**report.scores, **report.calibration, **counts, **signed}
        return report

    def _gave_others(self, storage: Any, rows: Sequence[Any]) -> str:
        """Say so where a storage gave this operator other rows before, at the same step: it gives them in parts."""
        step, digest = getattr(storage, "operator_step", None), hashlib.sha256(repr(rows).encode("utf-8", "replace"))
        try:
            read = _READ.setdefault(self, weakref.WeakKeyDictionary())
            before = read.get(storage)
            read[storage] = step, digest.digest()
        except TypeError:  # it cannot be told from others
            return ""
        others = before is not None and before[0] == step and before[1] != digest.digest()
        return "it gave other rows when it was read before" if others else ""

    def _check_part(self, scorer: Any, told_by: str) -> None:
        """Refuse what is counted over the rows given, where these are only some.

        Raises:
            InputError: an option counts over them; the message says how to fit it beforehand.
        """
        try:
            scorer.check_batch()
        except InputError as error:
            raise InputError(
                f"{error}. The storage ({told_by}) gives its rows in parts, and each part would be taken for all of "
                f"them. {self.fit_first}"
            ) from error
        unmeasured = self._unmeasured(scorer)
        if unmeasured:
            self.logger.warning(
                f"the storage ({told_by}) gives its rows in parts, so {unmeasured} is left out. {self.fit_first}"
            )

    def _unmeasured(self, scorer: Any) -> str:
        """Name what stands in the results of a whole table only, because nothing was fitted for it."""
        return ""

    def _columns(self, report: ScoreReport) -> dict[str, Any]:
        return report_to_columns(report, self.scorer)

    def _columns_of_nothing(self) -> tuple[str, ...]:
        """Name the score columns of a storage without rows."""
        return self.first_columns

    def _tell(self, report: ScoreReport) -> None:
        failed = [i for i, status in enumerate(report.status) if status != "ok"]
        for i in failed[:SHOWN_FAILURES]:
            self.logger.error(f"row {i}: [{report.status[i]}] {report.messages[i]}")
        more = f", of which {SHOWN_FAILURES} are shown" if len(failed) > SHOWN_FAILURES else ""
        self.logger.info(
            f"{type(self).__name__}: {report.num_rows} rows, {len(failed)} without scores{more}; "
            f"signature {report.signature}"
        )


# Words in the names of what a storage has that speak of parts, and of how large these are.
_PARTS = frozenset(
    {"batch", "batches", "batched", "page", "pages", "paged", "paging", "chunk", "chunks", "chunked", "partition"}
    | {"partitions", "shard", "shards", "slice", "slices", "stream", "streaming", "portion", "part", "parts", "window"}
    | {"windows", "fetch"}
)
_BOUNDS = frozenset({"limit", "limits", "offset"})
_SIZES = frozenset({"size", "sizes", "length", "rows", "row", "count", "limit", "limits", "per"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def tells_of_parts(storage: Any) -> str:
    """Return by what a storage tells that it gives its rows in parts, ``"page_size=10000"``; empty where it does not.

    DataFlow has no one name for it: files have a ``batch_size``, databases a ``page_size`` with a ``page_num``, streams
    an ``iter_chunks``. So any public attribute or method counts whose name speaks of parts. A size that is None, 0 or
    below says that there is one part only, whatever else is there. A storage that keeps its parts to itself is noticed
    when it is read again, see ``ScoreOperator``.

    Example:
        >>> from types import SimpleNamespace
        >>> tells_of_parts(SimpleNamespace(page_size=100, page_num=1, table="rows"))
        'page_size=100'
        >>> tells_of_parts(SimpleNamespace(batch_size=None, batch_step=0)), tells_of_parts(SimpleNamespace(path="x"))
        ('', '')
    """
    sizes, others = dict[str, Any](), dict[str, Any]()
    for name in dir(storage):
        words = set() if name.startswith("_") else {word.lower() for word in _WORD.findall(name)}
        if not words & (_PARTS | _BOUNDS):
            continue
        try:
            value = getattr(storage, name)
        except Exception:  # a property of a storage of others; that it is there is enough
            value = True
        if not callable(value):
            (sizes if words & _SIZES or words <= _PARTS | _BOUNDS else others)[name] = value
        elif words & _PARTS:
            others[name] = value
    bounded = {name: value for name, value in sizes.items() if _bounds(value)}
    if bounded:
        return ", ".join(f"{name}={value!r}"[:40] for name, value in bounded.items())
    return "" if sizes else ", ".join(others)


def _bounds(value: Any) -> bool:
    """Tell whether the value of a size is one: None, 0, False, -1 and infinity stand for none."""
    if isinstance(value, bool) or value is None:
        return bool(value)
    if isinstance(value, int | float):
        return 0 < value < math.inf
    return bool(value) if hasattr(value, "__len__") or isinstance(value, str) else True


@dataclass(frozen=True)
class ResultColumns:
    """Names of the columns beside the scores, and the rule for columns that have such names already.

    Attributes:
        signature: everything that can change a score, as JSON, the same in every row; None writes none.
        overwrite: True replaces columns that are there already.
    """

    signature: str | None
    overwrite: bool

    def check_free(self, columns: Collection[Any], results: Iterable[str]) -> None:
        """Raise InputError if a column has the name of a result, and ``overwrite`` is False."""
        taken = [name for name in (*results, self.signature) if name is not None and name in columns]
        if taken and not self.overwrite:
            raise InputError(
                f"the storage has columns {taken} already, and results are written under these names; rename them, "
                "or use overwrite=True"
            )

    def named(self, scores: Mapping[str, Any], signature: Mapping[str, Any], first: Sequence[str]) -> dict[str, Any]:
        """Return the columns to write.

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


def frame_columns(frame: Any, nested: Collection[str | None]) -> dict[Any, list[Any]]:
    """Read the columns of a pandas data frame as lists.

    Args:
        frame: pandas DataFrame.
        nested: columns whose cells may be lists or objects. A csv file holds these as JSON, which is read; parquet
            gives arrays, which become lists.
    """
    return {
        name: [_nested(cell) for cell in frame[name].tolist()] if name in nested else frame[name].tolist()
        for name in frame.columns
    }


def _nested(cell: Any) -> Any:
    if isinstance(cell, np.ndarray) and cell.dtype == object:
        return cell.tolist()
    if isinstance(cell, str) and cell[:1] in ("[", "{"):
        try:
            return json.loads(cell)
        except ValueError:
            return cell  # a caption or a path that begins so
    return cell


# A run writes every row's scores to its own row.
NOT_FOR_OPERATORS = ("per_sample",)


def shows_options(options: type[SharedOptions]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate an ``__init__`` that takes ``**options``: the signature lists them by name and default."""

    def shown(init: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(init)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        extra = [
            inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
            for f in passed_options(options, init)
        ]
        init.__signature__ = signature.replace(parameters=[*own, *extra])  # type: ignore[attr-defined]
        return init

    return shown


def passed_options(options: type[SharedOptions], init: Callable[..., None]) -> list[dataclasses.Field[Any]]:
    """Return the options of a scorer that an ``__init__`` does not name itself; columns are named in ``run``."""
    named = inspect.signature(init).parameters
    return [
        field
        for field in dataclasses.fields(options)
        if field.name not in named and field.name not in NOT_FOR_OPERATORS and not field.name.endswith("_key")
    ]


def check_options(operator: type, options: Mapping[str, Any]) -> None:
    """Raise InputTypeError where ``options`` names one that the operator does not show."""
    known = inspect.signature(operator).parameters
    unknown = [name for name in options if name not in known]
    keys = [name for name in unknown if name.endswith("_key")]
    if unknown:
        way_out = f"columns are named in run(), {', '.join(keys)} too" if keys else f"there are {', '.join(known)}"
        raise InputTypeError(f"{operator.__name__} has no option {', '.join(unknown)}; {way_out}")


def require_dataflow() -> None:
    """Raise MissingPackageError where open-dataflow, or a package that it imports, is absent."""
    if absent is not None:
        raise MissingPackageError(
            f"DataFlow operators need the package open-dataflow ({absent}); install it without its pinned "
            f"requirements, which would downgrade numpy and others: {INSTALL}"
        ) from absent


PREFIX = "Vqe"


def register_prefixed(classes: Iterable[type]) -> None:
    """Enter each class as ``Vqe<its name>``, a name that no other package uses. Nothing where DataFlow is absent."""
    if absent is None:
        for each in classes:
            OPERATOR_REGISTRY.get_obj_map()[PREFIX + each.__name__] = each


def register_plain(classes: Iterable[type], *, replace: bool = False) -> list[str]:
    """Enter the classes under their own names too; see ``register`` of this package."""
    require_dataflow()
    entries = OPERATOR_REGISTRY.get_obj_map()
    wanted = {each.__name__: each for each in classes}
    taken = [
        f"{name} ({entries[name].__module__})" for name, each in wanted.items() if entries.get(name, each) is not each
    ]
    if taken and not replace:
        raise InputError(
            f"{', '.join(taken)} is in OPERATOR_REGISTRY already, and pipelines that ask for it by name get that "
            f"class; use {PREFIX + next(iter(wanted))} and its like, or register(replace=True)"
        )
    entries.update(wanted)
    return list(wanted)
