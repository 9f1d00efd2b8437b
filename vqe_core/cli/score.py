"""``vqe score``: score videos or the rows of a table, as a run that the same command goes on with."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from vqe_core import registry
from vqe_core.cli.logs import held_log, quiet_libraries, spoken, told_notes
from vqe_core.cli.metric_options import OWN_COLUMNS, add_options, metrics_named
from vqe_core.cli.printing import as_json, print_rows, print_summary, print_table
from vqe_core.cli.progress import Progress
from vqe_core.errors import InputError, InternalError, NothingScoredWarning, VqeError

if TYPE_CHECKING:
    from vqe_core.run.summary import RunSummary

STANDARD_OUTPUT = "-"
MOST_SHOWN = 1000  # rows that are printed where no output is named
# Options of score_run that are none of the metric.
_OF_RUN = {
    *("engine", "workers", "address", "threads", "rows_per_part", "shard", "retry_failed", "restart"),
    *("candidate", "videos_dir", "references"),
}
EXIT_NOTHING_SCORED, EXIT_SOME_FAILED, EXIT_INTERRUPTED = 1, 3, 130
# Of the run, not of the metric: name, argument of score_run, and what argparse is told.
_RUN_OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--engine", {"metavar": "NAME", "help": "what scores the parts: {engines} (default: local)"}),
    ("--workers", {"type": int, "metavar": "N", "help": "worker processes, each with a model (default: 1)"}),
    ("--ray", {"dest": "address", "metavar": "ADDRESS", "help": "Ray cluster; its machines see the same folder"}),
    ("--threads", {"type": int, "metavar": "N", "help": "threads of each worker (default: an equal share)"}),
    ("--rows-per-part", {"type": int, "metavar": "N", "help": "most rows of a part (default: 64 to 1024)"}),
    ("--videos-dir", {"metavar": "DIR", "help": "folder of the videos that ROWS name by file or id"}),
    (
        "--references",
        {"metavar": "FILE", "help": "reference captions by id: annotations of COCO, MSR-VTT or VATEX, or a table"},
    ),
    ("--shard", {"metavar": "I/N", "help": "score every N-th part only, from the I-th on: one of N jobs"}),
)
_RUN_FLAGS = {
    "--retry-failed": "score rows again that failed before, and no others",
    "--restart": "forget an earlier run with this output",
}


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command, and the options of the metric, or of the metrics with commas between, that are named."""
    score = commands.add_parser("score", help="score the rows of a table, or videos")
    metrics = score.add_subparsers(title="metrics", required=True, metavar="METRIC")
    if "score" not in arguments:
        return
    known = registry.names("scorer")
    word, several = metrics_named("score", arguments, score)
    for name in known:
        if word in known or several:  # another needs no description: only what is asked for is imported
            metrics.add_parser(name) if name != word else _add_metric(metrics, name, (name,), common)
        else:
            _add_metric(metrics, name, (name,), common)
    if several:
        _add_metric(metrics, word, several, common)


def _add_metric(metrics: Any, word: str, names: Sequence[str], common: argparse.ArgumentParser) -> None:
    """Add a metric, or several that are scored in one pass, with all options."""
    scorers = []
    for name in names:
        try:
            scorers.append(registry.load("scorer", name))
        except Exception as error:  # of another package, which may be broken in any way
            if registry.is_own("scorer", name):
                raise
            metrics.add_parser(word, help=f"cannot be imported: {type(error).__name__}: {error}")
            return
    summary = scorers[0].summary() if len(scorers) == 1 else f"{' and '.join(names)}, each clip read once"
    metric = metrics.add_parser(word, parents=[common], help=summary, description=summary)
    _add_rows(metric, scorers)
    _add_run_options(metric)
    if len(scorers) == 1 and hasattr(scorers[0], "estimate"):
        metric.add_argument(
            "--estimate",
            action="store_true",
            default=argparse.SUPPRESS,
            help="say what the model would be asked for; ask nobody, and write nothing",
        )
    added = set(OWN_COLUMNS) if len(scorers) > 1 else set[str]()
    for scorer in scorers:
        add_options(metric, scorer, defaults={"on_error": "skip"}, without=added)
        added |= {field.name for field in dataclasses.fields(scorer)}
    metric.set_defaults(command=_score, metric=",".join(names))


