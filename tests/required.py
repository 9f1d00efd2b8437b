"""Skip loudly where an optional package or program is absent, and fail instead where CI promised it."""

from __future__ import annotations

import importlib
import os
import shutil
from types import ModuleType

import pytest

SWITCH = "VQE_REQUIRE_INTEGRATIONS"


def required_package(name: str, switch: str = SWITCH) -> ModuleType:
    """The module, or a skip that names it; a failure where the variable ``switch`` is 1."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        absent(f"package {name} cannot be imported ({error})", switch)
        raise


def required_program(*names: str) -> str:
    """Path of the first program there is, or a skip that names them; a failure where CI promised it."""
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        absent(f"program {' or '.join(names)} is not on this machine")
    return str(found)


def absent(what: str, switch: str = SWITCH) -> None:
    """Skip, saying what is absent; a failure where the variable ``switch`` is 1, as it was promised."""
    if os.environ.get(switch) == "1":
        pytest.fail(f"{what}, and {switch}=1 says it must be there", pytrace=False)
    pytest.skip(what, allow_module_level=True)
