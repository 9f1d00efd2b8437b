"""The options of a scorer as keyword arguments of an operator, checked and shown."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from vqe_core.errors import InputTypeError
from vqe_core.scorers.options import SharedOptions

# A run writes every row's scores to its own row.
NOT_FOR_OPERATORS = ("per_sample",)


def passed_options(options: type[SharedOptions], init: Callable[..., None]) -> list[dataclasses.Field[Any]]:
    """Options of a scorer that an operator's ``__init__`` does not name itself; columns are named in ``run``."""
    named = inspect.signature(init).parameters
    return [
        field
        for field in dataclasses.fields(options)
        if field.name not in named and field.name not in NOT_FOR_OPERATORS and not field.name.endswith("_key")
    ]


def shows_options(options: type[SharedOptions]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate an ``__init__`` that takes ``**options``: the signature lists them by name and default."""

    def shown(init: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(init)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        extra = [
            inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
            for f in passed_options(options, init)
        ]
        init.__signature__ = signature.replace(parameters=[*own, *extra])  # type: ignore[attr-defined]
        return init

    return shown


def check_options(operator: type, options: Mapping[str, Any]) -> None:
    """Check the names in ``options`` against what the operator shows.

    Raises:
        InputTypeError: an option that there is not.
    """
    known = inspect.signature(operator).parameters
    unknown = [name for name in options if name not in known]
    keys = [name for name in unknown if name.endswith("_key")]
    if unknown:
        way_out = f"columns are named in run(), {', '.join(keys)} too" if keys else f"there are {', '.join(known)}"
        raise InputTypeError(f"{operator.__name__} has no option {', '.join(unknown)}; {way_out}")
