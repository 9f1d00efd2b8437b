"""Whose fault an exception is: the file's, or that of the code that reads it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from tests.media.recipes import coded_clip
from vqe_core.errors import MediaError
from vqe_core.media import as_audio_source, as_media_source, open_video, read_audio
from vqe_core.media.container import in_seconds, is_of_file, media_errors, stated_ratio


def raised(call):
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


def fail(kind):
    raise kind("planted")


@pytest.mark.parametrize(
    "call",
    [
        lambda: av.open("file:no-such-file.mp4"),
        lambda: soundfile.SoundFile("no-such-file.wav"),
        lambda: Path("no-such-file").read_bytes(),
        # PyAV's own words for what it cannot do with a file.
        lambda: av.VideoFrame.from_ndarray(np.zeros((2, 2), np.uint8), format="nonsense"),
    ],
)
def test_what_ffmpeg_libsndfile_pyav_and_the_system_raise_is_of_the_file(call):
    error = raised(call)
    assert is_of_file(error)
    with pytest.raises(MediaError, match=r"'x\.mp4' cannot be decoded: ") as caught, media_errors("x.mp4"):
        raise error
    assert caught.value.code == "decode_error"


@pytest.mark.parametrize(
    "call",
    [
        *(lambda kind=kind: fail(kind) for kind in (TypeError, AttributeError, NameError, KeyError, ValueError)),
        # A mistake of the caller stays one where PyAV notices it.
        lambda: av.open("x.mp4", no_such_argument=True),
        lambda: av.VideoFrame.from_ndarray(None),
    ],
)
def test_a_mistake_in_code_is_not_of_the_file(call):
    error = raised(call)
    assert not is_of_file(error)
    with pytest.raises(type(error)), media_errors("x.mp4"):
        raise error


@pytest.mark.parametrize("kind", [TypeError, AttributeError, ValueError, RuntimeError])
@pytest.mark.parametrize(
    ("place", "read"),
    [
        ("vqe_core.media.container.check_file", lambda path: open_video(as_media_source(path))),
        ("vqe_core.media.video.pyav_reader.scan_packets", lambda path: open_video(as_media_source(path))),
        ("vqe_core.media.audio.pyav_reader._Planes.of", lambda path: read_audio(as_audio_source(path))),
    ],
)
def test_a_mistake_planted_in_the_reader_is_no_fault_of_a_healthy_file(monkeypatch, tmp_path, kind, place, read):
    from tests.sounds import noise, write_track

    path = write_track(tmp_path / "a.mp4", noise(1.0), layout="mono", pictures=1.0)
    monkeypatch.setattr(place, lambda *given, **how: fail(kind))
    with pytest.raises(kind, match="planted"):
        read(path)


def test_out_of_memory_is_told_as_such():
    with pytest.raises(MediaError) as caught, media_errors("x.mp4"):
        raise MemoryError
    assert caught.value.code == "out_of_memory"


def test_ratios_that_a_file_does_not_state():
    """PyAV 19 says 0 where those before said None."""
    with av.open(str(coded_clip("closed.mp4"))) as container:
        stream = container.streams.video[0]
        assert stated_ratio(stream.average_rate) == 10
        assert in_seconds(round(1 / stream.time_base), stream.time_base) == 1.0
        assert in_seconds(None, stream.time_base) is None
    assert stated_ratio(None) is None and in_seconds(5, None) is None
    if hasattr(av, "AVRational"):
        unset = av.AVRational(0, 1)
        assert stated_ratio(unset) is None and in_seconds(5, unset) is None
