"""Everything a cell of an ``audios`` column may hold."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.sounds import RATE, noise, tone, write_sound
from vqe_core.errors import InputError, InputTypeError, MediaError
from vqe_core.media.audio.reader import read_audio
from vqe_core.media.audio.source import as_audio_source
from vqe_core.types import AudioSamples, MediaSource


class FakeTensor:
    """Has what a torch tensor is told by."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.dtype = f"torch.{array.dtype}"

    def detach(self) -> FakeTensor:
        return self

    def cpu(self) -> FakeTensor:
        return self

    def float(self) -> FakeTensor:
        return FakeTensor(self.array.astype(np.float32))

    def numpy(self) -> np.ndarray:
        return self.array


class FakeDecoder:
    """Has what a torchcodec ``AudioDecoder`` is told by."""

    def __init__(self, waveform: np.ndarray, rate: int = RATE, start: float = 0.5, **stated: object) -> None:
        self.samples = SimpleNamespace(data=FakeTensor(waveform), sample_rate=rate, pts_seconds=start)
        facts = {"sample_rate": rate, "num_channels": len(waveform), "duration_seconds": waveform.shape[1] / rate}
        self.metadata = SimpleNamespace(**{**facts, **stated})
        self.calls: list[tuple[float, ...]] = []

    def get_all_samples(self) -> SimpleNamespace:
        self.calls.append(())
        return self.samples

    def get_samples_played_in_range(self, start: float, stop: float | None) -> SimpleNamespace:
        self.calls.append((start, stop))
        return self.samples


def test_paths_and_bytes_become_sources():
    assert as_audio_source("a.wav").path == "a.wav"
    assert as_audio_source(Path("a.wav"), base_dir="/data").path == "/data/a.wav"
    assert as_audio_source(b"RIFF").data == b"RIFF"
    assert as_audio_source(io.BytesIO(b"RIFF")).data == b"RIFF"
    assert as_audio_source({"path": "a.wav", "bytes": b"RIFF"}).data == b"RIFF"
    assert as_audio_source({"path": "a.wav", "bytes": None, "start": 1, "end": 2.5}) == MediaSource(
        path="a.wav", start=1.0, end=2.5
    )


def test_sources_and_samples_pass_through():
    for value in (MediaSource(path="a.mp4"), AudioSamples(noise(), RATE)):
        assert as_audio_source(value) is value


@pytest.mark.parametrize("key, rate_key", [("array", "sampling_rate"), ("waveform", "sample_rate")])
@pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist, FakeTensor])
def test_samples_with_a_rate(key, rate_key, kind):
    waveform = noise(0.01, channels=2)
    samples = as_audio_source({key: kind(waveform), rate_key: RATE})
    assert np.array_equal(samples.waveform, waveform)
    assert samples.sampling_rate == RATE
    mono = as_audio_source({key: kind(waveform[0]), rate_key: RATE})
    assert np.array_equal(mono.waveform, waveform[:1])


def test_real_tensors_are_samples():
    import torch

    waveform = torch.tensor([[0.5, -0.25]], requires_grad=True)
    for tensor in (waveform, waveform.bfloat16(), waveform.half(), waveform.double()):
        assert as_audio_source({"waveform": tensor, "sample_rate": 16_000}).waveform.tolist() == [[0.5, -0.25]]


@pytest.mark.parametrize(
    "dtype, values",
    [
        (np.int16, [-32_768, 0, 16_384]),
        (np.int32, [-(2**31), 0, 2**30]),
        (np.uint8, [0, 128, 192]),
        (np.float16, [-1, 0, 0.5]),
        (np.float64, [-1, 0, 0.5]),
    ],
)
def test_integers_are_scaled_by_the_range_of_their_type(dtype, values):
    samples = as_audio_source({"array": np.array(values, dtype), "sampling_rate": 16_000})
    assert samples.waveform.dtype == np.float32
    assert samples.waveform.tolist() == [[-1.0, 0.0, 0.5]]


def test_an_array_wins_over_a_path_and_may_have_a_segment():
    value = {"path": "gone.wav", "array": noise()[0], "sampling_rate": RATE, "start": 0.25, "end": 0.5}
    samples = as_audio_source(value)
    assert np.array_equal(samples.waveform, noise()[:, 12_000:24_000])
    assert samples.start == 0.25


@pytest.mark.parametrize("value", [np.zeros(10, np.float32), FakeTensor(np.zeros(10)), [0.0, 0.1], (0.0,)])
def test_samples_without_a_rate_are_refused_with_the_way_out(value):
    with pytest.raises(InputTypeError, match=r'pass \{"array": array, "sampling_rate": 16000\}') as caught:
        as_audio_source(value)
    assert caught.value.code == "bad_type"


@pytest.mark.parametrize("value", [None, float("nan"), 3, True, object(), {}, {"path": None, "bytes": None}])
def test_other_values_are_bad_types(value):
    with pytest.raises(InputTypeError, match="audios: ") as caught:
        as_audio_source(value)
    assert caught.value.code == "bad_type"


