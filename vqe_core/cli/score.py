"""``vqe score``: score the rows of a table."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from vqe_core import registry
from vqe_core.cli.logs import held_log, quiet_libraries, show_warning
from vqe_core.cli.metric_options import add_options
from vqe_core.errors import InternalError, NothingScoredWarning, TableWarning, VqeError

EXIT_NOTHING_SCORED = 1


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command, and the options of the metric that the arguments name."""
    score = commands.add_parser("score", help="score the rows of a table")
    metrics = score.add_subparsers(title="metrics", required=True, metavar="METRIC")
    for name in registry.names("scorer") if "score" in arguments else ():
        _add_metric(metrics, name, common, arguments)


def _add_metric(metrics: Any, name: str, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add one metric. Another that is named needs no description: only what is asked for is imported."""
    named = [word for word in arguments if word in registry.names("scorer")]
    if named and named[0] != name:
        metrics.add_parser(name)
        return
    try:
        scorer = registry.load("scorer", name)
    except Exception as error:  # of another package, which may be broken in any way
        if registry.is_own("scorer", name):
            raise
        metrics.add_parser(name, help=f"cannot be imported: {type(error).__name__}: {error}")
        return
    summary = scorer.summary()
    metric = metrics.add_parser(name, parents=[common], help=summary, description=summary)
    metric.add_argument("rows", metavar="ROWS", help="jsonl, json, csv or parquet; media paths relative to it")
    metric.add_argument("--out", required=True, metavar="FILE", help="table to write, the format by its ending")
    metric.add_argument(
        "--no-cache",
        action="store_true",
        default=argparse.SUPPRESS,
        help="neither look up nor store embeddings and answers",
    )
    add_options(metric, scorer)
    metric.set_defaults(command=_score, metric=name)


def _score(options: dict[str, Any]) -> int:
    metric, rows, out = (options.pop(name) for name in ("metric", "rows", "out"))
    if options.get("idf") in ("true", "false"):
        options["idf"] = options["idf"] == "true"
    # On by default here: a command is often run again, with another option or after one clip was mended.
    if options.pop("no_cache", False):
        options["cache_dir"] = None
        if "keep_answers" in {field.name for field in dataclasses.fields(registry.load("scorer", metric))}:
            options.setdefault("keep_answers", False)
    elif "cache_dir" not in options:
        options["cache_dir"] = _default_cache()
    quiet_libraries()
    from vqe_core.run import score_table

    with held_log() as held, warnings.catch_warnings():
        warnings.simplefilter("ignore", NothingScoredWarning)  # told below, first of all
        warnings.simplefilter("always", TableWarning)
        warnings.showwarning = show_warning
        report = score_table(metric, rows, out, options)
    if report.num_failed == report.num_rows:
        return _nothing_scored(report, out, held)
    numbers = {name: value for name, value in report.calibration.items() if isinstance(value, float | int)}
    for name, value in {**report.scores, **numbers}.items():
        print(f"{name:28s} {value:8d}" if isinstance(value, int) else f"{name:28s} {value:8.4f}")
    print(f"signature: {json.dumps(report.signature)}")
    print(f"environment: {json.dumps(report.environment)}")
    print(f"{report.num_rows} rows, {report.num_failed} failed; written to {out}")
    for line in report.failure_lines():
        print(f"  {line}")
    if report.num_warned:
        print("warnings:")
    for line in report.warning_lines():
        print(f"  {line}")
    return 0


def _nothing_scored(report: Any, out: str, held: Sequence[str]) -> int:
    """Say that, and why, instead of means of nothing."""
    if held and set(report.status) == {InternalError.code}:
        print(held[0], file=sys.stderr)
    print(f"vqe: error: no row was scored, of {report.num_rows}; {out} says why, row by row", file=sys.stderr)
    for line in report.failure_lines():
        print(f"  {line}", file=sys.stderr)
    return EXIT_NOTHING_SCORED


def _default_cache() -> str | None:
    from vqe_core.cache.eviction import default_cache_dir

    try:
        return str(default_cache_dir())
    except VqeError as error:
        print(f"vqe: warning: nothing is cached: {error}", file=sys.stderr)
        return None