def _add_rows(metric: argparse.ArgumentParser, scorers: Sequence[Any]) -> None:
    """Add what is scored, and where to."""
    metric.add_argument(
        "rows",
        nargs="+",
        metavar="ROWS",
        help="jsonl, json, csv or parquet, a pattern of such files, a folder of them or of videos, a URL, or - for "
        "standard input, where media paths are relative to the table; or videos",
    )
    metric.add_argument(
        "--out",
        metavar="OUT",
        help="table to write, the format by its ending; a folder that keeps the parts of a long run; or - for lines of "
        f"JSON on standard output (default: a table of up to {MOST_SHOWN} rows is printed)",
    )
    metric.add_argument("--failures", metavar="FILE", help="also write a table of the rows that have no score, and why")
    flags: tuple[str, ...] = ("--caption", "--candidate")
    what = "caption of all of them"
    if not any(hasattr(scorer, "candidate_key") for scorer in scorers):
        flags, what = ("--description",), "the sound of all of them in words"
    metric.add_argument(
        *flags,
        dest="candidate",
        action="append",
        default=argparse.SUPPRESS,
        metavar="TEXT",
        help=f"where ROWS are videos, {what}; repeat it to score each video with several",
    )


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
        help="of the summary, and of rows that are shown: text (default) or json",
    )
    shown.add_argument("--all", action="store_true", help="all scores, versions and times, not the headline alone")
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
    metric, rows, out, failures = (options.pop(name) for name in ("metric", "rows", "out", "failures"))
    style = {name: options.pop(name) for name in ("format", "quiet", "verbose", "fail_on_errors", "all")}
    choose_cache(metric, options)
    quiet_libraries()
    rows = rows[0] if len(rows) == 1 else rows
    if options.pop("estimate", False):
        return _estimate(metric, rows, options)
    from vqe_core.scorers.several import scorers_for

    scorer = scorers_for(metric, {name: value for name, value in options.items() if name not in _OF_RUN})
    _check_outputs(out, failures, options)
    with TemporaryDirectory(prefix="vqe-score-") as folder:
        table = out if out not in (None, STANDARD_OUTPUT) else str(Path(folder) / "scores.jsonl")
        progress = Progress(shown=_progress_shown(options.get("progress"), style))
        with held_log() as held:
            try:
                most = MOST_SHOWN if out is None else None
                notes = not style["quiet"]
                summary = _run(rows, table, metric, options, progress, most_rows=most, notes=notes)
            except KeyboardInterrupt:
                return _interrupted(progress, kept=table == out)
        if failures is not None:
            from vqe_core.run.filtering import write_failures

            write_failures(table, Path(failures), scorer, summary.media_folder or None)
        if table != out:
            summary.out = summary.media_folder = ""
        _print_results(summary, scorer, Path(table), out, style)
    if summary.num_failed == summary.num_rows:
        return _nothing_scored(summary, held)
    return EXIT_SOME_FAILED if style["fail_on_errors"] and summary.num_failed else 0


def _check_outputs(out: str | None, failures: str | None, options: dict[str, Any]) -> None:
    """Refuse, before the work, what could not be written after it."""
    if failures is not None:
        from vqe_core.tables import check_writable

        check_writable(Path(failures))
        if "shard" in options:
            raise InputError(
                "--failures needs the rows of all shards: after vqe run finish DIR, give "
                "vqe filter DIR --where 'status != ok' --out FILE"
            )
    if out in (None, STANDARD_OUTPUT) and {"shard", "retry_failed"} & options.keys():
        raise InputError("--shard and --retry-failed need a run that is kept; name it by --out")


