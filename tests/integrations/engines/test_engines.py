"""Adapters to Daft and Spark, each in an environment of its own that sees the packages of this one.

``inside_*.py`` are the tests that run there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.required import absent

ROOT = Path(__file__).parents[3]
PACKAGES = {"daft": ["daft==0.7.26", "pyarrow<26"], "spark": ["pyspark"]}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.mark.parametrize("engine", list(PACKAGES))
def test_the_adapter_works_in_its_engine(engine: str, tmp_path: Path) -> None:
    if engine == "spark" and not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
        pytest.skip("Spark needs Java, and CI has none")
    venv.create(tmp_path / "env", with_pip=False)
    python = str(tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    site = {"base": str(tmp_path / "env"), "platbase": str(tmp_path / "env")}
    shared = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(sysconfig.get_path("purelib", vars=site), "shared.pth").write_text("\n".join(sorted(shared)))
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "--no-input", "install"]
    ran = subprocess.run([*pip, *PACKAGES[engine]], capture_output=True, text=True)
    if ran.returncode:
        absent(f"{engine} cannot be installed: {ran.stderr.strip()[-500:]}")
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=", "--basetemp", str(tmp_path / "inside")]
    command = [python, "-m", "pytest", *options, str(Path(__file__).with_name(f"inside_{engine}.py"))]
    ran = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert ran.returncode == 0 and re.search(r"\d+ passed", ran.stdout), f"{ran.stdout[-8000:]}\n{ran.stderr[-2000:]}"
