"""Times of decoded frames, put in order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqe_core.media.video.frame_index import display_times, last_duration

NAN = float("nan")


@pytest.mark.parametrize(
    ("clock", "times", "restarts"),
    [
        ([0.0, 0.1, 0.2], [0.0, 0.1, 0.2], 0),
        ([-0.5, -0.4, 0.3], [-0.5, -0.4, 0.3], 0),
        ([5.0], [5.0], 0),
        ([NAN, NAN], [0.0, 0.1], 0),
        ([NAN, 1.0, NAN], [0.9, 1.0, 1.1], 0),
        ([0.0, 0.1, 0.1, 0.2], [0.0, 0.1, 0.1, 0.2], 0),
        ([0.0, 0.1, 0.05, 0.3], [0.0, 0.1, 0.2, 0.3], 0),
        ([3.0, 3.1, 0.0, 0.1, 0.2], [3.0, 3.1, 3.2, 3.3, 3.4], 1),
        ([3.0, 0.0], [3.0, 3.1], 1),
    ],
)
def test_examples(clock, times, restarts):
    got, count = display_times(np.array(clock), numbered=False, interval=0.1)
    np.testing.assert_allclose(got, times)
    assert count == restarts


def test_numbered_times_are_sorted():
    got, _ = display_times(np.array([0.1, 0.3, 0.2, 0.5, 0.4]), numbered=True, interval=0.1)
    np.testing.assert_allclose(got, [0.1, 0.2, 0.3, 0.4, 0.5])


@given(st.lists(st.floats(-1e6, 1e6) | st.just(NAN), min_size=1, max_size=30), st.booleans())
def test_never_decrease(clock, numbered):
    got, _ = display_times(np.array(clock), numbered=numbered, interval=0.04)
    assert len(got) == len(clock)
    assert np.all(np.diff(got) >= 0)


@pytest.mark.parametrize(
    ("times", "stated", "duration"),
    [([0.0, 0.1, 0.2], 0.5, 0.5), ([0.0, 0.1, 0.2, 5.0], 0.0, 0.1), ([3.0], 0.0, 0.04), ([1.0, 1.0], -1.0, 0.04)],
)
def test_the_last_frame_stays_as_stated_or_as_the_others_do(times, stated, duration):
    assert last_duration(np.array(times), stated, 0.04) == pytest.approx(duration)
