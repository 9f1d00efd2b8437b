"""Imports point one way, and what is promised to be light is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "vqe_core"

# From the ground up; a module may import its own layer's package and lower layers only.
LAYERS: list[set[str]] = [
    {"errors", "choices", "processes", "shown_figure", "__init__"},
    {"types", "registry", "builtin"},
    {"functional"},
    {"media", "samplers", "llm", "demo"},
    {"encoders", "cache"},
    {"embed"},
    {"scorers"},
    {"tables", "run", "integrations", "report", "plots", "explain"},
    {"app"},
    {"cli"},
]
# Modules that belong to another layer than their package: what the command line reads before anything heavy is
# loaded, and the part of the demo that trains, measures and scores, above the world of shapes and sounds itself.
WORLD = {"world", "claims", "captions", "foils", "picture", "sound", "clips", "wordings"}
EXCEPTIONS = {"scorers.options": 1}


def layer(module: str) -> int:
    """The layer of ``vqe_core.<module>``."""
    if module in EXCEPTIONS:
        return EXCEPTIONS[module]
    top, _, name = module.partition(".")
    if top == "demo" and name and name not in WORLD:
        return layer("report")
    top = "report" if top.startswith("report") else top
    return next(i for i, names in enumerate(LAYERS) if top in names)


def imported_modules(path: Path) -> list[tuple[int, str]]:
    """Line and ``vqe_core`` module of every import, inside functions too; those for type checkers only left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "vqe_core":
            base = node.module.removeprefix("vqe_core").removeprefix(".")
            names = [f"{base}.{alias.name}" if base else alias.name for alias in node.names]
            modules = [name if _is_module(name) else base for name in names]
            found += [(node.lineno, module) for module in modules if module]
        elif isinstance(node, ast.Import):
            found += [
                (node.lineno, alias.name.removeprefix("vqe_core."))
                for alias in node.names
                if alias.name.startswith("vqe_core.")
            ]
    return found


def _is_module(name: str) -> bool:
    path = PACKAGE / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def modules() -> list[str]:
    paths = (path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)


@pytest.mark.parametrize("module", modules())
def test_imports_point_one_way(module):
    path = PACKAGE / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for line, imported in imported_modules(path):
        if imported.split(".")[0] == module.split(".")[0] != "demo" and imported not in EXCEPTIONS:
            continue
        assert layer(imported) <= layer(module), f"{module}:{line} imports {imported} from a layer above it"


def test_the_check_sees_an_arrow_that_points_back(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from vqe_core.scorers import emscore\n")
    assert imported_modules(bad) == [(2, "scorers.emscore")]
    assert layer("scorers.emscore") > layer("functional.matching")


def loaded_after(code: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in ran.stdout.splitlines()[-1].split()}


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import vqe_core", {"torch", "numpy", "transformers", "datasets"}),
        ("from vqe_core import registry; registry.names('sampler')", {"torch", "transformers", "av"}),
        ("from vqe_core.cli import main; main(['list'])", {"torch", "transformers", "datasets", "av"}),
        ("import vqe_core.media, vqe_core.samplers", {"torch", "transformers"}),
    ],
)
def test_light_imports_stay_light(code, absent):
    assert not loaded_after(code) & absent


def test_only_encoders_and_training_load_weights_and_only_media_opens_videos():
    for module in modules():
        text = (PACKAGE / module.replace(".", "/")).with_suffix(".py")
        if not text.is_file():
            continue
        content = text.read_text(encoding="utf-8")
        if "from_pretrained(" in content:
            assert module.startswith(("encoders.", "demo.")), f"{module} loads weights"
        if "import av\n" in content or "from av" in content:
            assert module.startswith(("media.", "demo.")), f"{module} opens media"
