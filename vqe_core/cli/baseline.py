"""``vqe baseline``: measure what unrelated captions score, once, so that scores can be rescaled by it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from vqe_core import registry
from vqe_core.cli.logs import quiet_libraries
from vqe_core.cli.metric_options import add_options
from vqe_core.cli.score import choose_cache


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command and its options, those of emscore among them where it is asked for."""
    summary = "measure what unrelated captions score, for vqe score emscore --baseline"
    baseline = commands.add_parser("baseline", help=summary, description=summary)
    if "baseline" not in arguments:
        return
    actions = baseline.add_subparsers(title="actions", required=True, metavar="ACTION")
    what = "set the captions of a table against its other clips, and keep what they score"
    build = actions.add_parser("build", parents=[common], help=what, description=what)
    build.add_argument("rows", metavar="ROWS", help="jsonl, json, csv or parquet of captions that fit")
    build.add_argument("--out", required=True, metavar="FILE", help="file to write, JSON")
    build.add_argument("--no-cache", action="store_true", default=argparse.SUPPRESS, help="store no embeddings")
    add_options(build, registry.load("scorer", "emscore"))
    build.set_defaults(command=_build)


def _build(options: dict[str, Any]) -> int:
    rows, out = options.pop("rows"), options.pop("out")
    choose_cache("emscore", options)
    quiet_libraries()
    from vqe_core.run.baseline import build_baseline

    baseline, num_rows = build_baseline(rows, out, options)
    for name, value in baseline.values.items():
        print(f"{name:28s} {value:8.4f}")
    print(f"{baseline.num_rows} of {num_rows} rows, {baseline.num_groups} clips, digest {baseline.digest()}; see {out}")
    return 0
