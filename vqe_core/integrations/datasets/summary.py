"""Summary of a scored data set: means, counts, and the signature."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.integrations.datasets.columns import checked_rows
from vqe_core.scorers.fingerprint import describe_identity
from vqe_core.scorers.options import warnings_column
from vqe_core.scorers.report import counts_from_text, rows_by_code
from vqe_core.scorers.rows import is_missing

MARK = "vqe_core: "
STATUS = "status"


def summarise(rows: Any, *, status_key: str | None = None) -> dict[str, Any]:
    """Summarise a scored data set, also one that was filtered, saved or joined since.

    Args:
        rows: what ``score_dataset`` or ``map`` gave; of a dictionary of splits, a summary of each comes back.
        status_key: column of status words. Default: the one that the signature names, else ``"status"``.

    Returns:
        Mean of each score over the rows that have it (NaN where none has), share of rows in ``passed_filter``,
        ``num_rows``, ``num_failed``, ``status`` (rows by status word), ``warnings`` (rows by code), and ``signature``,
        where ``score_dataset`` left it: all that can change a score and is known before a row is seen. Where several
        metrics scored the data set, a summary of each comes back, by the metric's name.

    Raises:
        InputError: there are no scores in it, or no way to tell which status is whose.
    """
    if isinstance(rows, dict):
        return {name: summarise(part, status_key=status_key) for name, part in rows.items()}
    rows = checked_rows(rows)
    signatures = _signatures(rows)
    scores = {metric: names for metric in registry.names("scorer") if (names := list(_scores(rows, metric)))}
    if not scores:
        raise InputError(f"this data set has no scores, its columns are {list(rows.features)}; score it first")
    keys = _status_keys(rows, list(scores), signatures, status_key)
    found = {
        metric: {
            **_counted(rows, names, keys[metric]),
            "warnings": _warned(rows, signatures.get(metric, {}).get("warnings_key") or warnings_column(keys[metric])),
            "signature": signatures.get(metric),
        }
        for metric, names in scores.items()
    }
    return found if len(found) > 1 else next(iter(found.values()))


def signed(scored: Any, scorer: Any) -> Any:
    """Write the identity of the scorer into the description of the data set: a line a metric, its own the last."""
    lines = scored.info.description.splitlines()
    kept = [line for line in lines if not line.startswith(MARK) or _identity(line).get("metric") != scorer.name]
    scored.info.description = "\n".join([*kept, MARK + json.dumps(describe_identity(scorer))])
    return scored


def _identity(line: str) -> dict[str, Any]:
    identity: dict[str, Any] = json.loads(line.removeprefix(MARK))
    return identity


def _signatures(rows: Any) -> dict[str, dict[str, Any]]:
    """Read the signatures by metric; a metric of which joined data sets have different ones has none."""
    lines = (rows.info.description or "").splitlines()
    every = [_identity(line) for line in dict.fromkeys(lines) if line.startswith(MARK)]
    metrics = [identity["metric"] for identity in every]
    return {identity["metric"]: identity for identity in every if metrics.count(identity["metric"]) == 1}


def _scores(rows: Any, metric: str) -> Iterator[str]:
    scorer = registry.load("scorer", metric)()
    for name, kind in rows.features.items():
        if getattr(kind, "dtype", "") in ("float32", "float64", "bool") and scorer.writes_score(name):
            yield name


def _status_keys(
    rows: Any, metrics: Sequence[str], signatures: Mapping[str, Mapping[str, Any]], status_key: str | None
) -> dict[str, str]:
    """Return the column of status words of each metric."""
    signed_keys = {metric: signatures[metric].get("status_key", STATUS) for metric in metrics if metric in signatures}
    unknown = [metric for metric in metrics if metric not in signed_keys]
    if len(unknown) > 1 or (unknown and status_key is None and STATUS in signed_keys.values()):
        raise InputError(
            f"the columns of {' and '.join(unknown)} carry no signature, so it cannot be told which status is whose; "
            "take the columns of one metric, rows.select_columns([...]), and name its status_key"
        )
    keys = {**dict.fromkeys(unknown, status_key or STATUS), **signed_keys}
    if status_key is not None and len(metrics) == 1:
        keys = {metrics[0]: status_key}
    absent = [key for key in keys.values() if key not in rows.features]
    if absent:
        raise InputError(
            f"status_key ({absent[0]!r}) is no column; there are {list(rows.features)}; name the column of status words"
        )
    return keys


def _warned(rows: Any, column: str) -> dict[str, int]:
    """Return rows by code of warning; none where the column was dropped, or never written."""
    if column not in rows.features:
        return {}
    batches = rows.select_columns([column]).with_format(None).iter(1000)
    return rows_by_code(counts_from_text(text) for batch in batches for text in batch[column])


def _counted(rows: Any, scores: Sequence[str], status_key: str) -> dict[str, Any]:
    sums, counts, status = dict.fromkeys(scores, 0.0), dict.fromkeys(scores, 0), dict[str, int]()
    for batch in rows.select_columns([*scores, status_key]).with_format(None).iter(1000):
        for word in batch[status_key]:
            status[word] = status.get(word, 0) + 1
        for name in scores:
            known = [float(value) for value in batch[name] if not is_missing(value)]
            sums[name], counts[name] = sums[name] + sum(known), counts[name] + len(known)
    means = {name: sums[name] / counts[name] if counts[name] else float("nan") for name in scores}
    num_rows = sum(status.values())
    return {**means, "num_rows": num_rows, "num_failed": num_rows - status.get("ok", 0), "status": status}
