"""Sampling by the clock."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clips import coded_frames, read_code, write_clip
from tests.samplers.tables import table
from vqe_core.errors import InputError
from vqe_core.media import as_media_source, open_video
from vqe_core.samplers.time_based import EveryNSecondsSampler


def test_the_frame_on_display():
    frames = table([0.0, 0.4, 0.9, 1.0, 2.5], end=3.0)
    assert EveryNSecondsSampler(0.5).select(frames).tolist() == [0, 1, 3, 3, 3, 4]


def test_end_is_not_sampled():
    assert EveryNSecondsSampler(1.0).select(table(np.arange(20) / 10, end=2.0)).tolist() == [0, 10]
    assert EveryNSecondsSampler(5.0).select(table(np.arange(20) / 10, end=2.0)).tolist() == [0]


def test_no_drift_at_29_97_frames_per_second_over_an_hour():
    times = np.arange(round(3600 * 30000 / 1001)) * 1001 / 30000
    frames = table(times)
    positions = EveryNSecondsSampler(1.0).select(frames)
    assert len(positions) == 3600
    late = np.arange(3600) - times[positions]
    assert late.min() > -1.001e-3
    assert late.max() < 1001 / 30000
    # Where the step is a whole number of frames, so are the samples, to the last.
    exact = EveryNSecondsSampler(1001 / 1000).select(frames)
    np.testing.assert_array_equal(exact, np.arange(len(exact)) * 30)


def test_times_rounded_to_milliseconds_sample_the_same():
    times = np.arange(9000) * 1001 / 30000
    np.testing.assert_array_equal(
        EveryNSecondsSampler(1001 / 3000).select(table(np.round(times, 3))),
        EveryNSecondsSampler(1001 / 3000).select(table(times)),
    )


def test_a_thousand_frames_a_second_keep_apart():
    times = np.arange(2000) / 1000
    np.testing.assert_array_equal(EveryNSecondsSampler(0.002).select(table(times)), np.arange(0, 2000, 2))


@st.composite
def variable_rates(draw):
    """Frame starts on a grid of 1/25 s, and the number of grid steps in all."""
    length = draw(st.integers(1, 80))
    starts = draw(st.sets(st.integers(0, length - 1)))
    return sorted(starts | {0}), length


@settings(deadline=None)
@given(variable_rates(), st.sampled_from([0.04, 0.1, 0.5, 1.0, 1 / 3]))
def test_a_variable_rate_samples_as_its_constant_rate_copy(rates, step):
    starts, length = rates
    sampler = EveryNSecondsSampler(step)
    variable = sampler.select(table(np.array(starts) / 25, end=length / 25))
    constant = sampler.select(table(np.arange(length) / 25, end=length / 25))
    shown = [max(s for s in starts if s <= position) for position in constant]
    assert [starts[position] for position in variable] == shown


def test_a_variable_rate_file_samples_as_its_constant_rate_copy(tmp_path):
    starts = [0, 1, 2, 9, 10, 17, 29]
    shown = np.repeat(np.arange(7), np.diff([*starts, 30]))
    frames = coded_frames(7)
    variable = write_clip(tmp_path / "v.mkv", frames, times=[s / 10 for s in starts])
    constant = write_clip(tmp_path / "c.mkv", frames[shown])
    samples = []
    for path in (variable, constant):
        video = open_video(as_media_source(path))
        positions = EveryNSecondsSampler(0.5).select(video.table)
        by_position = {frame.position: read_code(frame.pixels) for frame in video.frames(positions)}
        samples.append([by_position[position] for position in positions.tolist()])
    assert samples[0] == samples[1] == [0, 2, 4, 4, 5, 5]


def test_a_negative_start():
    assert EveryNSecondsSampler(1.0).select(table(np.arange(-10, 20) / 10)).tolist() == [0, 10, 20]


def test_frames_without_a_clock_are_refused():
    with pytest.raises(InputError, match="frame arrays have no times; .* use every_n_frames".replace(".", r"[\s\S]")):
        EveryNSecondsSampler(1.0).select(table(np.arange(5.0), has_clock=False))


def test_a_damaged_duration_is_not_sampled_for_ever():
    with pytest.raises(InputError, match="asks for 100000000 samples"):
        EveryNSecondsSampler(0.01).select(table([0.0, 1.0], end=1_000_000.0))