@pytest.mark.parametrize(
    "value, error, message",
    [
        ({"array": [0.0]}, InputTypeError, "needs 'sampling_rate' in Hz"),
        ({"array": [0.0], "sampling_rate": "16k"}, InputTypeError, r"sampling_rate \('16k'\) must be a number"),
        ({"array": [0.0], "sampling_rate": 0.5}, MediaError, r"sampling_rate \(0.5\) must be a whole, positive"),
        ({"array": [0.0], "sampling_rate": float("nan")}, MediaError, "must be a whole, positive"),
        ({"array": np.zeros((1, 2, 3)), "sampling_rate": 1}, InputError, r"\(T,\) or \(C, T\), got \(1, 2, 3\)"),
        ({"array": np.float32(1), "sampling_rate": 1}, InputError, r"got \(\)"),
        ({"array": [1, 2], "sampling_rate": 1}, InputError, "int64 have no usual full scale"),
        ({"array": ["a"], "sampling_rate": 1}, InputTypeError, "must be numbers"),
        ({"array": [[0.0], [0.0, 1.0]], "sampling_rate": 1}, InputError, "must have one length"),
        ({"array": [0.0], "sampling_rate": 8000, "start": "x"}, InputTypeError, r"start \('x'\)"),
        ({"array": [0.0], "sampling_rate": 8000, "start": 2, "end": 1}, InputError, "must be greater than start"),
        ({"path": "a.wav", "rate": 1}, InputError, r"unknown keys \['rate'\]"),
        (b"", MediaError, "audios: 0 bytes"),
        ("", MediaError, "path of a sound file"),
        (io.StringIO("x"), InputTypeError, "not binary"),
    ],
)
def test_messages(value, error, message):
    with pytest.raises(error, match=message):
        as_audio_source(value)


def test_columns_of_datasets_are_read_from_their_encoded_form(tmp_path):
    path = write_sound(tmp_path / "a.wav", noise(channels=2))
    for encoded in ({"path": str(path), "bytes": None}, {"path": "elsewhere.wav", "bytes": path.read_bytes()}):
        decoder = FakeDecoder(noise(0.1))
        decoder._hf_encoded = encoded
        assert read_audio(as_audio_source(decoder)).waveform.shape == (2, RATE)
        assert decoder.calls == []
    decoder._hf_encoded = {"path": "hf://gone.wav", "bytes": None}
    assert read_audio(as_audio_source(decoder)).waveform.shape == (1, RATE // 10)


def test_open_decoders_keep_their_clock():
    decoder = FakeDecoder(tone(channels=(1.0, 0.0)))
    samples = read_audio(as_audio_source(decoder))
    assert np.array_equal(samples.waveform, tone(channels=(1.0, 0.0)))
    assert (samples.start, samples.warnings) == (0.5, ())
    part = read_audio(MediaSource(decoder=decoder, start=0.75, end=1.0))
    assert decoder.calls[-1] == (0.75, 1.0)
    assert np.array_equal(part.waveform, samples.waveform[:, 12_000:24_000])
    assert np.array_equal(read_audio(as_audio_source(decoder.samples)).waveform, samples.waveform)


def test_a_decoder_that_mixes_is_remarked():
    samples = read_audio(as_audio_source(FakeDecoder(noise(), num_channels=2)))
    assert "mixes 2 channels to 1" in samples.warnings[0]


@pytest.mark.parametrize(
    "stated, code",
    [
        ({"sample_rate": 1}, "bad_sample_rate"),
        ({"num_channels": 99}, "bad_channels"),
        ({"duration_seconds": 1e6}, "too_long"),
    ],
)
def test_decoders_are_held_to_limits_before_they_decode(stated, code):
    decoder = FakeDecoder(noise(), **stated)
    with pytest.raises(MediaError) as caught:
        read_audio(as_audio_source(decoder))
    assert caught.value.code == code
    assert decoder.calls == []


def test_a_decoder_that_fails_is_a_decode_error_and_a_mistake_in_code_is_none():
    def fail(error):
        raise error

    decoder = FakeDecoder(noise())
    decoder.get_all_samples = lambda: fail(RuntimeError("no more samples"))
    with pytest.raises(MediaError, match="FakeDecoder> cannot be decoded: RuntimeError: no more samples"):
        read_audio(as_audio_source(decoder))
    decoder.get_all_samples = lambda: fail(TypeError("no such argument"))
    with pytest.raises(TypeError, match="no such argument"):
        read_audio(as_audio_source(decoder))


def test_a_video_decoder_has_no_sound():
    with pytest.raises(MediaError, match="gives images only") as caught:
        read_audio(MediaSource(decoder=object()))
    assert caught.value.code == "no_audio"


def test_bare_frames_have_no_sound():
    with pytest.raises(MediaError, match="images without sound") as caught:
        read_audio(MediaSource(frames=np.zeros((2, 4, 4, 3), np.uint8)))
    assert caught.value.code == "no_audio"
