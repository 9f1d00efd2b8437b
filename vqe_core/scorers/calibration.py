"""Rows of a call against its mismatches: what every metric that compares two sides shares."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vqe_core.functional.calibration import Calibration, calibrate, place_among

# An N x N matrix of more rows costs more than it tells; beyond this, evenly spaced rows stand for all.
MOST_ROWS = 1000
# Scores of some rows, (R,), by one side with those of others, (C,), by the other side: (R, C).
MatrixOf = Callable[[Tensor, Tensor], Tensor]


class AgainstOthers(NamedTuple):
    """Result of ``against_others``.

    Attributes:
        numbers: of the rows that stand for all.
        matrix: float (M, M), their scores with each other.
        groups: int64 (M,), numbers of their groups.
        percentile: of every row, among the others' groups.
        z: of every row.
    """

    numbers: Calibration
    matrix: Tensor
    groups: Tensor
    percentile: list[float]
    z: list[float]


def against_others(matrix_of: MatrixOf, groups: Sequence[Hashable], seed: int = 0) -> AgainstOthers:
    """Compare the true pairs of a call with its mismatches.

    Args:
        matrix_of: scores of pairs; the true ones are those of equal numbers.
        groups: a row each, equal for rows that are no mismatches of each other.
        seed: of the shuffles behind the p-value.
    """
    numbered = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    ids = torch.tensor([numbered[group] for group in groups])
    chosen = evenly(len(ids), MOST_ROWS)
    matrix = matrix_of(chosen, chosen)
    result = calibrate(matrix, ids[chosen], seed=seed)
    percentile, z = [torch.full((len(ids),), torch.nan, dtype=torch.float64) for _ in range(2)]
    percentile[chosen], z[chosen] = result.percentile, result.z
    for i in sorted(set(range(len(ids))) - set(chosen.tolist())):
        row, others = torch.tensor([i]), chosen[ids[chosen] != ids[i]]
        place = place_among(matrix_of(row, row)[0, 0], matrix_of(row, others)[0], ids[others])
        percentile[i], z[i] = place
    return AgainstOthers(result, matrix, ids[chosen], percentile.tolist(), z.tolist())


def evenly(count: int, most: int) -> Tensor:
    """Return at most ``most`` of the numbers below ``count``, evenly spaced, int64.

    Example:
        >>> evenly(3, 5).tolist(), evenly(9, 3).tolist()
        ([0, 1, 2], [0, 4, 8])
    """
    return torch.from_numpy(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def joined_groups(keys: Sequence[Iterable[Hashable]]) -> list[int]:
    """Return a group a row: rows that have a key in common, also through others, are of one.

    Args:
        keys: of each row.

    Example:
        >>> joined_groups([["a", 1], ["b"], ["c", 1], ["d", "c"]])
        [0, 1, 0, 0]
    """
    first: dict[Hashable, int] = {}
    parent = list(range(len(keys)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    for i, row in enumerate(keys):
        for key in row:
            one, other = sorted((root(first.setdefault(key, i)), root(i)))
            parent[other] = one
    return [root(i) for i in range(len(keys))]
