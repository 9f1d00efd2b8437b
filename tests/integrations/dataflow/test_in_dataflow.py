"""The operators in the real open-dataflow package, in an environment of its own.

The package pins old releases of much, so that it is installed without its requirements, by the line that the operators
tell, into an environment that sees the packages of this one. ``inside_*.py`` are the tests that run there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.required import absent
from vqe_core.integrations.dataflow.score_operator import INSTALL

ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a Python with open-dataflow and all that this one has."""
    folder = tmp_path_factory.mktemp("dataflow")
    venv.create(folder, with_pip=False)
    name = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    python = str(folder / name)
    site = {"base": str(folder), "platbase": str(folder)}
    shared = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    seen = "".join(f"import site; site.addsitedir({path!r})\n" for path in sorted(shared))
    Path(sysconfig.get_path("purelib", vars=site), "shared.pth").write_text(seen, encoding="utf-8")
    for line in INSTALL.split(" && "):
        arguments = line.split()[1:]
        pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "--no-input"]
        ran = subprocess.run([*pip, *arguments], capture_output=True, text=True)
        if ran.returncode:
            absent(f"open-dataflow cannot be installed ({line}): {ran.stderr.strip()[-500:]}")
    return python


@pytest.mark.parametrize("tests", sorted(path.name for path in Path(__file__).parent.glob("inside_*.py")))
def test_the_operators_work_in_dataflow(tests: str, python: str, tmp_path: Path) -> None:
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "DF_API_KEY": "of the test"}
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=", "--basetemp", str(tmp_path / "inside")]
    command = [python, "-m", "pytest", *options, str(Path(__file__).with_name(tests))]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    said = f"{ran.stdout[-20_000:]}\n{ran.stderr[-3000:]}"
    assert ran.returncode == 0, said
    counts = ran.stdout.strip().splitlines()[-1]
    assert re.search(r"\d+ passed", counts), said
    assert "skipped" not in counts, said
