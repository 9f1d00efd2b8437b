"""``vqe compare``: compare systems by tables of scores."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqe_core.errors import InputError

FORMATS = ("table", "json", "csv", "markdown", "latex")


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command and its options."""
    about = "compare systems by tables that vqe score wrote: ranking, intervals, tests, how many videos would do"
    compare = commands.add_parser("compare", parents=[common], help=about, description=about)
    compare.add_argument("tables", nargs="+", metavar="TABLE", help="scored tables of the same rows, one a system")
    compare.add_argument("--score", metavar="NAME", help="score to compare by (default: the metric's first, and all)")
    compare.add_argument("--names", metavar="A,B", help="names of the systems (default: of the files)")
    compare.add_argument("--format", choices=FORMATS, default="table", help="of what is printed (default: table)")
    compare.add_argument("--html", metavar="FILE", help="also write a page")
    compare.add_argument("--plot", metavar="FILE", help="also draw means and differences: png, svg or pdf")
    compare.add_argument("--interval", choices=("percentile", "bca"), default="percentile", help="bootstrap")
    compare.add_argument("--confidence", type=float, default=0.95, help="of the intervals (default: 0.95)")
    compare.add_argument("--resamples", type=int, default=9999, metavar="N", help="of both (default: 9999)")
    compare.add_argument("--seed", type=int, default=0, help="of the resamples (default: 0)")
    for option, what in (
        ("id", "names a row (default: id, where all have it)"),
        ("video", "names its video (default: video_path or the like)"),
        ("start", "holds where its segment starts (default: start)"),
        ("end", "holds where it ends (default: end)"),
    ):
        compare.add_argument(f"--{option}-key", metavar="COLUMN", help=f"column that {what}")
    compare.set_defaults(command=_compare)


def _compare(options: dict[str, Any]) -> int:
    tables, html, plot, form = (options.pop(name) for name in ("tables", "html", "plot", "format"))
    names, options["num_resamples"] = options.pop("names"), options.pop("resamples")
    for path in filter(None, (html, plot)):
        if not Path(path).absolute().parent.is_dir():
            raise InputError(f"cannot write {path!r}: its folder is not there; make it first")
    from vqe_core.errors import EnvironmentWarning
    from vqe_core.report.compare import compare
    from vqe_core.scorers.emscore.score_types import full_name

    options["score"] = full_name(options["score"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EnvironmentWarning)  # a note of what is printed
        found = compare(*tables, names=None if names is None else names.split(","), **options)
    print(found.render(form))
    if form != "table":
        for note in found.notes:
            print(f"vqe: note: {note}", file=sys.stderr)
    if html is not None:
        from vqe_core.tables import write_whole

        write_whole(Path(html), lambda path: path.write_text(found.render("html"), encoding="utf-8"))
    if plot is not None:
        from vqe_core.report.plots import plot_comparison

        plot_comparison(found).savefig(plot)
    return 0
