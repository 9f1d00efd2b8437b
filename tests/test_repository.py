"""What is in the repository: nothing of one machine, and at the top level only what is expected there."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

TOP_LEVEL = {
    *(
        ".ci",
        ".gitignore",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "README.md",
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
    """Each has a reason: the toy model, pictures of the documents, and a test's golden values are smaller."""
    large = {str(path.relative_to(ROOT)) for path in tracked_files() if path.stat().st_size > 200_000}
    models = {f"vqe_core/toy/model/{name}model.safetensors" for name in ("", "audio/")}
    assert large <= models | {"docs/images/emscore.png", "docs/images/video_audio_similarity.png"}


def test_everywhere_the_same_pythons_are_named():
    told = runpy.run_path(str(ROOT / "setup.py"))
    minors = [version.split(".")[1] for version in told["PYTHONS"]]
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert f'python_requires=">=3.{minors[0]}"' in text
    assert f"Nothing but Python (3.{minors[0]} to 3.{minors[-1]}) is needed" in (ROOT / "README.md").read_text("utf-8")
    assert f"supported='{' '.join(reversed(minors))}'" in (ROOT / ".ci" / "pythons").read_text(encoding="utf-8")
    assert f"version_info < (3, {minors[0]})" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_requirement_says_how_old_it_may_be():
    extras = runpy.run_path(str(ROOT / "setup.py"))["EXTRAS"]
    script = str(ROOT / ".ci" / "oldest_constraints.py")
    shipped = [name for name in extras if name not in ("test", "dev", "bench", "serving")]  # tools of this repository
    ran = subprocess.run([sys.executable, script, *shipped], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    pins = ran.stdout.split()
    assert len(pins) == len({pin.split("==")[0] for pin in pins}) > 15
    assert "evaluate==0.4.6" in pins


def test_pe_av_asks_for_the_transformers_that_its_extra_brings():
    from vqe_core.encoders.pe_av import OLDEST_TRANSFORMERS

    bound = f"transformers>={'.'.join(map(str, OLDEST_TRANSFORMERS))}"
    assert bound in runpy.run_path(str(ROOT / "setup.py"))["EXTRAS"]["pe-av"]
