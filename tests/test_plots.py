"""Plots draw what the profile says."""

from __future__ import annotations

import io

import numpy as np
import pytest

from vqe_core.errors import InputError
from vqe_core.plots import plot_profile

PROFILE = {
    "times": [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]],
    "similarity": [0.5, None, 0.2],
    "matrix": [[0.5, None, 0.1], [0.3, None, 0.2], [0.1, None, 0.2]],
    "mean": 0.35,
    "worst": {"start": 2.0, "end": 3.0, "similarity": 0.2},
    "best_lag": 1.0,
}


def test_a_profile_becomes_a_picture():
    figure = plot_profile(PROFILE)
    matrix, over_time = figure.axes[0], figure.axes[1]
    assert np.array_equal(
        matrix.images[0].get_array().filled(np.nan), np.array(PROFILE["matrix"], float), equal_nan=True
    )
    line = over_time.lines[0]
    assert line.get_xdata().tolist() == [0.5, 1.5, 2.5]
    assert np.array_equal(line.get_ydata(), [0.5, np.nan, 0.2], equal_nan=True)
    assert over_time.get_title() == "picture and sound of the same time (best lag +1.00 s)"
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_a_failed_row_has_nothing_to_draw():
    with pytest.raises(InputError, match="a failed row has none"):
        plot_profile(None)
