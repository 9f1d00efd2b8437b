"""Imports point one way, and what is promised to be light is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "vqe_core"

# From the ground up; a module may import its own layer's rooms and lower layers only.
LAYERS: list[set[str]] = [
    {"version", "errors", "__init__"},
    {"options", "registry", "runtime", "deadline", "timings"},
    {"types"},
    {"functional"},
    {"samplers", "media", "toy"},
    {"workers"},
    {"encoders", "cache", "llm"},
    {"embed"},
    {"scorers"},
    {"tables", "run", "integrations", "report", "meta_eval"},
    {"app"},
    {"cli", "__main__"},
]
# The toy world is made of arithmetic; its demo scores it, and its judge is one for the tests of judges.
EXCEPTIONS = {"toy.demo": "report", "toy.judge": "scorers", "toy.wordings": "report"}


def layer(module: str) -> int:
    """The layer of ``vqe_core.<module>``."""
    top = EXCEPTIONS.get(module, module.partition(".")[0])
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


def path_of(module: str) -> Path:
    path = PACKAGE / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_the_package_imports_nothing_that_is_not_in_the_wheel():
    outside = {"training", "benchmarks", "tests", "metrics"}
    for module in modules():
        tree = ast.parse(path_of(module).read_text(encoding="utf-8"))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {
            node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level
        }
        assert not {name.partition(".")[0] for name in imported} & outside, module


@pytest.mark.parametrize("module", modules())
def test_imports_point_one_way(module):
    for line, imported in imported_modules(path_of(module)):
        if imported.split(".")[0] == module.split(".")[0] and not {imported, module} & set(EXCEPTIONS):
            continue
        assert layer(imported) <= layer(module), f"{module}:{line} imports {imported} from a layer above it"


def test_no_file_imports_itself_by_way_of_others():
    """A room's ``__init__`` gathers what its files offer, so that files of other rooms come to it by that door."""
    arrows = {module: {name for _, name in imported_modules(path_of(module))} for module in modules()}
    assert not list(circles(arrows)), "these files import each other; let one of them own what they share"


def circles(arrows: dict[str, set[str]]) -> Iterator[list[str]]:
    """Groups of files that import each other, by Tarjan's way: each strongly connected part of more than one file."""
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []

    def visit(node: str) -> Iterator[list[str]]:
        numbers[node] = lowest[node] = len(numbers)
        stack.append(node)
        for other in sorted(arrows.get(node, ())):
            if other not in numbers:
                yield from visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], numbers[other])
        if lowest[node] == numbers[node]:
            part = [stack.pop()]
            while part[-1] != node:
                part.append(stack.pop())
            if len(part) > 1 or node in arrows.get(node, ()):
                yield sorted(part)

    yield from visit_all(arrows, numbers, visit)


def visit_all(arrows, numbers, visit):
    for node in sorted(arrows):
        if node not in numbers:
            yield from visit(node)


def test_the_check_sees_a_circle():
    assert list(circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == [["a", "b", "c"]]


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
            assert module.startswith("encoders.") or module == "toy.judge", f"{module} loads weights"
        if "import av\n" in content or "from av" in content:
            assert module.startswith("media.") or module == "toy.clips", f"{module} opens media"
