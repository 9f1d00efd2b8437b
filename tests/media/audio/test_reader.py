"""`read_audio` over formats: the right samples, at the right time, at the right level."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
import soundfile
from av.stream import Disposition

from tests.clips import coded_frames, write_clip
from tests.sounds import LEVEL, RATE, level_of, noise, onset_of, tone, write_sound, write_track
from vqe_core.errors import MediaError
from vqe_core.media.audio.reader import audio_versions, read_audio
from vqe_core.media.audio.signal import audio_status, to_mono
from vqe_core.media.audio.source import as_audio_source
from vqe_core.types import AudioSamples

# file -> FFmpeg encoder, seconds of images
TRACKS = {
    "a.m4a": ("aac", 0.0),
    "a.aac": ("aac", 0.0),
    "a.mp4": ("aac", 2.0),
    "a.mov": ("pcm_s16le", 2.0),
    "a.mkv": ("flac", 2.0),
    "a.ts": ("aac", 2.0),
    "a.webm": ("libopus", 2.0),
    "a.mka": ("ac3", 0.0),
    "alac.m4a": ("alac", 0.0),
}
PLAIN = {
    "pcm16.wav": {"subtype": "PCM_16"},
    "pcm24.wav": {"subtype": "PCM_24"},
    "pcm8.wav": {"subtype": "PCM_U8"},
    "float.wav": {"subtype": "FLOAT"},
    "double.wav": {"subtype": "DOUBLE"},
    "a.flac": {},
    "a.ogg": {"subtype": "VORBIS"},
    "a.opus": {"format": "OGG", "subtype": "OPUS"},
    "a.mp3": {},
    "a.aiff": {},
    "a.caf": {},
    "a.au": {},
}


def read(value: object, **options: object) -> AudioSamples:
    return read_audio(as_audio_source(value), **options)


@pytest.fixture(scope="module", params=[*PLAIN, *TRACKS])
def stereo_file(request, tmp_path_factory):
    """One second, a tone on the left from 0.4 to 0.8 s, silence on the right."""
    path = tmp_path_factory.mktemp("formats") / request.param
    waveform = tone(channels=(1.0, 0.0), begin=0.4, end=0.8)
    if request.param in PLAIN:
        return write_sound(path, waveform, **PLAIN[request.param])
    codec, pictures = TRACKS[request.param]
    return write_track(path, waveform, codec=codec, pictures=pictures)


def test_every_format_gives_the_tone_at_its_time_and_level(stereo_file):
    samples = read(stereo_file)
    assert samples.waveform.shape[0] == 2
    assert samples.waveform.dtype == np.float32 and samples.waveform.flags.c_contiguous
    assert samples.sampling_rate == RATE
    assert samples.warnings == ()
    assert samples.start == pytest.approx(0.0, abs=1e-3)
    # AC-3, ADTS and MPEG-TS do not state the encoder's delay and padding.
    loose = stereo_file.suffix in (".aac", ".ts", ".mka")
    assert samples.duration == pytest.approx(1.0, abs=0.05 if loose else 1e-3)
    left = samples.waveform[0]
    assert onset_of(left, RATE) == pytest.approx(0.4, abs=0.03 if loose else 0.006)
    assert level_of(left[round(0.5 * RATE) : round(0.7 * RATE)], RATE) == pytest.approx(LEVEL, rel=0.02)


def test_mono_is_the_mean_of_the_channels_in_every_format(stereo_file):
    mono = to_mono(read(stereo_file)).waveform[0, round(0.5 * RATE) : round(0.7 * RATE)]
    exact = stereo_file.name in ("pcm16.wav", "pcm24.wav", "float.wav", "a.flac", "a.aiff", "alac.m4a")
    # -3 dB, which FFmpeg would give, is 0.707.
    assert level_of(mono, RATE) == pytest.approx(LEVEL / 2, rel=1e-4 if exact else 0.02)


def test_bytes_and_file_objects_give_the_same_samples_as_the_path(stereo_file):
    samples = read(stereo_file)
    data = stereo_file.read_bytes()
    for value in (str(stereo_file), data, io.BytesIO(data), {"path": None, "bytes": data}, {"path": str(stereo_file)}):
        other = read(value)
        assert np.array_equal(other.waveform, samples.waveform)
        assert (other.sampling_rate, other.start) == (samples.sampling_rate, samples.start)


def test_an_array_gives_the_same_samples_as_the_path(tmp_path):
    path = write_sound(tmp_path / "a.wav", noise(channels=2))
    integers, rate = soundfile.read(path, dtype="int16")
    assert np.array_equal(read({"array": integers.T, "sampling_rate": rate}).waveform, read(path).waveform)


def test_whole_numbers_are_scaled_alike_by_both_readers(tmp_path):
    waveform = noise(channels=2)
    wav = read(write_sound(tmp_path / "a.wav", waveform))
    mov = read(write_track(tmp_path / "a.mov", wav.waveform, codec="pcm_s16le", pictures=1.0))
    assert np.array_equal(mov.waveform, wav.waveform)


@pytest.mark.parametrize("begin, end", [(0.25, 0.5), (None, 0.3), (0.7, None), (0.9, 5.0), (0.0, 0.2)])
def test_a_segment_is_a_slice_of_the_whole(stereo_file, begin, end):
    whole = read(stereo_file)
    part = read({"path": str(stereo_file), "start": begin, "end": end})
    first = max(round((begin or 0.0) * RATE - whole.start * RATE), 0)
    last = round(((end or 9.0) - whole.start) * RATE)
    assert np.array_equal(part.waveform, whole.waveform[:, first:last])
    assert part.start == pytest.approx(whole.start + first / RATE, abs=1e-9)
    assert part.warnings == ()


@pytest.mark.parametrize("name, codec", [("a.mp4", "alac"), ("a.mkv", "flac"), ("a.m4a", "alac"), ("a.mov", "aac")])
def test_a_late_segment_is_found_by_seeking(tmp_path, name, codec):
    path = write_track(tmp_path / name, noise(12.0), layout="mono", codec=codec, pictures=0 if "m4a" in name else 12)
    whole = read(path)
    part = read({"path": path, "start": 9.0, "end": 9.5})
    first = round((9.0 - whole.start) * RATE)
    assert part.start == pytest.approx(9.0, abs=1e-3)
    assert part.waveform.shape == (1, RATE // 2)
    shift = round((part.start - whole.start) * RATE) - first
    best = min(
        np.abs(part.waveform[0, 10:-10] - whole.waveform[0, first + k + 10 :][: RATE // 2 - 20]).mean()
        for k in range(shift - 50, shift + 50)
    )
    assert best < (0.05 if codec == "aac" else 1e-6)


def test_a_segment_without_sound_says_so(stereo_file):
    with pytest.raises(MediaError, match="none within the segment") as caught:
        read({"path": stereo_file, "start": 5.0, "end": 6.0})
    assert caught.value.code == "no_audio"


@pytest.mark.parametrize("name, codec", [("a.mp4", "aac"), ("a.webm", "libopus"), ("a.mkv", "flac"), ("a.mov", "aac")])
def test_a_late_track_keeps_its_time(tmp_path, name, codec):
    path = write_track(tmp_path / name, tone(channels=(1, 1)), codec=codec, delay=0.5, pictures=2.0)
    samples = read(path)
    assert samples.start == pytest.approx(0.5, abs=0.03)
    # Some files keep the encoder's delay, and start that much earlier: the tone is at its time in any case.
    assert samples.start + onset_of(samples.waveform[0], RATE) == pytest.approx(0.5, abs=0.006)
    part = read({"path": path, "start": 0.2, "end": 0.7})
    assert part.start == samples.start
    assert part.end == pytest.approx(0.7, abs=1 / RATE)


def test_a_sound_file_starts_at_zero_whatever_its_container_says(tmp_path):
    mp3 = read(write_track(tmp_path / "a.mp3", tone(), layout="mono", codec="libmp3lame"))
    mka = read(write_track(tmp_path / "late.mka", tone(), layout="mono", codec="flac", delay=0.5))
    assert (mp3.start, mka.start) == (0.0, 0.0)
    assert onset_of(mka.waveform[0], RATE) == 0.0
    part = read({"path": tmp_path / "late.mka", "start": 0.25})
    assert (part.start, part.duration) == pytest.approx((0.25, 0.75))


def test_a_hole_in_the_track_is_filled_so_that_later_sound_keeps_its_time(tmp_path):
    path = write_track(tmp_path / "a.mkv", tone(channels=(1, 1)), codec="flac", pictures=3.0, hole=(0.5, 1.0))
    samples = read(path)
    assert samples.duration == pytest.approx(2.0, abs=0.02)
    assert level_of(samples.waveform[0, round(0.7 * RATE) : round(1.3 * RATE)], RATE) == 0.0
    assert level_of(samples.waveform[0, round(1.6 * RATE) : round(1.9 * RATE)], RATE) == pytest.approx(LEVEL, rel=0.01)
    assert "sound are missing" in samples.warnings[0]


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 192_000])
@pytest.mark.parametrize("suffix", ["wav", "mkv"])
def test_rates_stay_native(tmp_path, rate, suffix):
    path = tmp_path / f"a.{suffix}"
    waveform = tone(rate=rate)
    write_sound(path, waveform, rate) if suffix == "wav" else write_track(
        path, waveform, rate, codec="flac", layout="mono"
    )
    samples = read(path)
    assert samples.sampling_rate == rate
    assert samples.waveform.shape == (1, rate)
    assert level_of(samples.waveform[0], rate) == pytest.approx(LEVEL, rel=1e-3)


@pytest.mark.parametrize("name", ["a.wav", "a.mp4", "a.mka"])
def test_six_channels_stay_apart_and_are_averaged(tmp_path, name):
    levels = (1.0, 0.8, 0.6, 0.0, 0.4, 0.2)
    path = tmp_path / name
    if name == "a.wav":
        write_sound(path, tone(channels=levels))
    else:
        codec = "flac" if name == "a.mka" else "aac"
        write_track(path, tone(channels=levels), codec=codec, layout="5.1", pictures=float(codec == "aac"))
    samples = read(path)
    assert samples.waveform.shape[0] == 6
    middle = slice(RATE // 4, RATE // 2)
    heard = [level_of(channel[middle], RATE) / LEVEL for channel in samples.waveform]
    assert heard == pytest.approx(levels, abs=0.02)
    assert level_of(to_mono(samples).waveform[0, middle], RATE) == pytest.approx(LEVEL * np.mean(levels), rel=0.02)


def test_the_stream_that_a_player_would_choose_is_read(tmp_path):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("flac", rate=RATE, layout=layout) for layout in ("mono", "stereo")]
        streams[0].disposition, streams[1].disposition = Disposition(0), Disposition.default
        for stream, waveform in zip(streams, (tone(), tone(channels=(1.0, 1.0))), strict=True):
            frame = av.AudioFrame.from_ndarray(waveform[:, :4096], format="fltp", layout=stream.layout.name)
            frame.sample_rate, frame.pts = RATE, 0
            container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    assert read(path).waveform.shape == (2, 4096)


def test_a_video_without_sound_says_so(tmp_path):
    path = write_clip(tmp_path / "mute.mp4", coded_frames(5))
    with pytest.raises(MediaError, match=r"no audio stream; its streams are: video") as caught:
        read(path)
    assert caught.value.code == "no_audio"


def test_a_silent_track_is_read_and_told_apart(tmp_path):
    samples = read(write_track(tmp_path / "a.mp4", np.zeros((2, RATE), np.float32), pictures=1.0))
    assert samples.duration == pytest.approx(1.0, abs=1e-3)
    assert audio_status(samples)[0] == "silent"


@pytest.mark.parametrize("name", ["a b #1.wav", "100%d.wav", "-x.wav", "c:d.wav", "ü😀.m4a", "concat:y.m4a"])
def test_odd_names_are_read(tmp_path, name):
    path = tmp_path / name
    write_sound(path, tone()) if name.endswith("wav") else write_track(path, tone(), layout="mono")
    assert read(path).duration == pytest.approx(1.0, abs=1e-3)


def test_the_suffix_does_not_matter(tmp_path):
    samples = read(write_sound(tmp_path / "a.wav", tone()))
    for name in ("a.mp4", "a.mp3", "a.raw", "a"):
        other = tmp_path / name
        other.write_bytes((tmp_path / "a.wav").read_bytes())
        assert np.array_equal(read(other).waveform, samples.waveform)


def test_versions_name_everything_that_makes_samples():
    assert set(audio_versions()) == {"soundfile", "pyav", "soxr"}
    assert "libsndfile" in audio_versions()["soundfile"] and "FFmpeg" in audio_versions()["pyav"]
