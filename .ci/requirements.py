"""Print what setup.py requires, and with it what its extras do: for pip, one a line.

    python .ci/requirements.py dev serving > requirements.txt
    python .ci/requirements.py --oldest app > oldest.txt

With --oldest each is the oldest release that setup.py allows, as a constraints file. A requirement without a lower
bound is then an error: nobody would know what it stands for.
"""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENT = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?>=([0-9.]+)(?:,<[0-9.]+)?(?:;.*)?")


def requirements(*extras: str) -> list[str]:
    """Every requirement of the package and of ``extras``, as setup.py writes it."""
    told = runpy.run_path(str(ROOT / "setup.py"))
    return [*told["REQUIRED"], *(item for extra in extras for item in told["EXTRAS"][extra])]


def oldest(*extras: str) -> list[str]:
    """``name==oldest`` of every requirement of the package and of ``extras``."""
    found: dict[str, str] = {}
    for requirement in requirements(*extras):
        match = REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise SystemExit(f"setup.py: {requirement!r} has no lower bound of the form name>=1.2")
        # An extra may need a newer release than the package itself.
        found[match[1]] = max(found.get(match[1], "0"), match[2], key=lambda version: [*map(int, version.split("."))])
    return [f"{name}=={version}" for name, version in found.items()]


if __name__ == "__main__":
    wanted = sys.argv[1:]
    print("\n".join(oldest(*wanted[1:]) if wanted[:1] == ["--oldest"] else requirements(*wanted)))
