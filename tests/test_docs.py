"""Every snippet of the README and the metric cards runs, top to bottom, as a reader would paste it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("metrics/*/README.md")), *sorted(ROOT.glob("docs/*.md"))]
BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Run by CI itself, around this test; running them here would never end.
NOT_HERE = ("git clone", "make ", "pip install")


def blocks(document: Path) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in BLOCK.finditer(document.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_snippet_runs(document, tmp_path):
    (tmp_path / "metrics").symlink_to(ROOT / "metrics")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    script: list[str] = []
    for language, code in blocks(document):
        if language == "bash":
            script += [line for line in code.splitlines() if line and not line.startswith(NOT_HERE)]
        else:
            # Snippets in a row share a process, as a reader's session does.
            path = tmp_path / f"snippets_{len(script)}.py"
            if script and script[-1].endswith(".py"):
                path = Path(script.pop().split(" ", 1)[1])
            with path.open("a", encoding="utf-8") as file:
                file.write(code)
            script.append(f"{sys.executable} {path}")
    assert script, "a document without a snippet that runs"
    for command in script:
        ran = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"


@pytest.mark.parametrize(
    ("start", "end", "options", "elsewhere"),
    [
        ("## Options of EMScore", "## Options of video", "EMScoreOptions", {"clip_model_path"}),
        ("## Options of video", "## Choose a model", "VideoAudioOptions", set()),
    ],
)
def test_the_readme_names_every_option_and_no_other(start, end, options, elsewhere):
    import dataclasses

    from vqe_core.scorers import options as module

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text[text.index(start) : text.index(end)]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`(\w+)`", "\n".join(first_cells)))
    fields = {field.name for field in dataclasses.fields(getattr(module, options))}
    assert named == {name for name in fields if not name.endswith("_key")} - elsewhere


def test_no_file_names_a_private_place():
    forbidden = re.compile(r"/work/|/root/|/tmp/toy|/opt/pypi|/farm/")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in listed:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".html", ".ipynb", ""} and path.is_file() and path != Path(__file__):
            match = forbidden.search(path.read_text(encoding="utf-8", errors="ignore"))
            assert match is None, f"{name} names {match and match[0]}"
