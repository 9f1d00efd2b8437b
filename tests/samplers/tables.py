"""Frame tables made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from vqe_core.types import FrameTable


def table(times: Sequence[float], end: float | None = None, **columns) -> FrameTable:
    """A table with the given times (s); the last frame lasts as long as the one before it, or 0.04 s."""
    times = np.asarray(times, dtype=np.float64)
    if end is None:
        end = float(times[-1] + (times[-1] - times[-2] if len(times) > 1 and times[-1] > times[-2] else 0.04))
    columns.setdefault("is_keyframe", np.arange(len(times)) % 5 == 0)
    return FrameTable(timestamps=times, indices=np.arange(len(times)), start=float(times[0]), end=float(end), **columns)


@st.composite
def tables(draw) -> FrameTable:
    """Any table that a reader may give: one frame or many, negative start, equal times, long pauses."""
    start = draw(st.floats(-5, 100))
    steps = draw(st.lists(st.sampled_from([0.0, 0.001, 1 / 30, 1001 / 30000, 0.04, 0.5, 3.0]), max_size=60))
    times = start + np.concatenate([[0.0], np.cumsum(steps)])
    return table(
        times,
        end=times[-1] + draw(st.sampled_from([0.001, 0.04, 2.0])),
        is_keyframe=np.array([True, *draw(st.lists(st.booleans(), min_size=len(steps), max_size=len(steps)))]),
        differences=np.array(draw(st.lists(st.floats(0, 255), min_size=len(times), max_size=len(times)))),
    )
