"""Only lengths that a container states count; guesses neither refuse a file nor call it cut off."""

from __future__ import annotations

import io
import struct

import pytest
import soundfile

from tests.clips import coded_frames
from tests.media.corpus.making import RATE, tones, wav, write
from tests.media.corpus.sounds import _quiet_start, id3_picture, mp3
from tests.sounds import write_sound
from vqe_core.errors import MediaError
from vqe_core.media import AudioLimits, as_media_source
from vqe_core.media.audio.reader import read_audio
from vqe_core.media.audio.source import as_audio_source
from vqe_core.media.audio.stated_length import counts_frames


def read(value, **options):
    return read_audio(as_audio_source(value), **options)


def test_a_variable_rate_without_a_count_is_no_length():
    data = mp3(_quiet_start(), compression_level="7", qscale="2")
    samples = read(data, limits=AudioLimits(max_seconds=20.0))  # FFmpeg guesses more than a minute
    assert samples.duration == pytest.approx(15.0, abs=0.1)
    assert samples.warnings == () and samples.extent == pytest.approx((0.0, samples.duration))
    with pytest.raises(MediaError) as caught:
        read(data, limits=AudioLimits(max_seconds=10.0))
    assert caught.value.code == "too_long"


def test_a_count_of_frames_is_a_length(tmp_path):
    path = write_sound(tmp_path / "a.mp3", tones(4.0))
    with path.open("rb") as file:
        assert counts_frames(file)
    assert [warning.code for warning in read(path.read_bytes()[: path.stat().st_size // 2]).warnings] == ["ends_early"]
    with pytest.raises(MediaError) as caught:
        read(path, limits=AudioLimits(max_seconds=3.0))
    assert caught.value.code == "too_long"
    with_picture = id3_picture(60_000) + path.read_bytes()
    assert counts_frames(io.BytesIO(with_picture))


def test_what_counts_no_frames(tmp_path):
    plain = mp3(tones(1.0))
    data = write_sound(tmp_path / "a.mp3", tones(1.0)).read_bytes()
    place = max(data.find(b"Xing"), data.find(b"Info"))
    without_flag = data[: place + 4] + struct.pack(">I", 14) + data[place + 8 :]
    for other in (plain, id3_picture(100) + plain, without_flag, b"", b"ID3\x03", b"Xing" * 100):
        assert not counts_frames(io.BytesIO(other))


@pytest.mark.parametrize("name, codec", [("a.aac", "aac"), ("a.ac3", "ac3"), ("a.ts", "aac"), ("a.mp2", "mp2")])
def test_streams_without_a_length_are_held_to_the_limits_while_they_are_decoded(tmp_path, name, codec):
    path = write(tmp_path / name, 0, waveform=tones(4.0), sound_codec=codec)
    assert read(path).duration == pytest.approx(4.0, abs=0.1)
    cut = read(path.read_bytes()[: path.stat().st_size // 2])
    assert not {"ends_early", "truncated"} & {warning.code for warning in cut.warnings}
    with pytest.raises(MediaError) as caught:
        read(path, limits=AudioLimits(max_seconds=3.0))
    assert caught.value.code == "too_long"


def test_an_open_ended_wav_that_ffmpeg_reads_has_no_length():
    memory = io.BytesIO()
    soundfile.write(memory, tones().T, RATE, format="WAV", subtype="MS_ADPCM")  # libsndfile is not trusted with it
    data = bytearray(memory.getvalue())
    place = data.index(b"data") + 4
    data[place : place + 4] = data[4:8] = b"\xff" * 4
    samples = read(bytes(data))
    assert samples.duration == pytest.approx(3.0, abs=0.1) and samples.warnings == ()


def test_matroska_states_when_it_ends(tmp_path):
    late = write(
        tmp_path / "a.mka", 0, waveform=tones(3.0), sound_codec="flac", sound_start=5.0, container_format="matroska"
    )
    samples = read(late)
    assert samples.warnings == () and samples.extent == pytest.approx((0.0, 3.0), abs=0.01)
    both = write(tmp_path / "b.mkv", coded_frames(20), waveform=tones(4.0), sound_codec="flac")
    part = read_audio(as_media_source(str(both)), within=(0.0, 2.0))
    assert part.duration == 2.0 and part.extent == pytest.approx((0.0, 4.0), abs=0.03)


def test_a_wav_states_its_length():
    data = wav(tones(3.0).T.astype("<f4").tobytes(), bits=32, tag=3)
    assert read(data, within=(1.0, 2.0)).extent == (0.0, 3.0)