def _run(
    rows: Any,
    table: str,
    metric: str,
    options: dict[str, Any],
    progress: Progress,
    *,
    most_rows: int | None,
    notes: bool,
) -> RunSummary:
    """Score the rows into a table, with a bar; of rows that are only to be shown, refuse more than can be read."""
    from vqe_core.run import score_run

    def watch(event: dict[str, Any]) -> None:
        count = event.get("rows", 0)
        if most_rows is not None and count > most_rows:
            raise InputError(f"{count} rows are too many to be shown; name a table for them: --out FILE")
        progress.tell(event)

    with warnings.catch_warnings(), _ended_by_sigterm(), progress, told_notes("vqe_core.run.layouts", shown=notes):
        warnings.simplefilter("ignore", NothingScoredWarning)  # told at the end, first of all
        return score_run(rows, table, metric, watch=watch, **{**options, "progress": False})


def _interrupted(progress: Progress, *, kept: bool) -> int:
    if not progress.begun:
        raise KeyboardInterrupt
    done = f"{progress.done} of {progress.total} rows"
    how = "are done and kept, and the same command goes on with the rest" if kept else "were done; --out keeps them"
    print(f"vqe: interrupted; {done} {how}", file=sys.stderr)
    return EXIT_INTERRUPTED


def _print_results(summary: RunSummary, scorer: Any, table: Path, out: str | None, style: dict[str, Any]) -> None:
    """Print the rows where they are asked for, and the summary; beside rows on standard output on standard error."""
    if out == STANDARD_OUTPUT:
        print_table(table)
    where = sys.stderr if out == STANDARD_OUTPUT else sys.stdout
    if style["format"] == "json":
        print(json.dumps(as_json(summary, table if out is None else None), indent=1, default=str), file=where)
        return
    if summary.num_failed == summary.num_rows:
        return  # why is told as an error
    if out is None:
        print_rows(table, scorer, everything=style["all"])
    if not style["quiet"]:
        print_summary(summary, scorer, everything=style["all"], to=where)


def choose_cache(metric: str, options: dict[str, Any]) -> None:
    """Set the cache that commands have among the options of a scorer, and read what a flag says of ``idf``."""
    if options.get("idf") in ("true", "false"):
        options["idf"] = options["idf"] == "true"
    # On by default here: a command is often run again, with another option or after one clip was mended.
    if options.pop("no_cache", False):
        options["cache_dir"] = None
        kinds = [registry.load("scorer", name) for name in metric.split(",")]
        if any(field.name == "keep_answers" for kind in kinds for field in dataclasses.fields(kind)):
            options.setdefault("keep_answers", False)
    elif "cache_dir" not in options and options.get("remote"):
        note = "nothing is cached of files elsewhere, which are mostly read once; --cache-dir DIR keeps embeddings"
        print(f"vqe: note: {note}", file=sys.stderr)
        options["cache_dir"] = None
    elif "cache_dir" not in options:
        options["cache_dir"] = default_cache()


def _estimate(metric: str, rows: Any, options: dict[str, Any]) -> int:
    """Say what scoring these rows would ask for; rows that cannot be scored are told by the run itself."""
    from vqe_core.run.sources import source_for

    kind = registry.load("scorer", metric)
    known = {field.name for field in dataclasses.fields(kind)}
    scorer = kind(**{**{name: value for name, value in options.items() if name in known}, "on_error": "skip"})
    columns: dict[str, list[Any]] = {}
    with TemporaryDirectory(prefix="vqe-estimate-") as held_in:
        source = source_for(scorer, rows, Path(held_in), candidate=options.get("candidate"))
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


def _nothing_scored(summary: Any, held: Sequence[str]) -> int:
    """Say that, and why, instead of means of nothing."""
    if held and set(summary.status) == {InternalError.code}:
        print(held[0], file=sys.stderr)
    where = f"; {summary.out} says why, row by row" if summary.out else ""
    print(f"vqe: error: no row was scored, of {summary.num_rows}{where}", file=sys.stderr)
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
