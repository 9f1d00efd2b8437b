"""``vqe list``: the components there are."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.options import did_you_mean


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command and its options."""
    listing = commands.add_parser(
        "list", parents=[common], help="list metrics (scorers), samplers, encoders and all other components"
    )
    listing.add_argument("kind", nargs="?", metavar="KIND", help="one kind, each with its options, for example sampler")
    listing.set_defaults(command=_list)


def _list(options: dict[str, Any]) -> int:
    kind = options["kind"]
    if kind is None:
        for each in registry.kinds():
            print(f"{each.replace('_', ' ') + 's':15s} {' '.join(registry.names(each))}")
        return 0
    if kind not in registry.kinds():
        near = did_you_mean(kind, registry.kinds())
        raise InputError(f"KIND ({kind!r}) must be one of {', '.join(registry.kinds())}{near}")
    for name in registry.names(kind):
        component = registry.load(kind, name)
        takes = [] if kind == "scorer" else [field.name for field in registry.option_fields(component)]
        summary = (component.__doc__ or "").strip().partition("\n")[0]
        print(f"{name + (':' + ','.join(f'{o}=' for o in takes) if takes else '')}\n    {summary}")
    return 0
