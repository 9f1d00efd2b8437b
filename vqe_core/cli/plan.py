"""``vqe plan``: hours, cores, bytes and cache of a run, from a few of its rows."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vqe_core import registry
from vqe_core.cli.logs import quiet_libraries
from vqe_core.cli.metric_options import OWN_COLUMNS, add_options, metrics_named
from vqe_core.cli.printing import duration, file_size

if TYPE_CHECKING:
    from vqe_core.run.estimate import RunEstimate


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command, with the options of the metric, or of the metrics with commas between, that are named."""
    plan = commands.add_parser("plan", help="estimate what scoring a table will take, from a few of its rows")
    metrics = plan.add_subparsers(title="metrics", required=True, metavar="METRIC")
    if "plan" not in arguments:
        return
    word, several = metrics_named("plan", arguments, plan)
    for name in (*registry.names("scorer"), *([word] if several else [])):
        metric = metrics.add_parser(name, parents=[common], help=f"plan a run of {name}")
        if name != word:
            continue
        metric.add_argument("rows", metavar="ROWS", help="as for vqe score, of files that can be read twice")
        metric.add_argument("--sample", type=int, default=48, metavar="N", help="rows to score for it (default: 48)")
        metric.add_argument("--candidate", metavar="TEXT", help="caption of all rows, where ROWS is a folder of videos")
        metric.add_argument("--cores", type=int, metavar="N", help="cores of the machines that will do it")
        metric.add_argument("--gpus", type=int, default=0, metavar="N", help="GPUs that will encode (default: 0)")
        metric.add_argument(
            "--gpu-images", type=float, default=20_000, metavar="N", help="images a second of a GPU (default: 20000)"
        )
        metric.add_argument("--no-cache", action="store_true", help="plan a run without a cache")
        metric.add_argument("--format", choices=("text", "json"), default="text", metavar="FORM", help="text or json")
        added = {"cache_dir", "on_error", "progress", *(OWN_COLUMNS if several else ())}
        for scorer in (registry.load("scorer", each) for each in several or (name,)):
            add_options(metric, scorer, without=added)
            added |= {field.name for field in dataclasses.fields(scorer)}
        metric.set_defaults(command=_plan, metric=name)


def _plan(options: dict[str, Any]) -> int:
    metric, rows, cores, gpus, images, form = (
        options.pop(name) for name in ("metric", "rows", "cores", "gpus", "gpu_images", "format")
    )
    quiet_libraries()
    from vqe_core.run.engines.local import usable_cores
    from vqe_core.run.estimate import estimate_run

    estimate = estimate_run(rows, metric, cache=not options.pop("no_cache"), **options)
    cores = cores or usable_cores()
    shapes = {f"{cores} cores{f', {gpus} GPUs' if gpus else ''}": estimate.hours(cores, gpus, images)}
    if form == "json":
        print(json.dumps({**estimate.as_dict(), "hours": shapes}, indent=1))
    else:
        print("\n".join(_lines(estimate, shapes)))
    return 0


def _lines(estimate: RunEstimate, shapes: Mapping[str, float]) -> list[str]:
    """Return an estimate as lines for a terminal; ``shapes``: hours by a description of the machines."""
    low, high = estimate.interval
    return [
        f"{estimate.rows} rows; {estimate.sampled} of them scored here, {estimate.failed} without a score",
        f"a row: {1000 * estimate.seconds_per_row:.1f} ms on the clock; of threads {1000 * estimate.decode:.1f} ms "
        f"decode, {1000 * estimate.encode:.1f} ms encode, {1000 * estimate.other:.1f} ms other; "
        f"{estimate.images_per_row:.1f} images",
        f"this machine, one worker: {duration(estimate.seconds)} ({duration(low)} to {duration(high)})",
        *(f"{shape}: {duration(3600 * hours)}" for shape, hours in shapes.items()),
        f"media to read: {file_size(estimate.media_bytes)}; cache: {file_size(estimate.cache_bytes)}",
    ]
