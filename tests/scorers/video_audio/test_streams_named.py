"""Named streams and the file's clock, from the option to the score."""

from __future__ import annotations

import numpy as np
import pytest

from tests.media.joined import numbered_clip
from vqe_core.errors import InputError
from vqe_core.media import as_audio_source, read_audio
from vqe_core.scorers.video_audio.audio_track import open_pair
from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity
from vqe_core.types import AudioSamples, MediaSource


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("named")
    return numbered_clip(folder / "two.mkv", seconds=3, streams=2, languages=["eng", "deu"])


def scorer(**options):
    return VideoAudioSimilarity(hf_clip="toy", method="joint", **options)


def similarity(clip, **options):
    return scorer(**options).score(videos=[str(clip)]).scores["similarity"]


def test_the_option_is_the_index_or_the_language_and_stands_in_the_signature(clip):
    english, german = similarity(clip), similarity(clip, audio_stream="deu")
    assert similarity(clip, audio_stream="2") == similarity(clip, audio_stream=2) == german != english
    assert similarity(clip, audio_stream="eng") == english
    report = scorer(audio_stream="deu").score(videos=[str(clip)])
    assert report.signature["audio_stream"] == "deu"
    assert "audio_stream" not in scorer().score(videos=[str(clip)]).signature


def test_a_cache_tells_streams_apart(clip, tmp_path):
    once = [similarity(clip, cache_dir=tmp_path, audio_stream=stream) for stream in (None, "deu")]
    again = [similarity(clip, cache_dir=tmp_path, audio_stream=stream) for stream in (None, "deu")]
    assert once == again and once[0] != once[1]


def test_a_missing_stream_costs_its_row_only(clip):
    report = scorer(audio_stream="fra", on_error="skip").score(videos=[str(clip)])
    assert report.status == ["no_such_stream"]


def test_a_stream_of_frames_is_refused():
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    with pytest.raises(InputError, match="names a stream of a file"):
        scorer(video_stream=0).score(videos=[frames], audios=[{"array": np.zeros(8000), "sampling_rate": 8000}])


@pytest.mark.parametrize("start", [None, 2.0])
def test_a_sound_beside_a_video_whose_images_come_late_is_heard_as_its_own_track_is(tmp_path, start):
    late = numbered_clip(tmp_path / "late.mp4", seconds=5, images_from=1.5)
    alone = numbered_clip(tmp_path / "alone.m4a", seconds=5, frames=None)
    track = read_audio(as_audio_source(str(late)))
    end = None if start is None else 4.0
    video = MediaSource(path=str(late), start=start, end=end)
    array = AudioSamples(track.waveform, track.sampling_rate)
    expected = open_pair(video, None, None, None)
    for sound in (MediaSource(path=str(alone)), array):
        if start is not None and sound is array:
            continue  # samples without a file begin with the segment
        opened, heard_while = open_pair(video, sound, None, None)
        heard, wanted = heard_while(opened).samples, expected[1](expected[0]).samples
        assert heard.start == pytest.approx(wanted.start, abs=0.05)
        assert tone(heard) == tone(wanted)


def tone(samples):
    """Pitch (Hz) of the first .4 s."""
    part = samples.waveform[0][: round(0.4 * samples.sampling_rate)]
    return round(np.abs(np.fft.rfft(part * np.hanning(len(part)))).argmax() * samples.sampling_rate / len(part), -2)
