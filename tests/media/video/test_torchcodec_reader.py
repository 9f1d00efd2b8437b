"""Open decoders: read in chunks, each frame checked against the table."""

import numpy as np
import pytest

from tests.clips import read_code
from tests.media.decoders import StandInDecoder, required_torchcodec, torchcodec_decoder
from tests.media.recipes import coded_clip
from vqe_core.errors import MediaError
from vqe_core.media import MediaLimits, TableMismatchError, as_media_source, open_video


def codes(video, positions):
    return [read_code(frame.pixels) for frame in video.frames(np.array(positions))]


@pytest.mark.parametrize("order", ["NCHW", "NHWC"])
def test_both_orders_of_axes(order):
    video = open_video(as_media_source(StandInDecoder(coded_clip("closed.mp4"), order)))
    assert len(video.table) == 40
    assert codes(video, [0, 17, 18, 39]) == [0, 17, 18, 39]
    assert next(video.frames(np.array([3]))).pixels.shape == (48, 64, 3)


def test_a_frame_with_another_time_is_refused():
    decoder = StandInDecoder(coded_clip("closed.mp4"))
    video = open_video(as_media_source(decoder))
    decoder._times = decoder._times + 1.0
    with pytest.raises(TableMismatchError, match=r"the frame at 0\.500 s"):
        codes(video, [5])


def test_frames_out_of_order_are_refused():
    decoder = StandInDecoder(coded_clip("closed.mp4"))
    decoder._times = decoder._times[::-1].copy()
    with pytest.raises(MediaError, match="out of order; pass the file's path or bytes instead"):
        open_video(as_media_source(decoder))


def test_its_errors_become_ours():
    decoder = StandInDecoder(coded_clip("closed.mp4"))

    def fail(start, stop):
        raise RuntimeError("Requested next frame while there are no more frames left to decode.")

    decoder.get_frames_in_range = fail
    with pytest.raises(MediaError, match="cannot be decoded: RuntimeError: Requested next frame") as caught:
        open_video(as_media_source(decoder))
    assert caught.value.code == "decode_error"


def test_a_mistake_in_code_is_no_fault_of_the_video():
    decoder = StandInDecoder(coded_clip("closed.mp4"))
    decoder.get_frames_in_range = lambda start: None
    with pytest.raises(TypeError):
        open_video(as_media_source(decoder))


@pytest.mark.parametrize(
    ("limits", "code"),
    [(MediaLimits(max_pixels=100), "too_large"), (MediaLimits(max_frames_in_table=39), "too_many_frames")],
)
def test_limits(limits, code):
    with pytest.raises(MediaError) as caught:
        open_video(as_media_source(StandInDecoder(coded_clip("closed.mp4"))), limits)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["closed.mp4", "open.mkv", "vp9.webm"])
def test_the_real_decoder_agrees_with_pyav(name):
    required_torchcodec()
    decoder = torchcodec_decoder(coded_clip(name))
    video, known = open_video(as_media_source(decoder)), open_video(as_media_source(coded_clip(name)))
    np.testing.assert_allclose(video.table.timestamps, known.table.timestamps, atol=1e-6)
    for one, other in zip(video.frames(np.arange(40)), known.frames(np.arange(40)), strict=True):
        assert np.abs(one.pixels.astype(int) - other.pixels).max() <= 2


def test_the_real_decoder_never_gives_a_wrong_frame_of_a_transport_stream():
    required_torchcodec()
    decoder = torchcodec_decoder(coded_clip("open.ts"))
    try:
        video = open_video(as_media_source(decoder))
        got = codes(video, [0, 7, 30])
    except MediaError:
        return
    assert got == [0, 7, 30]
