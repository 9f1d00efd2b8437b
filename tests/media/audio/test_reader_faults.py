"""Sounds that are damaged, lie or are not there: each gets the code it deserves, at once and cheaply."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sounds import RATE, noise, tone, write_sound, write_track
from vqe_core.errors import MediaError, MediaNotFoundError, VqeError
from vqe_core.media.audio.reader import read_audio
from vqe_core.media.audio.signal import audio_status
from vqe_core.media.audio.source import as_audio_source
from vqe_core.types import AudioSamples


def read(value: object, **options: object) -> AudioSamples:
    return read_audio(as_audio_source(value), **options)


def code_of(value: object, **options: object) -> str:
    with pytest.raises(MediaError) as caught:
        read(value, **options)
    return caught.value.code


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, 1e300])
def test_impossible_samples_are_refused(tmp_path, bad):
    waveform = noise(channels=2).astype(np.float64)
    waveform[1, 777] = bad
    assert code_of({"array": waveform, "sampling_rate": RATE}) == "non_finite_audio"
    if bad != 1e300:
        assert code_of(write_sound(tmp_path / "a.wav", waveform, subtype="FLOAT")) == "non_finite_audio"
        path = write_track(tmp_path / "a.mov", waveform.astype(np.float32), codec="pcm_f32le", pictures=1.0)
        assert code_of(path) == "non_finite_audio"


def test_floats_that_were_not_scaled_are_remarked():
    samples = read({"array": noise() * 32_768, "sampling_rate": RATE})
    assert "full scale is 1" in samples.warnings[0] and samples.warnings[0].code == "loud_samples"


def test_64_samples_are_read_and_told_apart(tmp_path):
    samples = read(write_sound(tmp_path / "a.wav", noise()[:, :64]))
    assert samples.waveform.shape == (1, 64)
    code, message = audio_status(samples)
    assert code == "too_short"
    assert "64 samples" in message and "0.05 s" in message


def test_no_samples_are_no_sound(tmp_path):
    path = write_track(tmp_path / "a.mov", np.zeros((1, 0), np.float32), codec="pcm_s16le", layout="mono", pictures=1.0)
    assert code_of(path) == "no_audio"
    with pytest.raises(MediaError) as caught:
        as_audio_source({"array": [], "sampling_rate": 16_000})
    assert caught.value.code == "no_audio"


@pytest.mark.parametrize("name, options", [("a.mp3", {}), ("a.flac", {}), ("a.ogg", {}), ("a.wav", {})])
def test_truncated_files_give_their_clean_start_and_say_so(tmp_path, name, options):
    path = write_sound(tmp_path / name, noise(4.0), **options)
    whole = read(path)
    part = read(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert 0.4 < part.duration / whole.duration < 0.7
    clean = part.waveform.shape[1] - 4000
    assert np.array_equal(part.waveform[:, :clean], whole.waveform[:, :clean])
    assert {warning.code for warning in part.warnings} & {"truncated", "ends_early"}


@pytest.mark.parametrize("name", ["a.mp4", "a.m4a"])
def test_a_truncated_mp4_with_its_index_in_front_says_where_it_ends(tmp_path, name):
    path = write_track(
        tmp_path / name,
        noise(4.0),
        layout="mono",
        pictures=4.0 * (name == "a.mp4"),
        container_options={"movflags": "faststart"},
    )
    part = read(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert 1.5 < part.duration < 3.5
    assert part.warnings[-1].startswith("ends early: at ")


def test_a_truncated_mp4_with_its_index_behind_is_unreadable(tmp_path):
    data = write_track(tmp_path / "a.m4a", noise(2.0), layout="mono").read_bytes()
    assert code_of(data[: len(data) * 6 // 10]) == "decode_error"


def test_damage_in_the_middle_is_survived_and_told(tmp_path):
    data = bytearray(write_sound(tmp_path / "a.mp3", noise(4.0)).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 6000] = bytes(6000)
    samples = read(bytes(data))
    assert 3.0 < samples.duration <= 4.1
    assert np.isfinite(samples.waveform).all()
    assert samples.warnings


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from(["a.wav", "a.flac", "a.mp3", "a.ogg", "a.m4a"]), st.data())
def test_flipped_bytes_never_give_another_error(seeds, name, data):
    mutant = bytearray(seeds[name])
    places = st.lists(st.tuples(st.integers(0, len(mutant) - 1), st.integers(0, 255)), min_size=1, max_size=20)
    for place, value in data.draw(places):
        mutant[place] = value
    try:
        samples = read(bytes(mutant))
    except VqeError as error:
        assert error.code
    else:
        assert np.isfinite(samples.waveform).all() and samples.waveform.shape[1] > 0


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    plain = {name: write_sound(folder / name, noise(0.3)) for name in ("a.wav", "a.flac", "a.mp3", "a.ogg")}
    track = write_track(folder / "a.m4a", noise(0.3), layout="mono", container_options={"movflags": "faststart"})
    return {name: path.read_bytes() for name, path in {**plain, "a.m4a": track}.items()}


def test_missing_files_directories_and_empty_files(tmp_path):
    with pytest.raises(MediaNotFoundError, match=r"no sound file at .*check the path"):
        read(tmp_path / "missing.wav")
    (tmp_path / "empty.wav").touch()
    assert code_of(tmp_path) == "is_directory"
    assert code_of(tmp_path / "empty.wav") == "empty_file"
    (tmp_path / "dangling.wav").symlink_to(tmp_path / "missing.wav")
    assert code_of(tmp_path / "dangling.wav") == "not_found"


def test_a_path_keeps_its_words_in_messages(tmp_path):
    (tmp_path / "a video file").mkdir()
    with pytest.raises(MediaError, match=re.escape("a video file' is a directory; give the path of one sound file")):
        read(tmp_path / "a video file")


@pytest.mark.parametrize(
    "text",
    [
        b"just words, no sound\n" * 20,
        b"#EXTM3U\n#EXTINF:1,\nsibling.wav\n",
        b"ffconcat version 1.0\nfile sibling.wav\n",
        b"<!DOCTYPE html><html></html>",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
    ],
)
@pytest.mark.parametrize("suffix", ["wav", "mp3", "m4a"])
def test_texts_and_pictures_are_not_sounds(tmp_path, text, suffix):
    write_sound(tmp_path / "sibling.wav", tone())
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(text)
    assert code_of(path) == "format_not_allowed"
    assert code_of(text) == "format_not_allowed"


def test_random_bytes_cannot_be_decoded():
    assert code_of(np.random.default_rng(0).bytes(5000)) in ("decode_error", "no_audio")


def test_a_pipe_is_refused_at_once(tmp_path):
    pipe = tmp_path / "a.wav"
    os.mkfifo(pipe)
    program = (
        "import sys\n"
        "from vqe_core.media.audio.reader import read_audio\n"
        "from vqe_core.media.audio.source import as_audio_source\n"
        "try:\n    read_audio(as_audio_source(sys.argv[1]))\n"
        "except Exception as error:\n    print(error.code, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(pipe)], capture_output=True, text=True, timeout=20)
    assert done.stdout.split() == ["not_regular_file", "False"], done.stderr


@pytest.mark.parametrize(
    "url",
    ["https://example.org/a.wav", "hf://datasets/a/b.wav", "s3://a/b.mp3", "concat:a.wav|b.wav", "data:audio/wav,"],
)
def test_addresses_are_not_followed(url):
    with pytest.raises(MediaError, match=r"audios: .*only local files are read") as caught:
        as_audio_source(url)
    assert caught.value.code == "remote_path"
