"""``vqe list``: the components there are."""

from __future__ import annotations

import argparse
import json
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
    kind = listing.add_argument(
        "kind", nargs="?", metavar="KIND", help="one kind, each with its options, for example sampler"
    )
    kind.completer = lambda **_: registry.kinds()
    listing.add_argument("--format", choices=("text", "json"), default="text", metavar="FORM", help="text or json")
    listing.set_defaults(command=_list)


def _list(options: dict[str, Any]) -> int:
    kind, as_json = options["kind"], options["format"] == "json"
    if kind is None:
        known = {each: registry.names(each) for each in registry.kinds()}
        lines = (f"{each.replace('_', ' ') + 's':15s} {' '.join(names)}" for each, names in known.items())
        print(json.dumps(known, indent=1) if as_json else "\n".join(lines))
        return 0
    if kind not in registry.kinds():
        near = did_you_mean(kind, registry.kinds())
        raise InputError(f"KIND ({kind!r}) must be one of {', '.join(registry.kinds())}{near}")
    found = []
    for name in registry.names(kind):
        component = registry.load(kind, name)
        takes = [] if kind == "scorer" else [field.name for field in registry.option_fields(component)]
        summary = (component.__doc__ or "").strip().partition("\n")[0]
        found.append({"name": name, "options": takes, "summary": summary})
        if not as_json:
            print(f"{name + (':' + ','.join(f'{o}=' for o in takes) if takes else '')}\n    {summary}")
    if as_json:
        print(json.dumps(found, indent=1))
    return 0
