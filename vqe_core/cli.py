"""The ``vqe`` command. Imports nothing heavy before it knows what to do, so that ``--help`` is quick."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from vqe_core import registry
from vqe_core.errors import InputError, InternalError, NothingScoredWarning, TableWarning, VqeError
from vqe_core.version import __version__

EXIT_ERROR, EXIT_INTERRUPTED = 1, 130  # 130: what a shell reports for Ctrl-C
NUMBERS = {"int": int, "int | None": int, "float": float, "float | None": float}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 for a clear error, 130 for Ctrl-C."""
    _say_anything()
    options = vars(_parser(sys.argv[1:] if arguments is None else arguments).parse_args(arguments))
    command, debug = options.pop("command"), options.pop("debug")
    try:
        with _shown_log() if debug else nullcontext():
            status: int = command(options)
        if sys.stdout is not None:  # as it is where a shell closed it
            sys.stdout.flush()
    except VqeError as error:
        if debug:
            traceback.print_exc()
        elif isinstance(error, InternalError):
            print(error.trace, file=sys.stderr)
        print(f"vqe: error: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("vqe: interrupted; no output was written", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away, for example `vqe list | head`: no error of ours.
        _silence_output()
        return 128 + getattr(signal, "SIGPIPE", 13)
    except OSError as error:  # a disk that is full, a folder that cannot be written
        if debug:
            traceback.print_exc()
        where = "the output" if error.filename is None else repr(os.fspath(error.filename))
        print(f"vqe: error: {where}: {error.strerror or error}", file=sys.stderr)
        _silence_output()
        return EXIT_ERROR
    return status


def _say_anything() -> None:
    """A name or a message may hold letters that the terminal has not: they are printed as escapes."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # another object in its place
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _silence_output() -> None:
    """Drop text that could not be printed: at exit it would be tried again, and end with a traceback."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        return
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vqe", description="Judge a video against its words and its sound.")
    parser.add_argument("--version", action="version", version=f"vqe-core {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    # On each command, not before it: that is where one adds it to a line that went wrong.
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show tracebacks, and what is logged")

    demo = commands.add_parser(
        "demo", parents=[common], help="make toy clips, score right and wrong captions, write a report"
    )
    demo.add_argument("--out", default="demo_out", metavar="DIR", help="folder to write to (default: demo_out)")
    demo.set_defaults(command=_demo)

    score = commands.add_parser("score", help="score the rows of a table")
    metrics = score.add_subparsers(title="metrics", required=True, metavar="METRIC")
    for name in registry.names("scorer") if "score" in arguments else ():
        _add_metric(metrics, name, common, arguments)

    cache = commands.add_parser("cache", parents=[common], help="look at, empty or check the stored embeddings")
    cache.add_argument("action", choices=("info", "clear", "verify"), metavar="ACTION", help="info, clear or verify")
    cache.add_argument("--cache-dir", metavar="DIR", help="folder (default: VQE_CACHE_DIR, or the system's)")
    cache.set_defaults(command=_cache)

    listing = commands.add_parser(
        "list", parents=[common], help="list metrics (scorers), samplers, encoders and all other components"
    )
    listing.add_argument("kind", nargs="?", metavar="KIND", help="one kind, each with its options, for example sampler")
    listing.set_defaults(command=_list)
    return parser


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
    _add_options(metric, scorer)
    metric.set_defaults(command=_score, metric=name)


def _add_options(parser: argparse.ArgumentParser, scorer: type[Any]) -> None:
    """Add one flag an option of the scorer; what is not given keeps the scorer's default."""
    from vqe_core.scorers.options import group_of, help_of

    groups: dict[str, Any] = {}
    fields = [field for field in dataclasses.fields(scorer) if not field.metadata.get("python_only")]
    for field in sorted(fields, key=lambda field: group_of(field.name) is not None):  # its own come first
        title = group_of(field.name) or f"options of {scorer.name}"
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        shown = "" if field.default in (None, False, "") else f" (default: {field.default})"
        settings: dict[str, Any] = {
            "default": argparse.SUPPRESS,
            "help": (help_of(field, scorer) + shown).replace("%", "%%"),
        }
        if str(field.type).startswith("bool"):  # also "bool | None", with or without other words for the default
            settings["action"] = argparse.BooleanOptionalAction
        else:
            settings["type"] = NUMBERS.get(str(field.type), str)
            settings["metavar"] = field.metadata.get("metavar", "VALUE" if settings["type"] is str else "N")
            if field.metadata.get("many"):
                settings["nargs"] = "+"
            if field.metadata.get("bare"):
                settings.update(nargs="?", const=field.metadata["bare"])
        groups[title].add_argument("--" + field.name.replace("_", "-"), **settings)


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
    _quiet_libraries()
    from vqe_core.run import score_table

    with _held_log() as held, warnings.catch_warnings():
        warnings.simplefilter("ignore", NothingScoredWarning)  # told below, first of all
        warnings.simplefilter("always", TableWarning)
        warnings.showwarning = _show_warning
        report = score_table(metric, rows, out, options)
    if report.num_failed == report.num_rows:
        return _nothing_scored(report, out, held)
    numbers = {name: value for name, value in report.calibration.items() if isinstance(value, float)}
    for name, value in {**report.scores, **numbers}.items():
        print(f"{name:28s} {value:8.4f}")
    print(f"signature: {json.dumps(report.signature)}")
    print(f"{report.num_rows} rows, {report.num_failed} failed; written to {out}")
    for line in report.failure_lines():
        print(f"  {line}")
    if report.num_warned:
        print("warnings:")
    for line in report.warning_lines():
        print(f"  {line}")
    return 0


def _show_warning(message: Any, category: type[Warning], *where: Any, **others: Any) -> None:
    """Show a warning about a table on a line of its own; it concerns no line of code."""
    text = f"vqe: warning: {message}\n"
    if not issubclass(category, TableWarning):
        text = warnings.formatwarning(message, category, *where[:2])
    print(text, end="", file=sys.stderr)


def _nothing_scored(report: Any, out: str, held: Sequence[str]) -> int:
    """Say that, and why, instead of means of nothing."""
    if held and set(report.status) == {InternalError.code}:
        print(held[0], file=sys.stderr)
    print(f"vqe: error: no row was scored, of {report.num_rows}; {out} says why, row by row", file=sys.stderr)
    for line in report.failure_lines():
        print(f"  {line}", file=sys.stderr)
    return EXIT_ERROR


@contextmanager
def _shown_log() -> Iterator[None]:
    """Show all that this package logs."""
    log, handler = logging.getLogger("vqe_core"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)


@contextmanager
def _held_log() -> Iterator[list[str]]:
    """Hold back what is logged of internal errors, unless ``--debug`` shows it: one line a status tells of them."""
    log, held = logging.getLogger("vqe_core"), list[str]()
    if log.isEnabledFor(logging.DEBUG):
        yield held
        return
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: held.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    propagate, log.propagate = log.propagate, False
    try:
        yield held
    finally:
        log.propagate = propagate
        log.removeHandler(handler)


def _default_cache() -> str | None:
    from vqe_core.cache.eviction import default_cache_dir

    try:
        return str(default_cache_dir())
    except VqeError as error:
        print(f"vqe: warning: nothing is cached: {error}", file=sys.stderr)
        return None


def _demo(options: dict[str, Any]) -> int:
    _quiet_libraries()
    from vqe_core.toy.demo import format_table, run_demo

    print(format_table(run_demo(Path(options["out"]))))
    return 0


def _cache(options: dict[str, Any]) -> int:
    return run_cache_command(options["action"], options["cache_dir"])


def _list(options: dict[str, Any]) -> int:
    kind = options["kind"]
    if kind is None:
        for each in registry.kinds():
            print(f"{each.replace('_', ' ') + 's':15s} {' '.join(registry.names(each))}")
        return 0
    if kind not in registry.kinds():
        raise InputError(f"KIND ({kind!r}) must be one of {', '.join(registry.kinds())}")
    for name in registry.names(kind):
        component = registry.load(kind, name)
        takes = [] if kind == "scorer" else [field.name for field in registry.option_fields(component)]
        summary = (component.__doc__ or "").strip().partition("\n")[0]
        print(f"{name + (':' + ','.join(f'{o}=' for o in takes) if takes else '')}\n    {summary}")
    return 0


def _quiet_libraries() -> None:
    """Loading bars of model libraries say nothing to a user of this command; its own bars stay."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from transformers.utils import logging

    logging.disable_progress_bar()


_UNIT = 1024**2


def run_cache_command(action: str, cache_dir: str | None) -> int:
    """Run one action on a cache folder.

    Args:
        action: ``"info"``, ``"clear"`` or ``"verify"``.
        cache_dir: the folder. Default: see ``default_cache_dir``.

    Returns:
        Exit status: 1 if ``verify`` met a damaged entry.

    Raises:
        InputError: the folder is a file.
    """
    from vqe_core.cache.eviction import CacheUpkeep, default_cache_dir, max_bytes_from_environment
    from vqe_core.cache.store import open_cache

    folder = default_cache_dir() if cache_dir is None else Path(cache_dir)
    if os.path.exists(folder) and not os.path.isdir(folder):  # which take any name
        raise InputError(f"--cache-dir ({os.fspath(folder)!r}) is a file; give a folder")
    open_cache(folder)  # checks the name
    upkeep = CacheUpkeep(folder, max_bytes_from_environment())
    if action == "clear":
        print(f"{folder}: removed {upkeep.clear()} entries")
        return 0
    if action == "verify":
        whole, damaged = upkeep.verify()
        for path in damaged:
            print(f"{path}: damaged, set aside")
        print(f"{folder}: {whole} entries are whole, {len(damaged)} were damaged")
        return 1 if damaged else 0
    info = upkeep.info()
    used = f"{info.bytes / _UNIT:.1f} of at most {info.max_bytes / _UNIT:.0f} MB"
    aside = f"{info.quarantined} damaged ones set aside ({info.quarantined_bytes / _UNIT:.1f} MB of it)"
    answers = f" ({info.answers} of them answers of a model behind an endpoint)" if info.answers else ""
    print(f"{folder}: {info.entries} entries{answers}, {used}; {aside}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
