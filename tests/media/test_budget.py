"""Few bytes may claim frames of a usual size only; the sum of what is decoded has a limit too."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from tests.clips import coded_frames, write_clip
from tests.media import bombs
from vqe_core.errors import MediaError
from vqe_core.media import MediaLimits, as_media_source, open_video
from vqe_core.media.budget import PixelCount, check_canvas, fitted_limits
from vqe_core.media.video.pyav_reader import PyAVReader

LIMITS = MediaLimits()


@pytest.mark.parametrize(
    ("size", "pixels"), [(1, 4096 * 2304), (9216, 4096 * 2304), (20_000, 20_480_000), (10**6, 8192 * 4320)]
)
def test_pixels_of_a_frame_by_the_length_of_a_file(size, pixels):
    assert fitted_limits(as_media_source(bytes(size)), LIMITS).max_pixels == pixels


@pytest.mark.parametrize("head", [bombs.gif(10, 10), bombs.large_png(10, 10)])
def test_an_animation_may_claim_less(head):
    fitted = fitted_limits(as_media_source(head), LIMITS)
    assert fitted.max_pixels == 1920 * 1200
    assert fitted.max_total_pixels < LIMITS.max_total_pixels
    assert fitted_limits(as_media_source(head + bytes(2**22)), LIMITS).max_pixels == LIMITS.max_pixels


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for look in (fitted_limits, check_canvas):
        with pytest.raises(MediaError) as caught:
            look(as_media_source(tmp_path / "pipe.mp4"), LIMITS)
        assert caught.value.code == "not_regular_file"


def test_a_limit_that_was_set_lower_stays():
    assert fitted_limits(as_media_source(bytes(10)), replace(LIMITS, max_pixels=99)).max_pixels == 99


@pytest.mark.parametrize("padding", [0, 100_000])
@pytest.mark.parametrize("size", [(65_535, 65_535), (8192, 4320), (4096, 2304), (1921, 1200)])
def test_a_gif_that_claims_a_large_screen(size, padding):
    with pytest.raises(MediaError, match=f"{size[0]} x {size[1]}") as caught:
        open_video(as_media_source(bombs.gif(*size, padding=padding)))
    assert caught.value.code == "too_large"


def test_a_gif_of_a_usual_screen():
    video = open_video(as_media_source(bombs.gif(1920, 1200, 3)))
    assert [frame.pixels.shape for frame in video.frames(np.arange(3))] == [(1200, 1920, 3)] * 3


@pytest.mark.parametrize("image", [bombs.large_png(16_000, 16_000), bombs.large_png(8192, 4320)])
def test_a_png_that_claims_a_large_canvas(image):
    with pytest.raises(MediaError) as caught:
        check_canvas(as_media_source(image), fitted_limits(as_media_source(image), LIMITS))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("before", [0, 3])
def test_a_large_image_inside_a_small_video(tmp_path, before):
    images = [bombs.large_png(64, 48)] * before + [bombs.large_png(8192, 4320)]
    path = bombs.images_in_mov(tmp_path / "bomb.mov", images, "png")
    with pytest.raises(MediaError, match="8192 x 4320") as caught:
        open_video(as_media_source(path)).decoded()
    assert caught.value.code == "too_large"


def test_4k_of_few_bytes_decodes(tmp_path):
    frames = [np.zeros((2160, 4096, 3), np.uint8)] * 2
    path = write_clip(tmp_path / "4k.mp4", frames, options={"preset": "ultrafast"})
    (frame,) = open_video(as_media_source(path)).frames(np.array([1]))
    assert frame.pixels.shape == (2160, 4096, 3)


def test_the_sum_of_all_frames_has_a_limit(tmp_path):
    source = as_media_source(write_clip(tmp_path / "clip.mp4", coded_frames(30)))
    whole = 30 * 64 * 48
    reader = PyAVReader(limits=replace(LIMITS, max_total_pixels=whole))
    assert len(open_video(source, reader=reader).decoded().table) == 30
    with pytest.raises(MediaError, match="more than 92159 pixels in all its frames") as caught:
        open_video(source, reader=replace(reader, limits=replace(LIMITS, max_total_pixels=whole - 1))).decoded()
    assert caught.value.code == "too_large"


def test_a_count_of_pixels():
    count = PixelCount(replace(LIMITS, max_pixels=100, max_total_pixels=250), "clip")
    count.add(10, 10)
    count.add(10, 10)
    with pytest.raises(MediaError, match="more than 250 pixels"):
        count.add(10, 10)
    with pytest.raises(MediaError, match="11 x 10 = 110 pixels"):
        count.add(11, 10)
