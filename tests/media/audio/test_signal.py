"""Mono, rate, slices and status of samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sounds import LEVEL, RATE, level_of, noise, tone
from vqe_core.errors import InputError, MediaError
from vqe_core.media.audio.signal import (
    SILENCE_RMS,
    audio_status,
    check_finite,
    is_silent,
    resample,
    slice_seconds,
    to_mono,
)
from vqe_core.types import AudioSamples


def test_mono_is_the_mean_and_keeps_time_and_remarks():
    samples = AudioSamples(noise(channels=5), RATE, start=0.5, warnings=("ends early",))
    mono = to_mono(samples)
    assert mono.waveform.dtype == np.float32
    assert np.allclose(mono.waveform, samples.waveform.mean(axis=0, dtype=np.float64), atol=1e-7)
    assert (mono.start, mono.warnings, mono.sampling_rate) == (0.5, ("ends early",), RATE)
    assert to_mono(mono) is mono


@pytest.mark.parametrize("have, want", [(44_100, 48_000), (48_000, 16_000), (8_000, 48_000), (192_000, 48_000)])
def test_a_tone_survives_resampling(have, want):
    samples = AudioSamples(tone(1.0, rate=have, channels=(1.0, 0.5)), have, start=0.25)
    made = resample(samples, want)
    assert made.waveform.shape == (2, want)
    assert (made.sampling_rate, made.start) == (want, 0.25)
    middle = slice(want // 4, want // 2)
    assert level_of(made.waveform[0, middle], want) == pytest.approx(LEVEL, rel=1e-3)
    expected = tone(1.0, rate=want, channels=(1.0, 0.5))
    assert np.abs(made.waveform - expected)[:, middle].max() < 1e-3


def test_resampling_removes_what_the_new_rate_cannot_hold():
    samples = AudioSamples(tone(rate=48_000, frequency=15_000.0), 48_000)
    made = resample(samples, 16_000)
    assert np.abs(made.waveform[0, 1000:-1000]).max() < 1e-4


def test_resampling_to_the_same_rate_changes_nothing():
    samples = AudioSamples(noise(), RATE)
    assert resample(samples, RATE) is samples


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(0, 3000),
    have=st.sampled_from([4000, 8000, 11_025, 16_000, 44_100, 48_000, 96_000, 384_000]),
    want=st.sampled_from([4000, 16_000, 22_050, 44_100, 48_000, 192_000]),
)
def test_resampled_length_is_rounded(length, have, want):
    made = resample(AudioSamples(np.ones((2, length), np.float32), have), want)
    assert made.waveform.shape[1] == math.floor(length * want / have + 0.5)
    assert np.isfinite(made.waveform).all()


def test_channels_are_resampled_alone():
    both = AudioSamples(noise(channels=2), RATE)
    one = AudioSamples(both.waveform[1:], RATE)
    assert np.array_equal(resample(both, 16_000).waveform[1:], resample(one, 16_000).waveform)


@pytest.mark.parametrize(
    "rate, error", [(0, MediaError), (10**9, MediaError), (16_000.5, InputError), (True, InputError)]
)
def test_bad_target_rates_are_refused(rate, error):
    with pytest.raises(error):
        resample(AudioSamples(noise(), RATE), rate)


def test_a_slice_is_on_the_clock_of_the_samples():
    samples = AudioSamples(noise(), RATE, start=0.5)
    part = slice_seconds(samples, 0.75, 1.0)
    assert np.array_equal(part.waveform, samples.waveform[:, 12_000:24_000])
    assert part.start == 0.75
    assert slice_seconds(samples, 0.0, 9.0) is samples
    assert slice_seconds(samples, 3.0, 4.0).waveform.shape == (1, 0)
    assert slice_seconds(samples, -4.0, -3.0).waveform.shape == (1, 0)


@settings(max_examples=100)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(-2, 2))
def test_neighbouring_slices_share_nothing_and_lose_nothing(first, second, start):
    samples = AudioSamples(noise(0.1), RATE, start=start)
    cuts = [start + 0.1 * cut for cut in sorted((first, second))]
    parts = [slice_seconds(samples, low, high) for low, high in zip([None, *cuts], [*cuts, None], strict=True)]
    assert np.array_equal(np.concatenate([part.waveform for part in parts], axis=1), samples.waveform)


@pytest.mark.parametrize(
    "waveform, silent",
    [
        (np.zeros((1, 4800)), True),
        (np.full((1, 4800), 0.5), True),  # a constant is not heard
        (tone() * 0.003, True),
        (tone() * 0.01, False),
        (np.vstack([np.zeros(RATE), tone()[0]]), False),
        (np.zeros((2, 0)), True),
    ],
)
def test_silence_is_below_minus_60_dbfs(waveform, silent):
    assert is_silent(waveform.astype(np.float32)) is silent


def test_the_threshold_is_exact():
    square = np.tile(np.array([1.0, -1.0], np.float32), 3_000_000)[None]
    assert is_silent(square * np.float32(SILENCE_RMS * 0.999))
    assert not is_silent(square * np.float32(SILENCE_RMS * 1.001))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_impossible_samples_are_found_wherever_they_are(bad):
    for place in (0, 1_500_000, 2_999_999):
        waveform = np.zeros((2, 3_000_000), np.float32)
        waveform[1, place] = bad
        with pytest.raises(MediaError, match=r"'x\.wav': channel 1 holds a sample of .*, which is no sound") as caught:
            check_finite(waveform, "x.wav")
        assert caught.value.code == "non_finite_audio"
        assert audio_status(AudioSamples(waveform, RATE))[0] == "non_finite_audio"


def test_a_sound_to_judge_has_no_status():
    assert audio_status(AudioSamples(tone(), RATE)) is None
    assert audio_status(AudioSamples(tone(0.05), RATE)) is None
    assert audio_status(AudioSamples(tone(0.0499), RATE))[0] == "too_short"
    assert audio_status(AudioSamples(tone(0.3), RATE), min_duration=0.5)[0] == "too_short"
    assert audio_status(AudioSamples(np.zeros((1, 0), np.float32), RATE))[0] == "too_short"


def test_arguments_are_not_changed():
    waveform = noise(channels=2)
    before = waveform.copy()
    samples = AudioSamples(waveform, RATE)
    resample(to_mono(samples), 16_000)
    audio_status(slice_seconds(samples, 0.1, 0.9))
    assert np.array_equal(waveform, before)


def test_mono_of_opposite_channels_is_silent_with_its_reason():
    samples = AudioSamples(tone(channels=(1.0, -1.0)), RATE)
    assert float(np.abs(to_mono(samples).waveform).max()) == 0.0
    code, message = audio_status(samples)
    assert code == "silent" and "cancel out" in message
