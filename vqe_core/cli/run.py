"""``vqe run``: look at a run from outside, and put the parts of several jobs together."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqe_core.cli.logs import quiet_libraries
from vqe_core.cli.printing import duration, print_summary


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command and its options."""
    run = commands.add_parser("run", help="how far a run is; put the parts of several jobs together")
    actions = run.add_subparsers(title="actions", required=True, metavar="ACTION")
    status = actions.add_parser("status", parents=[common], help="how far a run is, here or elsewhere")
    status.add_argument("run", metavar="DIR", help="folder of the run: as --out named it, or FILE.run")
    status.add_argument(
        "--format", choices=("text", "json"), default="text", metavar="FORM", help="text (default) or json"
    )
    status.set_defaults(command=_status)
    finish = actions.add_parser("finish", parents=[common], help="put the parts of --shard jobs together")
    finish.add_argument("run", metavar="DIR", help="folder of the run")
    finish.add_argument("--out", metavar="FILE", help="table to write beside the parts")
    finish.add_argument(
        "--format", choices=("text", "json"), default="text", metavar="FORM", help="text (default) or json"
    )
    finish.add_argument("--all", action="store_true", help="all scores, versions and times, not the headline alone")
    finish.set_defaults(command=_finish)


def _status(options: dict[str, Any]) -> int:
    from vqe_core.run import run_status

    status = run_status(options["run"])
    if options["format"] == "json":
        print(json.dumps(status, indent=1))
        return 0
    share = 100 * status["done_rows"] / max(1, status["rows"])
    print(f"{status['metric']}: {status['done_rows']} of {status['rows']} rows ({share:.0f} %), "
          f"{status['done_parts']} of {status['parts']} parts")  # fmt: skip
    if status["first_pass_parts"]:
        print(f"first pass: {status['first_pass_parts']} of {status['parts']} parts")
    if status["seconds_left"]:
        print(f"{status['rows_per_second']:.1f} rows/s, about {duration(status['seconds_left'])} left")
    elif status["finished"]:
        print("finished")
    elif status["done_parts"] == status["parts"]:
        print("all parts are done; put them together: vqe run finish DIR")
    return 0


def _finish(options: dict[str, Any]) -> int:
    quiet_libraries()
    from vqe_core.run import finish_run
    from vqe_core.run.folder import RunFolder
    from vqe_core.scorers.several import scorers_for

    manifest = RunFolder(Path(options["run"])).manifest()  # the folder may go
    summary = finish_run(options["run"], options["out"])
    if options["format"] == "json":
        print(json.dumps(summary.as_dict(), indent=1, default=str))
        return 0
    print_summary(summary, scorers_for(manifest.metric, (manifest.call or {})["options"]), everything=options["all"])
    return 0
