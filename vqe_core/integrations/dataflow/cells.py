"""Cells of a data frame, as the storages of DataFlow give them, to what the scorers take."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import numpy as np


def frame_columns(frame: Any, nested: Collection[str | None]) -> dict[Any, list[Any]]:
    """The columns of a pandas data frame as lists.

    Args:
        frame: pandas DataFrame.
        nested: columns whose cells may be lists or objects. A csv file holds these as JSON, which is read; parquet
            gives arrays, which become lists.
    """
    return {
        name: [_nested(cell) for cell in frame[name].tolist()] if name in nested else frame[name].tolist()
        for name in frame.columns
    }


def _nested(cell: Any) -> Any:
    if isinstance(cell, np.ndarray) and cell.dtype == object:
        return cell.tolist()
    if isinstance(cell, str) and cell[:1] in ("[", "{"):
        try:
            return json.loads(cell)
        except ValueError:
            return cell  # a caption or a path that begins so
    return cell
