"""Write the table of options into each metric card, from the metric itself.

python metrics/cards.py
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

from vqe_core import registry
from vqe_core.scorers.options import group_of, help_of

ROOT = Path(__file__).parent
TABLE = re.compile(r"(?<=<!-- options -->\n).*?(?=<!-- end of options -->)", re.DOTALL)


def option_table(scorer: type[Any]) -> str:
    """Return the options of a metric as Markdown, its own first, then those that all metrics share, by concern."""
    rows: dict[str, list[str]] = {}
    for field in dataclasses.fields(scorer):
        title = group_of(field.name) or scorer.name
        rows.setdefault(title, []).append(f"| `{field.name}` | {shown(field.default)} | {help_of(field, scorer)} |")
    own = rows.pop(scorer.name)
    lines = ["| option | default | |", "|---|---|---|", *own]
    for title, entries in rows.items():
        lines += [f"| **{title}** | | |", *entries]
    return "\n".join(lines) + "\n"


def shown(default: Any) -> str:
    """Return a default as it is typed in Python."""
    return f"`{default!r}`".replace("'", '"')


def with_table(card: str, scorer: type[Any]) -> str:
    """Return the text of a card with the table of options between its two marks."""
    table = option_table(scorer).replace("\\", "\\\\")
    written, count = TABLE.subn(table, card)
    if count != 1:
        raise SystemExit(
            f"the card of {scorer.name} needs one pair of marks, <!-- options --> and <!-- end of options -->"
        )
    return written


def main() -> None:
    """Rewrite the cards of all metrics that have one."""
    for name in registry.names("scorer"):
        card = ROOT / name / "README.md"
        if card.is_file():
            text = with_table(card.read_text(encoding="utf-8"), registry.load("scorer", name))
            card.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
