"""Every notebook runs as Jupyter runs it, shows its images, and is stored without outputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.required import required_package

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
NAMES = [path.name for path in NOTEBOOKS]
RUNS = [
    pytest.param(path, marks=pytest.mark.slow if path.stem != "quickstart" else (), id=path.name) for path in NOTEBOOKS
]
DRAWS = re.compile(r"^(plt\.show|plot_\w+)\(", re.MULTILINE)


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in required_package("nbformat").read(path, as_version=4).cells if cell.cell_type == "code"]


@pytest.fixture
def kernel(monkeypatch, tmp_path):
    """The kernel of this interpreter, whatever kernels the user has installed and wherever their settings lie."""
    required_package("ipykernel")
    required_package("matplotlib")
    client, specs = required_package("jupyter_client"), required_package("jupyter_client.kernelspec")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "jupyter"))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # Jupyter's own, which shows images below their cell
    manager = specs.KernelSpecManager(kernel_dirs=[])  # without folders, the native kernel is left
    return client.AsyncKernelManager(kernel_name="python3", kernel_spec_manager=manager)


@pytest.mark.parametrize("path", RUNS)
def test_every_notebook_runs_and_shows_its_pictures(path, kernel, tmp_path):
    nbclient, nbformat = required_package("nbclient"), required_package("nbformat")
    (tmp_path / "metrics").symlink_to(ROOT / "metrics")
    (tmp_path / "notebooks").mkdir()
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path / "notebooks")}}
    # Raises with the cell and its traceback.
    nbclient.NotebookClient(notebook, km=kernel, timeout=240, resources=resources).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code" and DRAWS.search(cell.source):
            assert any("image/png" in output.get("data", {}) for output in cell.outputs), cell.source
    assert not list((tmp_path / "notebooks").iterdir()), "a notebook leaves files beside itself"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_every_notebook_is_stored_without_outputs(path):
    assert not any(cell.outputs or cell.execution_count for cell in code_cells(path)), "run make strip-notebooks"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_the_readme_names_every_notebook(path):
    assert f"notebooks/{path.name}" in (ROOT / "README.md").read_text(encoding="utf-8")
