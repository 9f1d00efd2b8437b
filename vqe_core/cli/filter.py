"""``vqe filter``: choose rows of a scored table by their scores."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqe_core.cli.report import VIDEOS_DIR
from vqe_core.errors import InputError


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command and its options."""
    choose = commands.add_parser(
        "filter",
        parents=[common],
        help="choose rows of a scored table by values, percentiles, or the best of them",
        description="Without an output it shows the best or worst rows, or the histogram of each column and how many "
        "rows a threshold keeps.",
    )
    choose.add_argument("table", metavar="TABLE", help="a scored table, or the folder of a run")
    choose.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help="'COLUMN >= 0.3', 'COLUMN >= p80' (a percentile), 'status = ok'; several times: all of them; "
        "xv_full_F is short for EMScore(X,V)_full_F",
    )
    best = choose.add_mutually_exclusive_group()
    best.add_argument("--top", type=int, metavar="K", help="the K best of them, by --by")
    best.add_argument("--bottom", type=int, metavar="K", help="the K worst of them, by --by")
    choose.add_argument(
        "--by",
        metavar="COLUMN",
        help="column that --top, --bottom and the histogram look at (default: the first there is of full_F of EMScore, "
        "similarity, clip_score)",
    )
    choose.add_argument("--out", metavar="FILE", help="table to write, the format by its ending")
    choose.add_argument("--paths", metavar="FILE", help="text file to write the paths of the videos to, a line each")
    choose.add_argument("--links", metavar="DIR", help="new folder for links to the videos")
    choose.add_argument("--video-key", default="video_path", metavar="NAME", help="column of videos (video_path)")
    choose.add_argument("--videos-dir", metavar="DIR", help=VIDEOS_DIR)
    choose.add_argument("--format", choices=("text", "json"), default="text", metavar="FORM", help="text or json")
    choose.set_defaults(command=_filter)


def _filter(options: dict[str, Any]) -> int:
    from vqe_core.run.filtering import ScoredRows, best_lines, choose, link_videos, parse_condition, write_paths
    from vqe_core.scorers.emscore.score_types import full_name

    for name in ("top", "bottom"):
        if options[name] is not None and options[name] < 1:
            raise InputError(f"--{name} ({options[name]}) must be at least 1")
    conditions = [parse_condition(text) for text in options["where"]]
    rows = ScoredRows(options["table"], options["video_key"], options["videos_dir"])
    best = options["top"] or options["bottom"]
    written_only = any(options[name] for name in ("where", "out", "paths", "links")) and not best
    options["by"] = full_name(options["by"]) if options["by"] or written_only else _headline(rows)
    by = options["by"] if best else None
    kept = choose(rows, conditions, by=by, top=options["top"], bottom=options["bottom"])
    written = {}
    if options["out"]:
        rows.write(Path(options["out"]), kept)
        written["out"] = options["out"]
    if options["paths"]:
        write_paths(list(rows.videos(kept)), Path(options["paths"]))
        written["paths"] = options["paths"]
    if options["links"]:
        link_videos(rows.videos(kept), Path(options["links"]))
        written["links"] = options["links"]
    if options["format"] == "json":
        print(json.dumps({"rows": rows.num_rows, "kept": int(kept.sum()), "written": written}))
        return 0
    if not written:
        names = [*([options["by"]] if options["by"] else []), *(condition.column for condition in conditions)]
        lines = best_lines(rows, kept, by, worst=bool(options["bottom"])) if by else _histograms(rows, names)
        print("".join(f"{line}\n" for line in lines), end="")
    share = 100 * kept.sum() / max(1, rows.num_rows)
    print(f"{int(kept.sum())} of {rows.num_rows} rows kept ({share:.1f} %)", end="")
    print(f"; written to {', '.join(written.values())}" if written else "")
    return 0


def _headline(rows: Any) -> str:
    """Return the score that one looks at first."""
    from vqe_core.report.scored_table import usual_headline

    names = rows.column_names()
    found = usual_headline(names)
    if found is None:
        raise InputError(f"no column is called like a score; name one by --by COLUMN; there are {', '.join(names)}")
    return found


def _histograms(rows: Any, names: Sequence[str]) -> list[str]:
    from vqe_core.run.filtering import histogram_lines

    lines = []
    for name in dict.fromkeys(names):
        values = rows.read([name])[name]
        if values.dtype != object:
            lines += [name, *histogram_lines(values)]
    return lines
