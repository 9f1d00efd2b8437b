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
from vqe_core.media.audio.signal import audio_status, slice_seconds, to_mono
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


LATE = {
    "a.mp4": ("alac", 12.0),
    "b.mkv": ("flac", 12.0),
    "c.m4a": ("alac", 0.0),
    "d.webm": ("libopus", 12.0),
    "e.mka": ("libopus", 0.0),
    "f.mkv": ("libmp3lame", 12.0),
    "g.mov": ("pcm_s16le", 12.0),
    "h.mkv": ("pcm_s16le", 12.0),
    "i.mp4": ("aac", 12.0),
    "j.mkv": ("ac3", 12.0),
    "k.ts": ("aac", 12.0),
    "l.mp3": ("libmp3lame", 0.0),
    "m.flac": ("flac", 0.0),
    "n.ogg": ("libopus", 0.0),
    "o.wav": ("pcm_s16le", 0.0),
    "p.m4a": ("aac", 0.0),
}


@pytest.fixture(scope="module", params=LATE)
def long_file(request, tmp_path_factory):
    codec, pictures = LATE[request.param]
    waveform = noise(12.0, channels=2) * tone(12.0, channels=(1.0, 1.0), frequency=0.7)
    path = tmp_path_factory.mktemp("long") / request.param
    return write_track(path, waveform, codec=codec, pictures=pictures, delay=0.31 * bool(pictures))


@pytest.mark.parametrize(
    "begin, end", [(0.0, 0.5), (0.0, 2.75), (4.6, 5.21), (9.0, 9.5), (49 / 24, 163 / 24), (11.5, 30.0)]
)
def test_what_is_heard_within_a_span_is_a_slice_of_the_whole_to_the_bit(long_file, begin, end):
    whole, part = read(long_file), read(long_file, within=(begin, end))
    expected = slice_seconds(whole, begin, end)
    assert part.start == expected.start and part.warnings == ()
    assert np.array_equal(part.waveform, expected.waveform)
    if part.extent is not None:
        assert part.extent == pytest.approx((whole.start, whole.end), abs=0.05)


@pytest.mark.parametrize("begin", [4.6, 9.0])
def test_a_late_segment_is_found_by_seeking_at_its_place(long_file, begin):
    """Decoders of AAC and AC-3 add noise that is another one after a seek; the others give the same bits."""
    whole, part = read(long_file), read({"path": long_file, "start": begin, "end": begin + 0.5})
    expected = slice_seconds(whole, begin, begin + 0.5)
    assert part.start == expected.start and part.waveform.shape == expected.waveform.shape
    if LATE[long_file.name][0] in ("aac", "ac3"):
        assert np.corrcoef(part.waveform[0], expected.waveform[0])[0, 1] > 0.9
    else:
        assert np.array_equal(part.waveform, expected.waveform)


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
    assert [(warning.code, warning.count) for warning in samples.warnings] == [("sound_gaps", 1)]
    assert "1.00 s in all" in samples.warnings[0]


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
