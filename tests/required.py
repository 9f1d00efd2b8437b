"""Skip loudly where an optional package or program is absent, and fail instead where CI promised it."""

from __future__ import annotations

import importlib
import os
import shutil
from types import ModuleType

import pytest

SWITCH = "VQE_REQUIRE_INTEGRATIONS"


def required_package(name: str) -> ModuleType:
    """The module, or a skip that names it; a failure where ``VQE_REQUIRE_INTEGRATIONS=1``."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        absent(f"package {name} cannot be imported ({error})")
        raise


def required_program(*names: str) -> str:
    """Path of the first program there is, or a skip that names them; a failure where CI promised it."""
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        absent(f"program {' or '.join(names)} is not on this machine")
    return str(found)


def absent(what: str) -> None:
    """Skip, saying what is absent; a failure where CI promised it."""
    if os.environ.get(SWITCH) == "1":
        pytest.fail(f"{what}, and {SWITCH}=1 says it must be there", pytrace=False)
    pytest.skip(what, allow_module_level=True)
