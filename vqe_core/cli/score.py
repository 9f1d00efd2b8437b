"""``vqe score``: score the rows of a table, as a run that the same command goes on with."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vqe_core import registry
from vqe_core.cli.logs import held_log, quiet_libraries, spoken
from vqe_core.cli.metric_options import add_options
from vqe_core.cli.progress import Progress
from vqe_core.errors import InternalError, NothingScoredWarning, VqeError

EXIT_NOTHING_SCORED, EXIT_SOME_FAILED, EXIT_INTERRUPTED = 1, 3, 130
# Of the run, not of the metric: name, argument of score_run, and what argparse is told.
_RUN_OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--engine", {"metavar": "NAME", "help": "what scores the parts: {engines} (default: local)"}),
    ("--workers", {"type": int, "metavar": "N", "help": "worker processes, each with a model (default: 1)"}),
    ("--ray", {"dest": "address", "metavar": "ADDRESS", "help": "Ray cluster; its machines see the same folder"}),
    ("--threads", {"type": int, "metavar": "N", "help": "threads of each worker (default: an equal share)"}),
    ("--rows-per-part", {"type": int, "metavar": "N", "help": "most rows of a part (default: 64 to 1024)"}),
    ("--shard", {"metavar": "I/N", "help": "score every N-th part only, from the I-th on: one of N jobs"}),
    ("--candidate", {"metavar": "TEXT", "help": "caption of all rows, where ROWS is a folder of videos"}),
)
_RUN_FLAGS = {
    "--retry-failed": "score rows again that failed before, and no others",
    "--restart": "forget an earlier run with this output",
}


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command, and the options of the metric that the arguments name."""
    score = commands.add_parser("score", help="score the rows of a table, or the videos of a folder")
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
    metric.add_argument(
        "rows",
        metavar="ROWS",
        help="jsonl, json, csv or parquet, a pattern of such files, a folder of them or of videos, a URL, or - for "
        "standard input; media paths are relative to the table",
    )
    metric.add_argument(
        "--out",
        required=True,
        metavar="OUT",
        help="table to write, the format by its ending, or a folder that keeps the parts of a long run",
    )
    _add_run_options(metric)
    if hasattr(scorer, "estimate"):
        metric.add_argument(
            "--estimate",
            action="store_true",
            default=argparse.SUPPRESS,
            help="say what the model would be asked for; ask nobody, and write nothing",
        )
    add_options(metric, scorer, defaults={"on_error": "skip"})
    metric.set_defaults(command=_score, metric=name)


def _add_run_options(metric: argparse.ArgumentParser) -> None:
    group = metric.add_argument_group("the run", "A run that was ended goes on with the same command.")
    for flag, settings in _RUN_OPTIONS:
        text = settings["help"].format(engines=", ".join(registry.names("engine")))
        group.add_argument(flag, **{"default": argparse.SUPPRESS, **settings, "help": text})
    for flag, text in _RUN_FLAGS.items():
        group.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=text)
    shown = metric.add_argument_group("what is printed")
    shown.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        metavar="FORM",
        help="of the summary: text (default) or json",
    )
    shown.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    shown.add_argument("-v", "--verbose", action="store_true", help="tell of progress where there is no terminal too")
    shown.add_argument(
        "--fail-on-errors", action="store_true", help="end with status 3 where some rows could not be scored"
    )
    metric.add_argument(
        "--no-cache",
        action="store_true",
        default=argparse.SUPPRESS,
        help="neither look up nor store embeddings and answers",
    )


def _score(options: dict[str, Any]) -> int:
    metric, rows, out = (options.pop(name) for name in ("metric", "rows", "out"))
    style = {name: options.pop(name) for name in ("format", "quiet", "verbose", "fail_on_errors")}
    choose_cache(metric, options)
    quiet_libraries()
    if options.pop("estimate", False):
        return _estimate(metric, rows, options)
    from vqe_core.run import score_run

    progress = Progress(shown=_progress_shown(options.get("progress"), style))
    with held_log() as held, warnings.catch_warnings(), _ended_by_sigterm():
        warnings.simplefilter("ignore", NothingScoredWarning)  # told below, first of all
        try:
            with progress:
                summary = score_run(rows, out, metric, watch=progress.tell, **{**options, "progress": False})
        except KeyboardInterrupt:
            if not progress.begun:
                raise
            done = f"{progress.done} of {progress.total} rows are done and kept"
            print(f"vqe: interrupted; {done}, and the same command goes on with the rest", file=sys.stderr)
            return EXIT_INTERRUPTED
    if style["format"] == "json":
        print(json.dumps(summary.as_dict(), indent=1, default=str))
    if summary.num_failed == summary.num_rows:
        return _nothing_scored(summary, held)
    if style["format"] == "text" and not style["quiet"]:
        print_summary(summary)
    return EXIT_SOME_FAILED if style["fail_on_errors"] and summary.num_failed else 0


