"""Windows cover the common span without padding."""

import math
import re

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vqe_core.errors import InputError
from vqe_core.functional.windows import common_span, window_bounds


def slow_windows(start, end, window, hop, min_tail):
    """From the definition, one window after the other."""
    if end - start <= window:
        return [(start, end)]
    bounds, low = [], start
    while low + window <= end + 1e-6:
        bounds.append((low, low + window))
        low = start + len(bounds) * hop
    tail = end - max(bounds[-1][1], low)
    if tail > 1e-6 and tail >= min_tail - 1e-6:
        bounds.append((end - window, end))
    return bounds


@pytest.mark.parametrize(
    ("span", "window", "hop", "expected"),
    [
        ((0, 10), 10, 10, [(0, 10)]),
        ((0, 3), 10, 10, [(0, 3)]),
        ((0, 25), 10, 10, [(0, 10), (10, 20), (15, 25)]),
        ((0, 25), 10, 5, [(0, 10), (5, 15), (10, 20), (15, 25)]),
        ((0, 20.3), 10, 10, [(0, 10), (10, 20)]),
        ((0, 20.5), 10, 10, [(0, 10), (10, 20), (10.5, 20.5)]),
        ((-1, 4), 2, 2, [(-1, 1), (1, 3), (2, 4)]),
        ((0, 12), 10, 20, [(0, 10)]),
        ((0, 28), 10, 20, [(0, 10), (18, 28)]),
        ((0, 10 + 1e-7), 10, 10, [(0, 10)]),
    ],
)
def test_windows_of_known_spans(span, window, hop, expected):
    bounds = window_bounds(*span, window=window, hop=hop)
    assert bounds.dtype == torch.float64
    assert bounds.tolist() == [pytest.approx(pair, abs=1e-6) for pair in expected]


def test_javisscore_windows_of_ten_seconds():
    bounds = window_bounds(0, 10, window=2, hop=0.5)
    assert len(bounds) == 17 and bounds[-1].tolist() == [8, 10]


@settings(max_examples=200, deadline=None)
@given(
    start=st.floats(-100, 1e5),
    length=st.floats(0.01, 60),
    window=st.floats(0.5, 20),
    hop=st.floats(0.1, 20),
    min_tail=st.floats(0, 3),
)
def test_windows_are_the_loop_and_lie_inside_the_span(start, length, window, hop, min_tail):
    end = start + length
    bounds = window_bounds(start, end, window=window, hop=hop, min_tail=min_tail)
    starts, ends = bounds[:, 0], bounds[:, 1]
    assert bool((starts >= start - 1e-9).all()) and bool((ends <= end).all())
    assert bool((starts.diff() > 0).all())
    assert torch.allclose(ends - starts, torch.full_like(starts, min(window, length)), atol=2e-6)
    if hop <= window:
        assert end - float(ends[-1]) <= max(min_tail, 1e-6)
    expected = slow_windows(start, end, window, hop, min_tail)
    assume(abs(len(expected) - len(bounds)) == 0 or not near_a_limit(length, window, hop, min_tail))
    assert torch.allclose(bounds, torch.tensor(expected, dtype=torch.float64), atol=2e-6)


def near_a_limit(length, window, hop, min_tail):
    """The loop and the division may round a window at the very end differently."""
    steps = (length - window) / hop
    return abs(steps - round(steps)) * hop < 1e-5 or abs((steps % 1) * hop - min_tail) < 1e-5


@given(value=st.sampled_from([0.0, -1.0, math.nan, math.inf]), name=st.sampled_from(["window", "hop"]))
def test_window_and_hop_must_be_positive(value, name):
    options = {"window": 2.0, "hop": 1.0, name: value}
    with pytest.raises(InputError, match=re.escape(f"{name} ({value}) must be a positive number of seconds")):
        window_bounds(0, 10, **options)


def test_window_messages():
    with pytest.raises(InputError, match=re.escape("min_tail (-1) must be 0 or more seconds")):
        window_bounds(0, 10, window=2, hop=1, min_tail=-1)
    with pytest.raises(InputError, match=re.escape("span end (0) must be greater than its start (0), both in seconds")):
        window_bounds(0, 0, window=2, hop=1)
    with pytest.raises(InputError, match=re.escape("span start (nan) and end (1) must be finite")):
        window_bounds(math.nan, 1, window=2, hop=1)


def test_a_tail_of_zero_seconds_adds_no_window():
    assert len(window_bounds(0, 20, window=10, hop=10, min_tail=0)) == 2


def test_equal_streams_leave_nothing_over():
    assert common_span(-0.5, 10, audio_start=-0.5, audio_end=10) == (-0.5, 10, (), ())


def test_a_sound_within_the_picture_leaves_two_parts():
    span = common_span(0, 10, audio_start=2, audio_end=7)
    assert span == (2, 7, ((0, 2), (7, 10)), ())
    assert common_span(2, 7, audio_start=0, audio_end=10) == (2, 7, (), ((0, 2), (7, 10)))


times = st.floats(-50, 50).map(lambda x: round(x, 3))


@given(times, times, times, times)
def test_the_parts_and_the_common_span_add_up_to_each_stream(a, b, c, d):
    video, audio = sorted((a, b)), sorted((c, d))
    assume(min(video[1], audio[1]) - max(video[0], audio[0]) > 1e-3)
    span = common_span(*video, audio_start=audio[0], audio_end=audio[1])
    common = span.end - span.start
    for (low, high), parts in ((video, span.video_only), (audio, span.audio_only)):
        assert common + sum(e - s for s, e in parts) == pytest.approx(high - low, abs=1e-5)
        assert all(low <= s < e <= high and (e <= span.start or s >= span.end) for s, e in parts)


def test_streams_apart_are_an_error_with_a_way_out():
    message = "the image covers [0, 5) s and the sound [5, 8) s; they must overlap"
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        common_span(0, 5, audio_start=5, audio_end=8)
    assert caught.value.code == "no_overlap"
    with pytest.raises(InputError, match=re.escape("audio end (1) must be greater than its start (2)")):
        common_span(0, 5, audio_start=2, audio_end=1)
