"""Results that are equal up to the last bits: batches fill as videos arrive, and a batch's shape moves those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest


def assert_alike(result: Any, expected: Any, at: str = "") -> None:
    """The same structure, with numbers that differ by no more than 1e-5; NaN is like NaN."""
    assert type(result) is type(expected), at
    if isinstance(expected, Mapping):
        assert list(result) == list(expected), at
        for key, value in expected.items():
            assert_alike(result[key], value, f"{at}[{key!r}]")
    elif isinstance(expected, list | tuple):
        assert len(result) == len(expected), at
        for i, value in enumerate(expected):
            assert_alike(result[i], value, f"{at}[{i}]")
    elif isinstance(expected, float):
        assert result == pytest.approx(expected, abs=1e-5, nan_ok=True), at
    else:
        assert result == expected, at
