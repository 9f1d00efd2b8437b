"""What is in the repository: nothing of one machine, and at the top level only what is expected there."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.required import required_package

ROOT = Path(__file__).parents[1]
MODEL = r"vqe_core/[a-z]+/model/.*model\.safetensors"  # the only files that may be large
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

TOP_LEVEL = {
    *(
        ".ci",
        ".github",
        ".gitignore",
        ".pre-commit-config.yaml",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "MANIFEST.in",
        "Makefile",
        "README.md",
        "mkdocs.yml",
        "pyproject.toml",
        "setup.py",
    ),
    *("benchmarks", "docs", "metrics", "notebooks", "tests", "training", "vqe_core"),
}
# Folders of one person or one machine. What is written here must not be found by itself, hence the brackets.
PRIVATE = re.compile(
    rb"/[w]ork/|/[r]oot/|/[h]ome/[a-z]|/[U]sers/[A-Za-z]|/[f]arm/|/[o]pt/(?:pypi|wheels)|[A-Z]:\\\\[U]sers"
)
# Temporary folders that nobody types: those of pytest, of tempfile and of the tests' own clips.
TEMPORARY = re.compile(rb"/[t]mp/(?:pytest-|vqe-|tmp[a-z0-9_]{8})")


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if listed.returncode != 0:
        pytest.skip("not a checkout of git")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_of_any_kind_holds_a_path_of_a_machine():
    found = []
    for path in tracked_files():
        match = PRIVATE.search(content := path.read_bytes()) or TEMPORARY.search(content)
        if match is not None:
            found.append(f"{path.relative_to(ROOT)}: {match[0].decode(errors='replace')}")
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "/".join(["", "home", "anna", "clips"]),
        "/".join(["", "root", "x"]),
        "/".join(["", "Users", "Anna", "x"]),
        "/".join(["", "work", "main"]),
        "/".join(["", "tmp", "pytest-of-root", "x.mp4"]),
        "/".join(["", "tmp", "tmpab12cd3_", "x"]),
        "C:" + "\\\\Users",
    ],
)
def test_such_paths_are_found_wherever_they_stand(text):
    assert PRIVATE.search(b"\0" + text.encode() + b"\0") or TEMPORARY.search(b"\0" + text.encode() + b"\0")


def test_the_top_level_holds_what_is_expected_and_nothing_else():
    assert {path.relative_to(ROOT).parts[0] for path in tracked_files()} == TOP_LEVEL


def test_large_files_are_known():
    """The toy model has to be shipped; images of the documents and golden values of tests are smaller."""
    large = {str(path.relative_to(ROOT)) for path in tracked_files() if path.stat().st_size > 250_000}
    assert all(re.fullmatch(MODEL, name) for name in large), large


def test_everywhere_the_same_pythons_are_named():
    told = runpy.run_path(str(ROOT / "setup.py"))
    minors = [version.split(".")[1] for version in told["PYTHONS"]]
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert f'python_requires=">=3.{minors[0]}"' in text
    assert f"Nothing but Python (3.{minors[0]} to 3.{minors[-1]}) is needed" in (ROOT / "README.md").read_text("utf-8")
    assert f"supported='{' '.join(reversed(minors))}'" in (ROOT / ".ci" / "pythons").read_text(encoding="utf-8")
    assert f"version_info < (3, {minors[0]})" in (ROOT / "Makefile").read_text(encoding="utf-8")
    tested = parsed(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]
    assert tuple(tested["tests"]["strategy"]["matrix"]["python"]) == told["PYTHONS"]
    assert tested["tests"]["container"].startswith("python:${{ matrix.python }}-")
    assert tested["bare"]["container"]["image"].startswith(f"python:{told['PYTHONS'][0]}-")
    assert tested["oldest"]["container"].startswith(f"python:{told['PYTHONS'][0]}-")
    newest = [
        step["with"]["python-version"]
        for path in WORKFLOWS
        for step in steps_of(path)
        if "setup-python" in step.get("uses", "")
    ]
    assert set(newest) == {told["PYTHONS"][-1]}


def parsed(path: Path) -> dict[str, Any]:
    return required_package("yaml").safe_load(path.read_text(encoding="utf-8"))


def steps_of(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in parsed(workflow)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def test_a_workflow_runs_what_is_in_the_repository_and_actions_of_one_major_version(path):
    workflow = parsed(path)
    assert workflow["permissions"] == {"contents": "read"}, "a job that needs more asks for it"
    assert True in workflow, "the key `on`, which YAML reads as a truth value"
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    for step in steps_of(path):
        assert len({"uses", "run"} & set(step)) == 1, step
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", step["uses"]), step
        for script in re.findall(r"\.ci/[\w-]+", step.get("run", "")):
            assert os.access(ROOT / script, os.X_OK), script
        for target in re.findall(r"\bmake ([\w-]+)", step.get("run", "")):
            assert f"\n{target}:" in make, target


def test_the_hooks_before_a_commit_agree_with_setup_and_the_tests():
    from packaging.requirements import Requirement

    (local,) = parsed(ROOT / ".pre-commit-config.yaml")["repos"]
    hooks = {hook["id"]: hook for hook in local["hooks"]}
    assert {pin for hook in hooks.values() for pin in hook["additional_dependencies"] if "==" not in pin} == set()
    dev = runpy.run_path(str(ROOT / "setup.py"))["EXTRAS"]["dev"]
    (ruff,) = [Requirement(line) for line in dev if line.startswith("ruff")]
    assert hooks["ruff-check"]["additional_dependencies"] == hooks["ruff-format"]["additional_dependencies"]
    assert ruff.specifier.contains(hooks["ruff-check"]["additional_dependencies"][0].removeprefix("ruff=="))
    assert hooks["check-added-large-files"]["exclude"] == f"^{MODEL}$"


def test_every_requirement_says_how_old_it_may_be():
    extras = runpy.run_path(str(ROOT / "setup.py"))["EXTRAS"]
    script = str(ROOT / ".ci" / "requirements.py")
    shipped = [
        name for name in extras if name not in ("test", "dev", "docs", "bench", "serving")
    ]  # tools of this repository
    ran = subprocess.run([sys.executable, script, "--oldest", *shipped], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    pins = ran.stdout.split()
    assert len(pins) == len({pin.split("==")[0] for pin in pins}) > 15
    assert "evaluate==0.4.6" in pins


def test_pe_av_asks_for_the_transformers_that_its_extra_brings():
    from vqe_core.encoders.pe_av import OLDEST_TRANSFORMERS

    bound = f"transformers>={'.'.join(map(str, OLDEST_TRANSFORMERS))}"
    assert bound in runpy.run_path(str(ROOT / "setup.py"))["EXTRAS"]["pe-av"]


def test_what_ci_installs_before_the_package_is_what_the_package_requires():
    told = runpy.run_path(str(ROOT / "setup.py"))
    script = str(ROOT / ".ci" / "requirements.py")
    ran = subprocess.run([sys.executable, script, "llm"], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [*told["REQUIRED"], *told["EXTRAS"]["llm"]]


def test_no_test_begins_when_the_time_is_up_and_the_report_says_so():
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rs",
        "-p",
        "no:cacheprovider",
        str(ROOT / "tests/test_registry.py"),
    ]
    for until, word in (("1", "not begun: the time for tests is up"), ("9e12", " passed")):
        environment = {**os.environ, "VQE_TESTS_UNTIL": until}
        ran = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
        assert ran.returncode == 0, ran.stdout
        assert word in ran.stdout
        assert ("passed" in ran.stdout) == (until != "1")
