"""The scorer that the name of a metric and its options stand for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from vqe_core import registry
from vqe_core.errors import InputError, InputTypeError
from vqe_core.options import did_you_mean


def scorer_for(metric: Any, options: Mapping[str, Any], hint: str = "") -> Any:
    """Make the scorer that a name and options stand for, with ``on_error="skip"``; return a scorer as it is.

    Args:
        metric: name of a registered scorer, or a scorer.
        options: of the metric, where it is named.
        hint: for the message about an option that there is not.

    Raises:
        InputTypeError: an option that there is not, or what is no metric.
        InputError: options beside a scorer.
    """
    if isinstance(metric, str):
        kind = registry.load("scorer", metric)
        known = [field.name for field in dataclasses.fields(kind) if field.init]
        unknown = [name for name in options if name not in known]
        if unknown:
            near = did_you_mean(unknown[0], known)
            raise InputTypeError(
                f"{metric} has no option {', '.join(map(repr, unknown))}; there are {', '.join(known)}{hint}{near}"
            )
        return kind(**{"on_error": "skip", **options})
    if isinstance(metric, type) or not hasattr(metric, "columns_for"):
        raise InputTypeError(
            f"metric ({metric!r}) must be the name of a metric, or a scorer such as vqe_core.EMScore(...)"
        )
    if options:
        raise InputError(f"{', '.join(options)}: give the options to the scorer itself, or name the metric")
    return metric
