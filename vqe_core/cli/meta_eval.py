"""``vqe meta-eval``: how well does a metric agree with people?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqe_core import registry
from vqe_core.cli.logs import quiet_libraries
from vqe_core.cli.metric_options import add_options
from vqe_core.cli.score import default_cache
from vqe_core.errors import InputError

FORMATS = ("table", "json", "markdown")
OWN = ("name", "folder", "metric", "scores", "score", "id_key", "text_metric", "videos", "partial", "resamples", "seed")


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command, and the options of the metric that the arguments name."""
    parser = commands.add_parser(
        "meta-eval",
        parents=[common],
        help="ask a published benchmark how well a metric agrees with people",
        description="Run the protocol of a published benchmark on a release that you downloaded, and show the figure "
        "of a metric, with a 95 %% interval by video, beside the published ones.",
        epilog="The options of a metric are listed by: vqe meta-eval NAME DIR --metric METRIC --help",
    )
    known = ", ".join(registry.names("benchmark"))
    parser.add_argument("name", metavar="NAME", help=f"{known}; with options as in vatex-eval:num_references=9")
    parser.add_argument("folder", metavar="DIR", help="folder of the release, in the layout of its authors")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--metric", metavar="METRIC", help="score with this metric (default: the benchmark's); its own options follow"
    )
    ways.add_argument("--scores", metavar="TABLE", help="take scores from a table: parquet, csv, jsonl or json")
    ways.add_argument("--text-metric", metavar="NAME", help="score by words alone: unigram-precision or rouge-l")
    ways.add_argument(
        "--write-rows", metavar="TABLE", help="write the captions with their ids, for any metric to score"
    )
    some: dict[str, Any] = {"nargs": "+", "action": "extend", "default": [], "metavar": "COLUMN"}
    parser.add_argument("--score", **some, help="which scores (default: those that papers report)")
    parser.add_argument("--id-key", metavar="COLUMN", default="id", help="column of the ids in TABLE (default: id)")
    parser.add_argument("--videos", metavar="DIR", help="folder of the video files (default: what the release holds)")
    parser.add_argument("--partial", action="store_true", help="go on without what is absent, where the protocol can")
    parser.add_argument(
        "--resamples", type=int, default=1000, metavar="N", help="draws for the intervals (default: 1000)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: 0)")
    parser.add_argument("--no-cache", action="store_true", help="neither look up nor store embeddings")
    parser.add_argument("--format", choices=FORMATS, default="table", help="table, json or markdown (default: table)")
    metric = _named(arguments)
    if metric is not None:
        add_options(parser, registry.load("scorer", metric), defaults={"on_error": "skip"})
    parser.set_defaults(command=_meta_eval)


def _named(arguments: Sequence[str]) -> str | None:
    """Return the metric that the arguments name, None where they name none that there is."""
    if "meta-eval" not in arguments:
        return None
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name = following if word == "--metric" else word.partition("--metric=")[2]
        if name in registry.names("scorer"):
            return name
    return None


def _meta_eval(options: dict[str, Any]) -> int:
    own = {name: options.pop(name) for name in OWN}
    out, shown, no_cache = (options.pop(name) for name in ("write_rows", "format", "no_cache"))
    if options.get("idf") in ("true", "false"):
        options["idf"] = options["idf"] == "true"
    quiet_libraries()
    if out is not None:
        return _write_rows(own, out)
    by_metric = own["scores"] is None and own["text_metric"] is None
    if by_metric and not no_cache and "cache_dir" not in options:
        options["cache_dir"] = default_cache()  # as vqe score does
    from vqe_core.meta_eval import run_benchmark

    report = run_benchmark(
        own["name"],
        own["folder"],
        scorer=own["metric"],
        options=options,
        videos=own["videos"],
        scores=own["scores"],
        columns=own["score"],
        id_key=own["id_key"],
        text_metric=own["text_metric"],
        partial=own["partial"],
        num_resamples=own["resamples"],
        seed=own["seed"],
    )
    if shown == "json":
        print(json.dumps(report.to_dict(), indent=1))
    else:
        print(report.markdown() if shown == "markdown" else "\n".join(report.lines()))
    return 0


def _write_rows(own: dict[str, Any], out: str) -> int:
    from vqe_core.meta_eval import rows_of
    from vqe_core.tables import write_table

    if not Path(out).parent.is_dir():
        raise InputError(f"--write-rows ({out!r}): there is no folder {str(Path(out).parent)!r}; make it first")
    benchmark = registry.create("benchmark", own["name"])
    rows = rows_of(benchmark.load(Path(own["folder"]), partial=own["partial"]), own["videos"])
    write_table(out, rows)
    print(f"{len(rows['id'])} captions written to {out}")
    return 0
