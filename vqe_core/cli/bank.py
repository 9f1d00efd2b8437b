"""``vqe bank``: keep other sounds or captions, so that one clip alone has a percentile."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from vqe_core import registry
from vqe_core.cli.logs import quiet_libraries
from vqe_core.cli.metric_options import add_options
from vqe_core.cli.score import choose_cache

METRICS = ("emscore", "clip_score", "video_audio_similarity")


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command, and the options of the metric that the arguments name."""
    summary = "keep other sounds or captions to compare with, for vqe score --reference-bank and the pages"
    bank = commands.add_parser("bank", help=summary, description=summary)
    if "bank" not in arguments:
        return
    actions = bank.add_subparsers(title="actions", required=True, metavar="ACTION")
    what = "make a bank of the sounds or the captions of a table"
    build = actions.add_parser("build", help=what, description=what)
    metrics = build.add_subparsers(title="metrics", required=True, metavar="METRIC")
    for name in METRICS:
        of = "sounds" if name == "video_audio_similarity" else "captions"
        metric = metrics.add_parser(name, parents=[common], help=f"a bank of {of}", description=f"Make a bank of {of}.")
        if name not in arguments:
            continue
        metric.add_argument("rows", metavar="ROWS", help=f"jsonl, json, csv or parquet of clips whose {of} fit")
        metric.add_argument("--out", required=True, metavar="FILE", help="file to write")
        metric.add_argument("--no-cache", action="store_true", default=argparse.SUPPRESS, help="store no embeddings")
        add_options(metric, registry.load("scorer", name), {"on_error": "skip"}, without={"reference_bank"})
        metric.set_defaults(command=_build, metric=name)


def _build(options: dict[str, Any]) -> int:
    metric, rows, out = (options.pop(name) for name in ("metric", "rows", "out"))
    choose_cache(metric, options)
    quiet_libraries()
    from vqe_core.run.bank import build_bank

    built = build_bank(metric, rows, out, options)
    for name, margin in getattr(built.bank, "margins", {}).items():
        print(f"{name}: equally true captions of one clip lie within {margin:.4f} in 19 of 20 pairs")
    print(f"{built.size} {built.kind} of {built.num_rows} rows, digest {built.bank.digest()}; see {out}")
    return 0
