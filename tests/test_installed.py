"""The package as a wheel and as a source distribution: what they lack is not found by any test in the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.required import required_package

ROOT = Path(__file__).parents[1]
METRICS = sorted(path.stem for path in ROOT.glob("metrics/*/*.py") if path.stem == path.parent.name)
READ = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The two files that a release has. The wheel is made from the source distribution, as ``python -m build`` does."""
    required_package("build")
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("vqe_core", "metrics", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)  # building writes into the source
    for name in READ:
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


@pytest.mark.slow
@pytest.mark.timeout(600)  # three processes that load torch, after a build
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_installed_runs_away_from_the_checkout(built, kind):
    required_package("setuptools")  # builds the source distribution; a newer Python brings none
    command = [str(ROOT / ".ci" / "installed"), sys.executable, str(built[kind])]
    environment = {**os.environ, "REQUIREMENTS": sysconfig.get_paths()["purelib"]}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert "emscore" in ran.stdout and "evaluate.load: 0." in ran.stdout


def files_of(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


@pytest.mark.slow
def test_a_wheel_holds_every_file_of_the_package_and_no_other(built):
    names = zipfile.ZipFile(built["wheel"]).namelist()
    scripts = {f"{name}/{file}" for name in METRICS for file in (f"{name}.py", "README.md")}
    brought = {f"vqe_core/metrics/{file}" for file in scripts}
    assert {name for name in names if ".dist-info/" not in name} == files_of(ROOT / "vqe_core") | brought


@pytest.mark.slow
def test_a_source_distribution_holds_package_and_metrics_and_no_tests(built):
    with tarfile.open(built["sdist"]) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    expected = {*READ, *files_of(ROOT / "vqe_core"), *files_of(ROOT / "metrics")}
    made = {name for name in names if name in ("PKG-INFO", "setup.cfg") or ".egg-info/" in name}
    assert names - made == expected
