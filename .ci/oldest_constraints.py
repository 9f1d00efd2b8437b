"""Print the oldest release of each requirement that setup.py allows, as a constraints file for pip.

    python .ci/oldest_constraints.py app > oldest.txt

Arguments are extras whose requirements are pinned too. A requirement without a lower bound is an error: nobody would
know what it stands for.
"""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENT = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?>=([0-9.]+)(?:,<[0-9.]+)?(?:;.*)?")


def constraints(*extras: str) -> list[str]:
    """``name==oldest`` of every requirement of the package and of ``extras``."""
    told = runpy.run_path(str(ROOT / "setup.py"))
    oldest: dict[str, str] = {}
    for requirement in [*told["REQUIRED"], *(item for extra in extras for item in told["EXTRAS"][extra])]:
        match = REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise SystemExit(f"setup.py: {requirement!r} has no lower bound of the form name>=1.2")
        # An extra may need a newer release than the package itself.
        oldest[match[1]] = max(oldest.get(match[1], "0"), match[2], key=lambda version: [*map(int, version.split("."))])
    return [f"{name}=={version}" for name, version in oldest.items()]


if __name__ == "__main__":
    print("\n".join(constraints(*sys.argv[1:])))
