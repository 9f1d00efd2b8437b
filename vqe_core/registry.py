"""Names to components, resolved on first use.

A component is registered as ``"package.module:attribute"``, so that listing names imports nothing heavy.
Other packages may register through entry points of the group ``vqe_core.<kind>``.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from vqe_core.errors import InputError

_TARGETS: dict[str, dict[str, str]] = {}


def register(kind: str, name: str, target: str) -> None:
    """Register ``target`` (``"module:attribute"``) as the ``kind`` component called ``name``.

    Raises:
        InputError: the name is taken by another target.
    """
    known = _TARGETS.setdefault(kind, {})
    if known.get(name, target) != target:
        raise InputError(f"{kind} {name!r} is registered as {known[name]!r} already, got {target!r}")
    known[name] = target


def kinds() -> tuple[str, ...]:
    """What kinds of components there are, in order of registration."""
    import vqe_core.builtin  # noqa: F401

    return tuple(_TARGETS)


def names(kind: str) -> tuple[str, ...]:
    """Names registered for ``kind``, in order of registration, those of installed plug-ins last."""
    return tuple(_known(kind))


def load(kind: str, name: str) -> Any:
    """The component class or function called ``name``.

    Raises:
        InputError: no such name.
    """
    known = _known(kind)
    if name not in known:
        raise InputError(f"{kind} {name!r} is not known; use one of {', '.join(sorted(known))}")
    module, _, attribute = known[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def qualified_name(function: Any) -> str:
    """Module and name of a user's function, which stand for it in signatures."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{getattr(function, '__module__', named.__module__)}.{named.__qualname__}"


def _known(kind: str) -> dict[str, str]:
    import vqe_core.builtin  # noqa: F401  (registers the built-in components; imports nothing else)

    return {**_plugins(kind), **_TARGETS.get(kind, {})}


@cache  # looking through all installed packages takes a tenth of a second
def _plugins(kind: str) -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=f"vqe_core.{kind}")}
