"""``vqe report``: one page from scored tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqe_core.cli.logs import quiet_libraries
from vqe_core.cli.printing import file_size

# Options that name columns, by what they name in ``TableColumns``.
COLUMNS = {
    "score": ("--score", "the score to look at first (default: full_F of EMScore, similarity, or clip_score)"),
    "video": ("--video-key", "column of the videos (default: video_path, or another usual name)"),
    "caption": ("--candidate-key", "column of the captions (default: candidate, or another usual name)"),
    "start": ("--start-key", "column of where each row's segment starts, in seconds"),
    "end": ("--end-key", "column of where each row's segment ends, in seconds"),
    "status": ("--status-key", "column of status words (default: status)"),
    "message": ("--message-key", "column of messages (default: message)"),
    "warnings": ("--warnings-key", "column of the codes of warnings (default: warnings)"),
}


VIDEOS_DIR = "folder that relative paths of videos start from (default: where the table says, else its own)"


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command and its options."""
    summary = "write a page about scored tables: distribution, best and worst rows with frames and words, failures"
    report = commands.add_parser("report", parents=[common], help=summary, description=summary.capitalize())
    report.add_argument("tables", nargs="+", metavar="TABLE", help="written by vqe score, or the folder of a run")
    report.add_argument("--videos-dir", metavar="DIR", help=VIDEOS_DIR)
    report.add_argument("--out", required=True, metavar="FILE", help="the page, one HTML file that needs no other")
    report.add_argument("--title", metavar="TEXT", help="head of the page (default: the names of the tables)")
    report.add_argument("--rows", type=int, default=5, metavar="N", help="rows shown of each kind (default: 5)")
    report.add_argument("--no-evidence", action="store_true", help="load no model: frames without word evidence")
    report.add_argument(
        "--clip-model-path", metavar="MODEL", help="model of the word evidence (default: as the table's signature says)"
    )
    columns = report.add_argument_group("columns of the tables")
    for name, (flag, text) in COLUMNS.items():
        columns.add_argument(flag, dest=name, default=argparse.SUPPRESS, metavar="NAME", help=text)
    report.set_defaults(command=_report)


def _report(options: dict[str, Any]) -> int:
    quiet_libraries()
    from vqe_core.cli.score import default_cache
    from vqe_core.report.scored_table import TableColumns
    from vqe_core.report.table_report import ReportOptions, write_report

    columns = TableColumns(**{name: options[name] for name in COLUMNS if name in options})
    settings = ReportOptions(
        title=options["title"],
        rows=options["rows"],
        evidence=not options["no_evidence"],
        model=options["clip_model_path"],
        cache_dir=None if options["no_evidence"] else default_cache(),
        columns=columns,
        videos_dir=options["videos_dir"],
    )
    out: Path = write_report(options["tables"], options["out"], settings)
    print(f"written to {out} ({file_size(out.stat().st_size)})")
    return 0
