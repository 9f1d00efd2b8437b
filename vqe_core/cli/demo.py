"""``vqe demo``: the toy world from clips to report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqe_core.cli.logs import quiet_libraries


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command and its options."""
    demo = commands.add_parser(
        "demo", parents=[common], help="make toy clips, score right and wrong captions, write a report"
    )
    demo.add_argument("--out", default="demo_out", metavar="DIR", help="folder to write to (default: demo_out)")
    demo.set_defaults(command=_demo)


def _demo(options: dict[str, Any]) -> int:
    quiet_libraries()
    from vqe_core.toy.demo import format_table, run_demo

    print(format_table(run_demo(Path(options["out"]))))
    return 0
