"""Public docstrings are there, begin with what is done, and can be read alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vqe_core"
QUESTIONS = {"What", "Who", "How", "Whether", "Where", "When"}
NOUNS = {"The", "A", "An", "One", "Each", "Every", "All"}
Documented = ast.Module | ast.ClassDef | ast.FunctionDef


def public(tree: ast.Module) -> Iterator[tuple[str, Documented, bool]]:
    """Name, node and whether it is called, of a module and of all in it that has no underscore before its name."""
    yield "the module", tree, False
    pending: list[tuple[str, ast.AST]] = [("", node) for node in tree.body]
    while pending:
        prefix, node = pending.pop()
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
            continue
        name = prefix + node.name
        yield name, node, isinstance(node, ast.FunctionDef) and not is_property(node)
        if isinstance(node, ast.ClassDef):
            pending += [(f"{name}.", child) for child in node.body]


def is_property(node: ast.FunctionDef) -> bool:
    names = {ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list}
    return bool(names & {"property", "cached_property"})


def is_protocol(node: Documented) -> bool:
    """Methods of an interface may be three dots under the docstring of their class."""
    return isinstance(node, ast.FunctionDef) and ast.unparse(node.body[-1]) == "..."


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_public_docstrings_say_what_is_done(path):
    for name, node, is_called in public(ast.parse(path.read_text(encoding="utf-8"))):
        text = ast.get_docstring(node)
        if text is None:
            assert is_protocol(node) or path.stat().st_size == 0, f"{name} has no docstring"
            continue
        first = text.split()[0].rstrip(",:;")
        assert first not in QUESTIONS, f"{name}: {text.splitlines()[0]!r} begins with a question word"
        assert not (is_called and first in NOUNS), f"{name}: {text.splitlines()[0]!r} begins with no verb"
