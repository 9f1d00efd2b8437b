"""Summary of a scored data set: means, counts, and the signature."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.integrations.datasets.columns import checked_rows
from vqe_core.scorers.fingerprint import merged_environments
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
        ``num_rows``, ``num_failed``, ``status`` (rows by status word), ``warnings`` (rows by code), and ``signature``
        and ``environment``, where ``score_dataset`` left them; of a stream, which was not read then, the environment is
        empty. Where several metrics scored the data set, a summary of each comes back, by the metric's name.

    Raises:
        InputError: there are no scores in it, or no way to tell which status is whose.
    """
    if isinstance(rows, dict):
        return {name: summarise(part, status_key=status_key) for name, part in rows.items()}
    rows = checked_rows(rows)
    signatures = signatures_of(rows)
    scores = {metric: names for metric in registry.names("scorer") if (names := list(_scores(rows, metric)))}
    if not scores:
        raise InputError(f"this data set has no scores, its columns are {list(rows.features)}; score it first")
    keys = _status_keys(rows, list(scores), signatures, status_key)
    found = {
        metric: {
            **_counted(rows, names, keys[metric]),
            "warnings": _warned(rows, _named(signatures, metric, "warnings_key") or warnings_column(keys[metric])),
            "signature": signatures.get(metric, {}).get("signature"),
            "environment": signatures.get(metric, {}).get("environment", {}),
        }
        for metric, names in scores.items()
    }
    return found if len(found) > 1 else next(iter(found.values()))


def signed(scored: Any, scorer: Any, texts: Sequence[str]) -> Any:
    """Write what made the scores into the description of the data set: a line a metric, its own the last.

    Args:
        scored: data set to write it into.
        scorer: of the scores.
        texts: JSON of ``signature`` and ``environment``, as the scorer gave them for each batch.
    """
    made = [json.loads(text) for text in texts]
    signatures = _distinct(entry["signature"] for entry in made)
    line = {
        "metric": scorer.name,
        "signature": signatures[0] if len(signatures) == 1 else None,
        "environment": merged_environments(entry["environment"] for entry in made),
        "columns": {"status_key": scorer.status_key, "warnings_key": scorer.warnings_column},
    }
    lines = scored.info.description.splitlines()
    kept = [text for text in lines if not text.startswith(MARK) or _identity(text).get("metric") != scorer.name]
    scored.info.description = "\n".join([*kept, MARK + json.dumps(line)])
    return scored


def scorer_before_fork(scorer: Any, num_proc: int | None) -> Any:
    """Return a scorer to ask for its signature in a process that may be forked afterwards.

    A forked process cannot use a GPU that its parent used, so the model is loaded on the CPU, where nothing is run.
    """
    import torch

    return replace(scorer, device="cpu") if (num_proc or 1) > 1 and torch.cuda.is_available() else scorer


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list({json.dumps(value, sort_keys=True): value for value in values}.values())


def _identity(line: str) -> dict[str, Any]:
    identity: dict[str, Any] = json.loads(line.removeprefix(MARK))
    return identity


def signatures_of(rows: Any) -> dict[str, dict[str, Any]]:
    """Return by metric what ``score_dataset`` wrote: ``signature``, ``environment`` and the names of ``columns``.

    A metric of which joined data sets have different signatures, or other names of columns, is left out.
    """
    lines = (rows.info.description or "").splitlines()
    every = [_identity(line) for line in dict.fromkeys(lines) if line.startswith(MARK)]
    found = {}
    for metric in dict.fromkeys(identity["metric"] for identity in every):
        own = [identity for identity in every if identity["metric"] == metric]
        if len(_distinct((identity.get("signature"), identity.get("columns")) for identity in own)) == 1:
            environments = (identity.get("environment", {}) for identity in own)
            found[metric] = {**own[0], "environment": merged_environments(environments)}
    return found


def _scores(rows: Any, metric: str) -> Iterator[str]:
    scorer = registry.load("scorer", metric)()
    for name, kind in rows.features.items():
        if getattr(kind, "dtype", "") in ("float32", "float64", "bool") and scorer.writes_score(name):
            yield name


def _named(signatures: Mapping[str, Mapping[str, Any]], metric: str, key: str) -> str | None:
    name: str | None = signatures.get(metric, {}).get("columns", {}).get(key)
    return name


def _status_keys(
    rows: Any, metrics: Sequence[str], signatures: Mapping[str, Mapping[str, Any]], status_key: str | None
) -> dict[str, str]:
    """Return the column of status words of each metric."""
    signed_keys = {m: _named(signatures, m, "status_key") or STATUS for m in metrics if m in signatures}
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
