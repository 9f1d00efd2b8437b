"""The video and the audio stream of a file are chosen together, or named."""

from __future__ import annotations

import numpy as np
import pytest

from tests.media.joined import heard_tones, numbered_clip
from tests.media.programmes import two_programmes
from vqe_core.errors import InputError, MediaError
from vqe_core.media import as_audio_source, as_media_source, open_video, read_audio
from vqe_core.types import MediaSource


@pytest.fixture(scope="module")
def languages(tmp_path_factory):
    path = tmp_path_factory.mktemp("streams") / "languages.mkv"
    return numbered_clip(path, seconds=2, streams=3, languages=["eng", "deu", "fra"])


def first_tone(path, **streams):
    return heard_tones(read_audio(as_audio_source({"path": str(path), **streams})))[0]


@pytest.mark.parametrize(
    ("stream", "tone"), [(None, 300), (1, 300), (2, 1300), (3, 2300), ("deu", 1300), ("fra", 2300), ("eng", 300)]
)
def test_an_audio_stream_is_named_by_index_in_the_file_or_by_language(languages, stream, tone):
    assert first_tone(languages, audio_stream=stream) == tone


@pytest.mark.parametrize("stream", [0, 7, "ita", "de"])
def test_a_stream_that_is_not_there_is_an_error_that_lists_those_that_are(languages, stream):
    with pytest.raises(MediaError, match=r"1 \(eng\), 2 \(deu\), 3 \(fra\)") as caught:
        first_tone(languages, audio_stream=stream)
    assert caught.value.code == "no_such_stream"


@pytest.mark.parametrize("value", [-1, 1.5, True, ""])
def test_what_names_no_stream_is_refused(value):
    with pytest.raises(InputError, match="index of a stream"):
        MediaSource(path="a.mp4", audio_stream=value)


@pytest.fixture(scope="module")
def programmes(tmp_path_factory):
    return two_programmes(tmp_path_factory.mktemp("programmes"))


def test_the_sound_is_that_of_the_programme_of_the_images(programmes):
    video = open_video(as_media_source(str(programmes.path)))
    sound = read_audio(as_audio_source(str(programmes.path)))
    (image,) = video.frames(np.array([0]))
    tones = {(48, 64): programmes.tone_of_the_small, (96, 128): programmes.tone_of_the_large}
    assert heard_tones(sound)[0] == tones[image.pixels.shape[:2]]


def test_a_named_stream_brings_the_other_of_its_programme(programmes):
    source = {"path": str(programmes.path), "video_stream": programmes.small_video}
    (image,) = open_video(as_media_source(source)).frames(np.array([0]))
    assert image.pixels.shape[:2] == (48, 64)
    assert heard_tones(read_audio(as_audio_source(source)))[0] == programmes.tone_of_the_small


def test_programmes_have_clocks_of_their_own(programmes):
    for stream in (programmes.small_video, programmes.large_video):
        source = {"path": str(programmes.path), "video_stream": stream}
        assert open_video(as_media_source(source)).table.start == pytest.approx(0.0, abs=0.1)
        assert read_audio(as_audio_source(source)).start == pytest.approx(0.0, abs=0.1)
