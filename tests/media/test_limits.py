"""Limits on rate, channels and length: held against the header first, then against what is decoded."""

from __future__ import annotations

import re
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tests.sounds import RATE, noise, tone, write_sound, write_track
from vqe_core.errors import InputError, MediaError
from vqe_core.media.audio.reader import read_audio
from vqe_core.media.audio.signal import resample
from vqe_core.media.audio.source import as_audio_source
from vqe_core.media.limits import AudioLimits
from vqe_core.types import AudioSamples


def read(value: object, **options: object) -> AudioSamples:
    return read_audio(as_audio_source(value), **options)


def code_of(value: object, **options: object) -> str:
    with pytest.raises(MediaError) as caught:
        read(value, **options)
    return caught.value.code


def wav_bytes(rate: int = RATE, channels: int = 1, stated: int | None = None, body: bytes = bytes(8192)) -> bytes:
    """A 16-bit wav whose header may lie about everything."""
    size = len(body) if stated is None else stated
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * channels * 2 & 0xFFFFFFFF, channels * 2 & 0xFFFF, 16)
    return (
        b"RIFF"
        + struct.pack("<I", size + 36 & 0xFFFFFFFF)
        + b"WAVEfmt "
        + form
        + b"data"
        + struct.pack("<I", size)
        + body
    )


@pytest.mark.parametrize("rate", [1, 3999, 384_001])
def test_impossible_rates_are_refused(rate):
    assert code_of(wav_bytes(rate)) == "bad_sample_rate"


def test_the_rate_message_names_value_rule_and_way_out():
    with pytest.raises(MediaError, match=r"8236 bytes.*1 Hz, outside 4000 to 384000 Hz.*encode it anew or widen"):
        read(wav_bytes(1))


@pytest.mark.parametrize("channels", [33, 1024])
def test_too_many_channels_are_refused(channels):
    assert code_of(wav_bytes(channels=channels)) == "bad_channels"


def test_swapped_axes_are_refused_with_the_way_out():
    with pytest.raises(MediaError, match=r"use array\.T") as caught:
        read({"array": np.zeros((RATE, 2), np.float32), "sampling_rate": RATE})
    assert caught.value.code == "bad_channels"


def test_a_header_that_states_more_than_there_is_gives_what_there_is():
    samples = read(wav_bytes(stated=0xFFFFFFF0, body=bytes(2 * RATE)))
    assert samples.waveform.shape == (1, RATE)


def flac_stating(path: Path, samples: int) -> bytes:
    """One second of flac whose header states another length."""
    data = bytearray(write_sound(path, noise()).read_bytes())
    low = struct.unpack(">Q", data[18:26])[0]
    data[18:26] = struct.pack(">Q", low & ~((1 << 36) - 1) | samples)
    return bytes(data)


def test_flac_of_unknown_length_is_read_to_its_end(tmp_path):
    samples = read(flac_stating(tmp_path / "a.flac", 0))
    assert samples.waveform.shape == (1, RATE)
    assert samples.warnings == ()


def test_a_stated_length_beyond_the_limit_is_refused_before_any_memory_is_taken(tmp_path):
    data = flac_stating(tmp_path / "a.flac", 10 * 3600 * RATE)
    tracemalloc.start()
    try:
        with pytest.raises(MediaError, match=r"36000 s long, more than the limit of 3600 s") as caught:
            read(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.code == "too_long"
    assert peak < 10 * len(data) + 2**20


def test_a_stated_length_within_the_limit_costs_no_more_than_the_sound_holds(tmp_path):
    data = flac_stating(tmp_path / "a.flac", 3000 * RATE)
    tracemalloc.start()
    try:
        samples = read(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert samples.waveform.shape[1] <= RATE
    assert re.search(r"ends early|damaged", samples.warnings[0])
    assert peak < 30 * 2**20


def test_length_is_also_counted_while_decoding(tmp_path):
    # The header of a raw AAC stream states nothing.
    path = write_track(tmp_path / "a.aac", tone(3.0), layout="mono")
    assert code_of(path, limits=AudioLimits(max_seconds=2.0)) == "too_long"
    assert code_of(flac_stating(tmp_path / "a.flac", 0), limits=AudioLimits(max_seconds=0.5)) == "too_long"


@pytest.mark.parametrize("name", ["a.wav", "a.m4a", "a.mkv"])
def test_a_segment_of_a_long_sound_is_held_to_the_limit_alone(tmp_path, name):
    path = tmp_path / name
    write_sound(path, tone(8.0)) if name == "a.wav" else write_track(path, tone(8.0), layout="mono", pictures=0.5)
    limits = AudioLimits(max_seconds=2.0)
    assert code_of(path, limits=limits) == "too_long"
    assert read({"path": path, "start": 6.0, "end": 7.0}, limits=limits).duration == pytest.approx(1.0, abs=0.05)


def test_samples_of_all_channels_together_are_limited(tmp_path):
    path = write_sound(tmp_path / "a.wav", noise(channels=2))
    assert code_of(path, limits=AudioLimits(max_samples=2 * RATE - 1)) == "too_long"
    assert read(path, limits=AudioLimits(max_samples=2 * RATE)).waveform.size == 2 * RATE


def test_resampling_is_limited_by_its_result():
    samples = AudioSamples(noise(rate=8000), 8000)
    with pytest.raises(MediaError, match="resampled waveform") as caught:
        resample(samples, 48_000, limits=AudioLimits(max_samples=47_999))
    assert caught.value.code == "too_long"


@pytest.mark.parametrize(
    "limits",
    [
        {"max_channels": 0},
        {"max_seconds": float("nan")},
        {"max_seconds": 0},
        {"min_sampling_rate": 8000, "max_sampling_rate": 4000},
        {"max_samples": 1.5},
    ],
)
def test_limits_check_themselves(limits):
    with pytest.raises(InputError, match=next(iter(limits))):
        AudioLimits(**limits)


def test_a_wav_without_samples_is_no_sound():
    assert code_of(wav_bytes(body=b"")) == "no_audio"


def test_raised_limits_let_more_through(tmp_path):
    path = write_sound(tmp_path / "a.wav", noise(rate=1000), 1000)
    assert read(path, limits=AudioLimits(min_sampling_rate=1000)).sampling_rate == 1000
