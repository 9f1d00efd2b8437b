"""The package as a wheel, away from the checkout: what a wheel lacks is not found by any test in the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.required import required_package

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel, for PYTHONPATH; its requirements are those of this Python."""
    required_package("build")
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "vqe_core", source / "vqe_core", ignore=ignored)  # building writes into the source
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(folder, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source))
    (wheel,) = folder.glob("*.whl")
    install = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--target")
    run(folder, *install, str(folder / "site"), str(wheel))
    return folder / "site"


def run(folder: Path, *arguments: str, **environment: str) -> str:
    command = [sys.executable, *arguments]
    ran = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)  # three processes that load torch, after a build
def test_an_installed_wheel_runs_away_from_the_checkout(site, tmp_path):
    vqe = str(site / "bin" / "vqe")
    found = run(tmp_path, "-c", "import vqe_core; print(vqe_core.__file__)", PYTHONPATH=str(site))
    assert Path(found.strip()).is_relative_to(site)
    assert "emscore" in run(tmp_path, vqe, "list", PYTHONPATH=str(site))
    run(tmp_path, vqe, "demo", "--out", "demo_out", PYTHONPATH=str(site))
    assert (tmp_path / "demo_out" / "report.html").stat().st_size > 0


@pytest.mark.slow
def test_a_wheel_holds_every_file_of_the_package(site):
    def files_of(folder: Path) -> set[Path]:
        found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return {path for path in found if "__pycache__" not in path.parts}

    assert files_of(site / "vqe_core") == files_of(ROOT / "vqe_core")