def choose_cache(metric: str, options: dict[str, Any]) -> None:
    """Set the cache that commands have among the options of a scorer, and read what a flag says of ``idf``."""
    if options.get("idf") in ("true", "false"):
        options["idf"] = options["idf"] == "true"
    # On by default here: a command is often run again, with another option or after one clip was mended.
    if options.pop("no_cache", False):
        options["cache_dir"] = None
        if "keep_answers" in {field.name for field in dataclasses.fields(registry.load("scorer", metric))}:
            options.setdefault("keep_answers", False)
    elif "cache_dir" not in options and options.get("remote"):
        note = "nothing is cached of files elsewhere, which are mostly read once; --cache-dir DIR keeps embeddings"
        print(f"vqe: note: {note}", file=sys.stderr)
        options["cache_dir"] = None
    elif "cache_dir" not in options:
        options["cache_dir"] = default_cache()


def _estimate(metric: str, rows: str, options: dict[str, Any]) -> int:
    """Say what scoring these rows would ask for; rows that cannot be scored are told by the run itself."""
    from vqe_core.run.sources import open_source

    kind = registry.load("scorer", metric)
    known = {field.name for field in dataclasses.fields(kind)}
    scorer = kind(**{**{name: value for name, value in options.items() if name in known}, "on_error": "skip"})
    columns: dict[str, list[Any]] = {}
    with TemporaryDirectory(prefix="vqe-estimate-") as held_in:
        keys = {"video_key": scorer.video_key, "candidate_key": getattr(scorer, "candidate_key", None)}
        source = open_source(rows, **keys, candidate=options.get("candidate"), held_in=Path(held_in))
        for batch in source.batches():
            for name, values in batch.items():
                columns.setdefault(name, []).extend(values)
        print(scorer.estimate(**scorer.inputs_from(columns, base_dir=source.base_dir)))
    return 0


def _progress_shown(asked: bool | None, style: dict[str, Any]) -> bool:
    if asked is not None:
        return asked
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return not style["quiet"] and (terminal or style["verbose"])


def print_summary(summary: Any) -> None:
    """Print what came of a run."""
    numbers = {name: value for name, value in summary.calibration.items() if isinstance(value, float | int)}
    for name, value in {**summary.scores, **numbers}.items():
        print(f"{name:28s} {value:8d}" if isinstance(value, int) else f"{name:28s} {value:8.4f}")
    print(f"signature: {json.dumps(summary.signature)}")
    print(f"environment: {json.dumps(summary.environment)}")
    before = f", {summary.resumed_rows} of them before" if summary.resumed_rows else ""
    rate = summary.num_rows - summary.resumed_rows
    speed = f" ({rate / summary.seconds:.1f} rows/s)" if rate and summary.seconds else ""
    print(f"{summary.num_rows} rows{before}, {summary.num_failed} failed; written to {summary.out}{speed}")
    if summary.time:
        print(time_line(summary.time))
    for line in summary.failure_lines():
        print(f"  {spoken(line)}")
    if summary.warnings:
        print("warnings:")
    for line in summary.warning_lines():
        print(f"  {line}")


_STAGES = ("decode", "encode", "texts", "sounds", "score", "wait")
_COUNTED = {
    "images": "images",
    "texts_encoded": "texts",
    "videos_read": "videos decoded",
    "videos_from_cache": "from the cache",
}


def time_line(time: Mapping[str, float]) -> str:
    """Return where the time of a run went, in one line.

    Example:
        >>> time_line({"decode": 2.0, "encode": 1.5, "images": 20, "videos_read": 2})
        'time: decode 2.0 s, encode 1.5 s; 20 images, 2 videos decoded'
    """
    seconds = ", ".join(f"{stage} {time[stage]:.1f} s" for stage in _STAGES if stage in time)
    counts = ", ".join(f"{time[name]:.0f} {words}" for name, words in _COUNTED.items() if name in time)
    return f"time: {seconds}{'; ' if seconds and counts else ''}{counts}"


def _nothing_scored(summary: Any, held: Sequence[str]) -> int:
    """Say that, and why, instead of means of nothing."""
    if held and set(summary.status) == {InternalError.code}:
        print(held[0], file=sys.stderr)
    print(f"vqe: error: no row was scored, of {summary.num_rows}; {summary.out} says why, row by row", file=sys.stderr)
    for line in summary.failure_lines():
        print(f"  {spoken(line)}", file=sys.stderr)
    return EXIT_NOTHING_SCORED


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """End as by Ctrl-C where a scheduler asks for it: workers end, finished parts are kept."""

    def interrupt(*signal_and_frame: Any) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def default_cache() -> str | None:
    """Return the folder of the system's cache, or say why there is none."""
    from vqe_core.cache.eviction import default_cache_dir

    try:
        return str(default_cache_dir())
    except VqeError as error:
        logging.getLogger("vqe").warning("nothing is cached: %s", error)
        return None
