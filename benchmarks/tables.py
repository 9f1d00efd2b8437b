"""Tables from results: ``python -m benchmarks.tables build/benchmarks/*.json`` prints Markdown."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Column heads of the measurements, in the order they are shown; others keep their own name.
HEADS = {
    "wall_s": "wall s",
    "cpu_s": "CPU s",
    "ms_per_row": "ms/row",
    "ms_per_image": "ms/image",
    "gflops": "GFLOP/s",
    "share_of_gemm": "of GEMM peak",
    "floor_s": "sum of parts s",
    "over_floor": "time / sum of parts",
    "cpu_over_floor": "CPU / that of the parts",
    "gemm_floor_s": "sum of parts at GEMM peak s",
    "peak_mib": "peak MiB",
    "workers_mib": "workers MiB",
    "total_mib": "together MiB",
}
# Measured beside others, of use in the JSON only.
HIDDEN = {"images", "failed", "cpu_ms_per_image", "text_cpu_s"}


def markdown(content: dict[str, Any]) -> str:
    """Format one result as Markdown: a table a group, the targets, the checks and the notes."""
    parts = [f"### {content['title']}", _machine(content)]
    parts += [_group(group) for group in content["groups"]]
    if content["targets"]:
        parts.append(_targets(content["targets"]))
    if content["checks"]:
        parts.append("\n".join(f"- {name}: {_value(value)}" for name, value in content["checks"].items()))
    parts += content["notes"]
    return "\n\n".join(parts) + "\n"


def _machine(content: dict[str, Any]) -> str:
    machine, settings = content["machine"], content["settings"]
    packages = ", ".join(f"{name} {found}" for name, found in machine["packages"].items())
    quick = " **Quick run: sizes too small to tell a speed.**" if settings["quick"] else ""
    where = f"{machine['cpu']}, {machine['cores']} cores, GPU: {machine['gpu'] or 'none'}"
    return f"{where}; {packages}; {settings['repeat']} repetitions; median (lowest to highest).{quick}"


def _group(group: dict[str, Any]) -> str:
    present = [key for row in group["rows"] for key, value in row.items() if isinstance(value, dict) and key != "ratio"]
    # Those without a head of their own come first, as they were measured.
    keys = sorted(dict.fromkeys(present), key=lambda key: list(HEADS).index(key) if key in HEADS else -1)
    keys = [key for key in keys if key not in HIDDEN]
    heads = ["", *[HEADS.get(key, key.replace("_", " ")) for key in keys]]
    if group["baseline"] is not None:
        what = HEADS.get(group["measure"], group["measure"])
        pair = ("this", group["baseline"]) if group["grows"] else (group["baseline"], "this")
        heads.append(f"{' / '.join(pair)}, by {what}")
    lines = [_row(heads), _row(["---"] * len(heads))]
    for row in group["rows"]:
        name = f"{row['name']} ({row['note']})" if row["note"] else row["name"]
        cells = [_summary(row.get(key)) for key in keys]
        ratio = [_summary(row["ratio"], "x")] if group["baseline"] is not None else []
        lines.append(_row([name, *cells, *ratio]))
    return f"**{group['title']}**\n\n" + "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _summary(values: dict[str, Any] | None, unit: str = "") -> str:
    if values is None:
        return ""
    median, low, high = (_number(values[key]) for key in ("median", "min", "max"))
    spread = "" if low == high else f" ({low} to {high})"
    return f"{median}{unit}{spread}"


def _targets(targets: Sequence[dict[str, Any]]) -> str:
    lines = [_row(["target", "wanted", "measured", "met"]), _row(["---"] * 4)]
    for target in targets:
        low, high = target["at_least"], target["at_most"]
        bound = f"at least {_number(low)}" if low is not None else f"at most {_number(high)}"
        lines.append(_row([target["text"], bound, _number(target["value"]), "yes" if target["met"] else "**no**"]))
    return "\n".join(lines)


def _value(value: Any) -> str:
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    """Format three digits that count: enough for a speed."""
    if value == 0 or 1e-3 <= abs(value) < 100:
        return f"{value:.3g}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1e}"


def main() -> None:
    """Print the files named on the command line."""
    for name in sys.argv[1:]:
        print(markdown(json.loads(Path(name).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
