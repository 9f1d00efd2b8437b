"""Warnings of rows keep their code and count on every way that a row takes."""

from __future__ import annotations

import ast
import copy
import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from vqe_core.types import RowWarning, restored_warnings, stored_warnings, summed_warnings

ROOT = Path(__file__).parents[1]

DAMAGE = RowWarning("damaged frames: 3 of 40", code="damaged_frames", count=3)


def parts(warning):
    return str(warning), warning.code, warning.count


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_warning_crosses_processes_whole(protocol):
    assert parts(pickle.loads(pickle.dumps(DAMAGE, protocol))) == parts(DAMAGE)
    assert parts(copy.deepcopy(DAMAGE)) == parts(DAMAGE)


def test_warnings_go_through_json_and_back():
    stored = json.loads(json.dumps(stored_warnings([DAMAGE, "a bare text"])))
    assert [parts(w) for w in restored_warnings(stored)] == [parts(DAMAGE), ("a bare text", "other", 1)]


def test_many_warnings_of_a_kind_become_one_with_their_number():
    gaps = [RowWarning(f"silence at {i} s", code="sound_gaps", count=2) for i in range(51)]
    (one,) = summed_warnings(gaps)
    assert parts(one) == ("silence at 0 s (and 50 more of this kind)", "sound_gaps", 102)


def test_equal_texts_are_said_once_and_counted():
    assert [parts(w) for w in summed_warnings([DAMAGE, DAMAGE])] == [("damaged frames: 3 of 40", "damaged_frames", 6)]


def test_bare_texts_stay_by_themselves():
    assert [parts(w) for w in summed_warnings(["a", "b", "a"])] == [("a", "other", 2), ("b", "other", 1)]


def is_warning(node):
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RowWarning"


def constants_of(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Name and text of each constant of a module."""
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name | ast.Tuple):
            names = node.targets[0].elts if isinstance(node.targets[0], ast.Tuple) else node.targets
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            for name, value in zip(names, values, strict=False):
                if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield name.id, value.value


def codes_in_the_source() -> set[str]:
    """Every code: literals, and where several warnings are made at once, the keys of the function's dict of words."""
    codes = {RowWarning.of("").code}
    for path in (ROOT / "vqe_core").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = dict(constants_of(tree))
        for part in ast.walk(tree):
            if not isinstance(part, ast.FunctionDef):
                continue
            calls = [node for node in ast.walk(part) if is_warning(node)]
            values = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "code"]
            codes |= {value.value for value in values if isinstance(value, ast.Constant)}
            named = [value.id for value in values if isinstance(value, ast.Name)]
            codes |= {constants[name] for name in named if name in constants}
            if set(named) - set(constants):
                dicts = [node for node in ast.walk(part) if isinstance(node, ast.Dict)]
                codes |= {key.value for node in dicts for key in node.keys if isinstance(key, ast.Constant)}
            # Others copy the code of a warning.
            others = [value for value in values if not isinstance(value, ast.Constant | ast.Name)]
            assert all(getattr(value, "attr", "") == "code" for value in others), path
    return codes


def test_the_page_of_warnings_lists_every_code_and_no_other():
    page = (ROOT / "docs" / "warnings.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert listed == sorted(codes_in_the_source())
