"""What both operators do: read a storage, score its rows, write them back with their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from vqe_core.integrations.dataflow import package
from vqe_core.integrations.dataflow.cells import frame_columns
from vqe_core.integrations.dataflow.results import ResultColumns
from vqe_core.integrations.dataflow.shown_options import check_options
from vqe_core.scorers.results import report_to_columns
from vqe_core.scorers.score_report import ScoreReport

SHOWN_FAILURES = 10  # in the log; the rest is counted


class ScoreOperator(package.OperatorABC):
    """An operator around a scorer.

    Attributes:
        scorer: the scorer with its options; each run names its columns.
        summary: of the last run: means, what they are worth, ``num_rows``, ``num_failed`` and ``signature``.
    """

    first_columns: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        scorer: type,
        named: Mapping[str, Any],
        options: Mapping[str, Any],
        results: ResultColumns,
        base_dir: str | None,
    ) -> None:
        package.require_dataflow()
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
            self.summary = {"num_rows": 0, "num_failed": 0, "signature": {}}
            promised = (*self._columns_of_nothing(), scorer.status_key, scorer.message_key)
            nothing: dict[str, list[Any]] = {name: [] for name in promised}
            self.results.check_free(frame.columns, promised)
            written = self.results.named(nothing, {}, self.first_columns)
        frame = frame.copy()  # a storage in memory may hand out its own
        for name, column in written.items():
            frame[name] = column
        storage.write(frame)
        return list(written)

    def _score(self, scorer: Any, columns: Mapping[str, Any], storage: Any) -> ScoreReport:
        # In one batch of a batched pipeline nothing may depend on which rows are in it.
        whole = getattr(storage, "batch_size", None) is None
        report: ScoreReport = scorer.score_batch(columns, self.base_dir, whole=whole)
        counts = {"num_rows": report.num_rows, "num_failed": report.num_failed}
        self.summary = {**report.scores, **report.calibration, **counts, "signature": report.signature}
        return report

    def _columns(self, report: ScoreReport) -> dict[str, Any]:
        return report_to_columns(report, self.scorer)

    def _columns_of_nothing(self) -> tuple[str, ...]:
        """Score columns of a storage without rows."""
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
