"""``vqe completion``: the line by which a shell completes commands, options and the names of components."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from vqe_core.errors import MissingPackageError

_MISSING = "completion needs argcomplete: pip install 'vqe-core[completion]'"
# Where each shell reads it, and what.
_LINES = {
    "bash": ("~/.bashrc", 'eval "$(register-python-argcomplete vqe)"'),
    "zsh": ("~/.zshrc, after compinit", 'eval "$(register-python-argcomplete vqe)"'),
    "fish": ("~/.config/fish/config.fish", "register-python-argcomplete --shell fish vqe | source"),
}


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command and its options."""
    about = "print the line that makes a shell complete commands, options and names"
    completion = commands.add_parser("completion", parents=[common], help=about, description=about)
    completion.add_argument("shell", choices=tuple(_LINES), metavar="SHELL", help="bash, zsh or fish")
    completion.set_defaults(command=_completion)


def _completion(options: dict[str, Any]) -> int:
    try:
        import argcomplete  # noqa: F401 (what the line calls)
    except ImportError as error:
        raise MissingPackageError(_MISSING) from error
    where, line = _LINES[options["shell"]]
    print(f"# vqe, for {where}:\n{line}")
    return 0


def asked_to_complete() -> list[str] | None:
    """Return the words of the line that a shell asks to complete, None where none asks."""
    if "_ARGCOMPLETE" not in os.environ:
        return None
    line = os.environ.get("COMP_LINE", "")[: int(os.environ.get("COMP_POINT") or "0") or None]
    for end in ("", "'", '"'):  # a quote may be open yet
        with suppress(ValueError):
            return shlex.split(line + end)[1:]
    return []


def complete(parser: argparse.ArgumentParser) -> None:
    """Tell the shell how the line may go on, and end; without argcomplete do nothing."""
    with suppress(ImportError):
        import argcomplete

        argcomplete.autocomplete(parser)
