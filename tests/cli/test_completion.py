"""A shell that asks how a line may go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.required import required_package
from vqe_core import registry
from vqe_core.cli import main


def completions(line: str, tmp_path: Path) -> list[str]:
    """What the shell gets, as argcomplete's shell function asks."""
    told = tmp_path / "told"
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    env = {**os.environ, **asked, "_ARGCOMPLETE_STDOUT_FILENAME": str(told), "COMP_TYPE": "9"}
    ran = subprocess.run([sys.executable, "-m", "vqe_core"], capture_output=True, text=True, env=env)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    return [word.strip() for word in told.read_text().splitlines()]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("vqe sc", ["score"]),
        ("vqe score ems", ["emscore"]),
        ("vqe score emscore --frame-n", ["--frame-num"]),
        ("vqe score emscore rows.jsonl --on-error ", ["raise", "warn", "skip"]),
        ("vqe score emscore rows.jsonl --metrics full_", ["full_P", "full_R", "full_F"]),
        ("vqe score emscore --sampler sc", ["scene"]),
        ("vqe score emscore,clip_score --preset fac", ["factvc"]),
        ("vqe list enc", ["encoder"]),
        ("vqe completion ", ["bash", "zsh", "fish"]),
    ],
)
def test_commands_options_choices_and_components_are_completed(line, words, tmp_path):
    required_package("argcomplete")
    assert set(words) <= set(completions(line, tmp_path))


def test_names_of_other_packages_are_completed_too(tmp_path):
    required_package("argcomplete")
    assert set(completions("vqe score emscore --sampler ", tmp_path)) == set(registry.names("sampler"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_line_to_add_is_printed(shell, capsys):
    required_package("argcomplete")
    assert main(["completion", shell]) == 0
    where, line = capsys.readouterr().out.splitlines()
    assert where.startswith("# vqe, for ~/")
    assert "register-python-argcomplete" in line and "vqe" in line


def test_without_the_package_it_is_asked_for(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    assert main(["completion", "bash"]) == 1
    assert capsys.readouterr().err == ("vqe: error: completion needs argcomplete: pip install 'vqe-core[completion]'\n")
