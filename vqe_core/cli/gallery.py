"""``vqe gallery``: a page of thumbnails, to choose a threshold by eye."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from vqe_core.cli.logs import quiet_libraries
from vqe_core.cli.printing import file_size
from vqe_core.cli.report import COLUMNS, VIDEOS_DIR


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command and its options."""
    gallery = commands.add_parser(
        "gallery",
        parents=[common],
        help="write a page of thumbnails of the best and worst rows and those around thresholds",
        description="Write a page of thumbnails of the best and worst rows and those just above and below thresholds, "
        "so that a threshold for vqe filter can be chosen by eye.",
    )
    gallery.add_argument("table", metavar="TABLE", help="a scored table, or the folder of a run")
    gallery.add_argument("--videos-dir", metavar="DIR", help=VIDEOS_DIR)
    gallery.add_argument("--out", required=True, metavar="FILE", help="the page, one HTML file that needs no other")
    gallery.add_argument(
        "--threshold",
        action="append",
        dest="thresholds",
        metavar="VALUE",
        help="a value, or a percentile such as p80; several times (default: p20, p50 and p80)",
    )
    gallery.add_argument("--rows", type=int, default=6, metavar="N", help="rows shown of each kind (default: 6)")
    gallery.add_argument("--frames", type=int, default=4, metavar="N", help="frames of each row (default: 4)")
    gallery.add_argument("--title", metavar="TEXT", help="head of the page (default: the name of the table)")
    columns = gallery.add_argument_group("columns of the table")
    for name in ("score", "video", "caption", "start", "end", "status"):
        flag, text = COLUMNS[name]
        columns.add_argument(flag, dest=name, default=argparse.SUPPRESS, metavar="NAME", help=text)
    gallery.set_defaults(command=_gallery)


def _gallery(options: dict[str, Any]) -> int:
    quiet_libraries()
    from vqe_core.report.gallery import THRESHOLDS, GalleryOptions, write_gallery
    from vqe_core.report.scored_table import TableColumns

    settings = GalleryOptions(
        thresholds=options["thresholds"] or THRESHOLDS,
        rows=options["rows"],
        frames=options["frames"],
        title=options["title"],
        columns=TableColumns(**{name: options[name] for name in COLUMNS if name in options}),
        videos_dir=options["videos_dir"],
    )
    out = write_gallery(options["table"], options["out"], settings)
    print(f"written to {out} ({file_size(out.stat().st_size)})")
    return 0
