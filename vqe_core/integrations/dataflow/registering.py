"""The operators in DataFlow's registry, where the first class of a name wins without a word."""

from __future__ import annotations

from collections.abc import Iterable

from vqe_core.errors import InputError
from vqe_core.integrations.dataflow import package

PREFIX = "Vqe"


def register_prefixed(classes: Iterable[type]) -> None:
    """Enter each class as ``Vqe<its name>``, a name that no other package uses. Nothing where DataFlow is absent."""
    if package.absent is None:
        for each in classes:
            package.OPERATOR_REGISTRY.get_obj_map()[PREFIX + each.__name__] = each


def register_plain(classes: Iterable[type], *, replace: bool = False) -> list[str]:
    """Enter the classes under their own names too.

    Args:
        classes: operators.
        replace: also where another class has the name.

    Returns:
        The names.

    Raises:
        MissingPackageError: open-dataflow is absent.
        InputError: another class has one of the names, and ``replace`` is False; then nothing is entered.
    """
    package.require_dataflow()
    entries = package.OPERATOR_REGISTRY.get_obj_map()
    wanted = {each.__name__: each for each in classes}
    taken = [
        f"{name} ({entries[name].__module__})" for name, each in wanted.items() if entries.get(name, each) is not each
    ]
    if taken and not replace:
        raise InputError(
            f"{', '.join(taken)} is in OPERATOR_REGISTRY already, and pipelines that ask for it by name get that "
            f"class; use {PREFIX + next(iter(wanted))} and its like, or register(replace=True)"
        )
    entries.update(wanted)
    return list(wanted)
