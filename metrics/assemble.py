"""Lay out the Space of a metric, complete without a release: ``python metrics/assemble.py emscore build/space``.

A Space installs requirements.txt before its files are there, and gradio by the ``sdk_version`` of its README.md. So the
package is no requirement: it lies beside app.py, which finds it there.
"""

from __future__ import annotations

import argparse
import re
import runpy
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
METRICS = sorted(path.parent.name for path in ROOT.glob("metrics/*/app.py"))
HEAD = "# Written by metrics/assemble.py from the lists of setup.py. gradio comes by sdk_version in README.md.\n"


def requirements() -> str:
    """What vqe_core and its pages need, but gradio, as requirements.txt."""
    lists = runpy.run_path(str(ROOT / "setup.py"))
    needed = [line for line in (*lists["REQUIRED"], *lists["APP"]) if re.split(r"\W", line)[0] != "gradio"]
    return HEAD + "".join(f"{line}\n" for line in needed)


def assemble(metric: str, folder: Path, owner: str | None = None) -> None:
    """Write the Space of ``metric`` into ``folder``; of what is there, only its vqe_core is removed.

    Args:
        metric: a folder of metrics/ with a page.
        folder: is made where there is none; may be a clone of the Space.
        owner: account of the Space, which the examples of its card then name.
    """
    shutil.rmtree(folder / "vqe_core", ignore_errors=True)
    compiled = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "metrics" / metric, folder, ignore=compiled, dirs_exist_ok=True)
    shutil.copytree(ROOT / "vqe_core", folder / "vqe_core", ignore=compiled)
    shutil.copy(ROOT / "LICENSE", folder)
    card = folder / "README.md"
    card.write_text(card.read_text(encoding="utf-8").replace("OWNER", owner or "OWNER"), encoding="utf-8")
    (folder / "requirements.txt").write_text(requirements(), encoding="utf-8")


def main() -> None:
    """Read the command line and write the folder that it names."""
    parser = argparse.ArgumentParser(description="Lay out the Space of a metric in a folder.")
    parser.add_argument("metric", choices=METRICS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--owner", help="account of the Space, which the examples of its card then name")
    asked = parser.parse_args()
    assemble(asked.metric, asked.folder, asked.owner)
    owner = asked.owner or "YOU"
    print(
        f"{asked.folder} is complete; publish it: hf upload {owner}/{asked.metric} {asked.folder} . --repo-type space"
    )


if __name__ == "__main__":
    main()
