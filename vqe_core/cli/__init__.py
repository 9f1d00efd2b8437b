"""The ``vqe`` command. Imports nothing heavy before it knows what to do, so that ``--help`` is quick.

A command is a file of this folder with ``add_to(commands, common, arguments)``, and a line in ``COMMANDS``.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import NoReturn

from vqe_core.cli import (
    bank,
    baseline,
    cache,
    compare,
    completion,
    demo,
    explain,
    filter,
    gallery,
    listing,
    meta_eval,
    plan,
    report,
    run,
    score,
)
from vqe_core.cli.logs import shown_log, told_warnings
from vqe_core.cli.parsing import Parser, in_flags
from vqe_core.errors import InternalError, VqeError
from vqe_core.version import __version__

# In the order of the help.
COMMANDS = (
    demo,
    score,
    run,
    filter,
    gallery,
    compare,
    explain,
    report,
    meta_eval,
    baseline,
    bank,
    plan,
    cache,
    listing,
    completion,
)
EXIT_ERROR, EXIT_INTERRUPTED = 1, 130  # 130: what a shell reports for Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 for a clear error, 130 for Ctrl-C."""
    _say_anything()
    asked = completion.asked_to_complete()
    if asked is not None:
        completion.complete(_parser(asked))
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(words)
    options = vars(parser.parse_args(words))
    command, debug, flags = options.pop("command"), options.pop("debug"), parser.leaf(words).flags()
    try:
        with shown_log() if debug else nullcontext(), told_warnings(flags):
            status: int = command(options)
        if sys.stdout is not None:  # as it is where a shell closed it
            sys.stdout.flush()
    except VqeError as error:
        if debug:
            traceback.print_exc()
        elif isinstance(error, InternalError):
            print(error.trace, file=sys.stderr)
        print(f"vqe: error: {in_flags(str(error), flags.items())}", file=sys.stderr)
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


def program(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command, and end this process with its exit status."""
    status = main(arguments)
    if status == EXIT_INTERRUPTED:  # what waits is told already; libraries with threads take seconds to end, or crash
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(status)
    sys.exit(status)


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


def _parser(arguments: Sequence[str]) -> Parser:
    parser = Parser(prog="vqe", description="Judge a video against its words and its sound.")
    parser.add_argument("--version", action="version", version=f"vqe-core {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    # On each command, not before it: that is where one adds it to a line that went wrong.
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show tracebacks, and what is logged")
    for command in COMMANDS:
        command.add_to(commands, common, arguments)
    return parser
