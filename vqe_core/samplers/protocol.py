"""What a sampler is, and the rules that all of them share."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from vqe_core.errors import InputError
from vqe_core.types import FrameTable


@runtime_checkable
class FrameSampler(Protocol):
    """Chooses frames from the table of a video.

    A sampler is a frozen dataclass whose fields are its options. ``needs_differences`` says that ``select``
    reads ``table.differences``.
    """

    name: ClassVar[str]
    needs_differences: ClassVar[bool]

    def select(self, table: FrameTable) -> np.ndarray:
        """Positions in ``table`` to use: int64, not decreasing, at least one; repeats count twice."""
        ...


def sampler_spec(sampler: FrameSampler) -> dict[str, Any]:
    """The sampler's name and options, for the signature and the cache key."""
    return {"name": sampler.name, **dataclasses.asdict(sampler)}  # type: ignore[call-overload]


def check_count(name: str, value: Any) -> None:
    """Raise `InputError` unless the option ``name`` is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{name} ({value!r}) must be a whole number of at least 1")


def check_positive(name: str, value: Any, unit: str) -> None:
    """Raise `InputError` unless the option ``name`` is a positive finite number of ``unit``."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise InputError(f"{name} ({value!r}) must be a positive finite number of {unit}")


def check_not_empty(table: FrameTable) -> None:
    """Raise `InputError` if the table has no frame to choose from."""
    if len(table) == 0:
        raise InputError("the frame table is empty: there is no frame to choose")
