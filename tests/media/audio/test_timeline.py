"""Blocks of sound in time: gaps, changes, spans and limits."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from vqe_core.errors import MediaError
from vqe_core.media import AudioLimits
from vqe_core.media.audio.signal import slice_seconds
from vqe_core.media.audio.timeline import Timeline

RATE = 8000
LIMITS = AudioLimits(max_seconds=100.0)


def block(size: int, channels: int = 1, first: int = 0) -> np.ndarray:
    """float32 (channels, size): each sample tells its number."""
    return np.tile(np.arange(first, first + size, dtype=np.float32), (channels, 1))


def told(samples) -> list[tuple[str, int]]:
    return [(warning.code, warning.count) for warning in samples.warnings]


def test_blocks_follow_one_another_and_small_differences_are_jitter():
    timeline = Timeline(LIMITS, "a")
    for number in range(10):
        timeline.place(number * 0.1 + 0.09 * (number % 2), block(800, first=800 * number), RATE)
    samples = timeline.finish()
    assert np.array_equal(samples.waveform, block(8000)) and told(samples) == []


def test_gaps_are_silence_and_one_warning():
    timeline = Timeline(LIMITS, "a")
    for second in range(0, 60, 2):
        timeline.place(float(second), block(RATE) + 1, RATE)
    samples = timeline.finish()
    assert samples.duration == 59.0 and told(samples) == [("sound_gaps", 29)]
    assert "29.00 s in all, the first at 1.00 s" in samples.warnings[0]
    heard = samples.waveform[0].reshape(-1, RATE).any(axis=1)
    assert heard.tolist() == [second % 2 == 0 for second in range(59)]


def test_a_pause_of_the_encoder_is_silence_without_a_word():
    timeline = Timeline(LIMITS, "a")
    timeline.place(0.0, block(800), RATE)
    timeline.place(0.5, block(800), RATE, paused=True)
    samples = timeline.finish()
    assert samples.duration == pytest.approx(0.6) and told(samples) == []


@pytest.mark.parametrize("start, end", [(0.0, 0.1), (0.25, 0.75), (1.3, 2.6), (1.9, 9.0), (None, 1.0), (2.2, None)])
def test_a_span_is_a_slice_of_the_whole(start, end):
    def placed(timeline):
        for time, first in ((0.5, 0), (0.6, 800), (1.5, 1600), (2.4, 2400)):
            timeline.place(time, block(800, 2, first + 1), RATE)
        return timeline.finish()

    whole, part = placed(Timeline(LIMITS, "a")), placed(Timeline(LIMITS, "a", start, end))
    expected = slice_seconds(whole, start, end)
    assert np.array_equal(part.waveform, expected.waveform)
    assert part.waveform.shape[1] == 0 or part.start == expected.start


def test_gaps_outside_the_span_are_not_told():
    timeline = Timeline(LIMITS, "a", 5.0, 6.0)
    for time in (0.0, 2.0, 5.0):
        timeline.place(time, block(RATE), RATE)
    assert timeline.is_full and told(timeline.finish()) == []


def test_a_gap_of_hours_takes_no_memory():
    for end in (4.0, None):
        timeline = Timeline(LIMITS, "a", None, end)
        timeline.place(0.0, block(RATE, 8), RATE)
        tracemalloc.start()
        if end is None:
            with pytest.raises(MediaError) as caught:
                timeline.place(50_000.0, block(RATE, 8), RATE)
            assert caught.value.code == "too_long"
        else:
            timeline.place(50_000.0, block(RATE, 8), RATE)
            assert timeline.finish().duration == 4.0
        assert tracemalloc.get_traced_memory()[1] < 30e6
        tracemalloc.stop()


def test_channels_that_change_make_all_mono():
    timeline = Timeline(LIMITS, "a")
    six = np.stack([block(800)[0] * scale for scale in (1, 2, 3, 4, 5, 6)])
    timeline.place(0.0, six, RATE)
    timeline.place(0.1, block(800, 2, 800), RATE)
    timeline.place(0.2, block(800, 6, 1600), RATE)
    samples = timeline.finish()
    assert told(samples) == [("channels_change", 2)]
    expected = np.concatenate([six.mean(axis=0, keepdims=True), block(1600, 1, 800)], axis=1)
    assert np.array_equal(samples.waveform, expected)


def test_a_rate_that_changes_is_brought_to_the_first():
    def tone(rate):
        return np.sin(2 * np.pi * 500 * np.arange(rate) / rate).astype(np.float32)[None]

    timeline = Timeline(LIMITS, "a")
    for time, rate in enumerate((8000, 16_000, 44_100)):
        timeline.place(float(time), tone(rate), rate)
    samples = timeline.finish()
    assert told(samples) == [("rate_changes", 2)] and samples.sampling_rate == 8000
    assert samples.waveform.shape == (1, 24_000)
    middle = samples.waveform[0].reshape(3, 8000)[:, 1000:7000]
    assert np.abs(middle - tone(8000)[:, 1000:7000]).max() < 0.01


def test_what_is_before_the_span_changes_nothing():
    timeline = Timeline(LIMITS, "a", 1.0)
    timeline.place(0.0, block(RATE, 6), RATE)
    timeline.place(1.0, block(2 * RATE, 2), 2 * RATE)
    samples = timeline.finish()
    assert (samples.waveform.shape, samples.sampling_rate, samples.start) == ((2, 16_000), 16_000, 1.0)
    assert told(samples) == []


def test_the_limits_hold_for_each_part_and_for_all_together():
    timeline = Timeline(AudioLimits(max_seconds=2.5), "a")
    timeline.place(0.0, block(2 * RATE), RATE)
    with pytest.raises(MediaError) as caught:
        timeline.place(2.0, block(16_000), 16_000)
    assert caught.value.code == "too_long"
    for rate, channels, code in ((1000, 1, "bad_sample_rate"), (RATE, 40, "bad_channels")):
        timeline = Timeline(LIMITS, "a")
        timeline.place(0.0, block(RATE), RATE)
        with pytest.raises(MediaError) as caught:
            timeline.place(1.0, block(10, channels), rate)
        assert caught.value.code == code


def test_the_end_that_is_stated():
    def finished(stated, exact):
        timeline = Timeline(LIMITS, "a")
        for number in range(10):
            timeline.place(None, block(800, first=800 * number), RATE)
        return timeline.finish(stated, exact=exact)

    assert finished(0.95, True).waveform.shape[1] == 7600  # padding of the encoder
    assert finished(0.95, False).waveform.shape[1] == 8000
    assert told(finished(1.04, True)) == [] and told(finished(2.0, True)) == [("ends_early", 1)]


def test_a_clock_that_jumps_back_is_told_once():
    timeline = Timeline(LIMITS, "a")
    for time in (5.0, 5.5, 0.0, 0.5):
        timeline.place(time, block(800), RATE)
    samples = timeline.finish()
    assert ("sound_jumps_back", 2) in told(samples) and len({code for code, _ in told(samples)}) == len(
        samples.warnings
    )
