"""The documentation as a site: it builds without a warning, fetches nothing, and has every public name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vqe_core
from tests.required import required_package

ROOT = Path(__file__).parents[1]
# What a browser loads by itself; a link that a reader may follow is no asset.
ASSET = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"([^\"]+)|<link\b[^>]*\bhref=\"([^\"]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        required_package(package)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def test_a_browser_fetches_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        for found in ASSET.findall(page.read_text(encoding="utf-8")):
            assert not re.match(r"(?:https?:)?//", "".join(found)), f"{page.relative_to(site)}: {''.join(found)}"


def test_every_public_name_is_in_the_reference(site):
    text = "\n".join(page.read_text(encoding="utf-8") for page in site.glob("reference/*/index.html"))
    anchors = set(re.findall(r'id="(vqe_core\.[\w.]+)"', text))
    names = {anchor.rpartition(".")[2] for anchor in anchors}
    assert set(vqe_core.__all__) - {"__version__", "evaluate_inputs"} <= names  # a version, and a module of the metrics


def test_an_example_of_a_docstring_is_a_block_of_code(site):
    page = (site / "reference" / "functional" / "index.html").read_text(encoding="utf-8")
    shown = page[page.index('id="vqe_core.functional.matching.greedy_match"') :]
    assert re.search(r"Examples:.{0,400}?<code>", shown, re.DOTALL)
