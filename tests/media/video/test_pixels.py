"""What a decoded frame looks like: upright, 8-bit RGB, on white."""

import numpy as np
import pytest

from tests.clips import coded_frames, frame_times, write_clip
from vqe_core.media import as_media_source, open_video


def pictures(path):
    video = open_video(as_media_source(path))
    return video.table, [frame.pixels for frame in video.frames(np.arange(len(video.table)))]


def corner_frame(height=48, width=80):
    """Red top left, green top right, blue bottom left, white bottom right."""
    frame = np.full((height, width, 3), 250, dtype=np.uint8)
    frame[: height // 2, : width // 2] = [250, 0, 0]
    frame[: height // 2, width // 2 :] = [0, 250, 0]
    frame[height // 2 :, : width // 2] = [0, 0, 250]
    return frame


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_rotation_is_applied_clockwise(tmp_path, rotation, suffix):
    codec = {"codec": "libx264rgb", "pix_fmt": "rgb24", "options": {"crf": "0"}}
    path = write_clip(tmp_path / f"turned.{suffix}", [corner_frame()] * 3, rotation=rotation, **codec)
    table, got = pictures(path)
    assert table.rotation == rotation
    expected = np.rot90(corner_frame(), -rotation // 90)
    for pixels in got:
        np.testing.assert_array_equal(pixels, expected)
    if rotation == 90:
        # A quarter turn clockwise brings the bottom left corner to the top left.
        assert got[0][0, 0].tolist() == [0, 0, 250]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_mirrored_pictures_are_mirrored_back(tmp_path, rotation):
    codec = {"codec": "libx264rgb", "pix_fmt": "rgb24", "options": {"crf": "0"}}
    path = write_clip(tmp_path / "selfie.mp4", [corner_frame()], rotation=rotation, mirrored=True, **codec)
    _, (pixels,) = pictures(path)
    np.testing.assert_array_equal(pixels, np.rot90(corner_frame(), -rotation // 90)[:, ::-1])


def test_transparent_pixels_show_white(tmp_path):
    frame = np.zeros((48, 64, 4), dtype=np.uint8)
    frame[:, :32] = [200, 10, 20, 255]
    frame[24:, 32:, 3] = 128
    path = write_clip(tmp_path / "alpha.mov", [frame], codec="png", pix_fmt="rgba")
    _, (pixels,) = pictures(path)
    assert pixels[0, 0].tolist() == [200, 10, 20]
    assert pixels[0, 40].tolist() == [255, 255, 255]
    assert pixels[40, 40].tolist() == [127, 127, 127]


def test_transparent_gif_shows_white(tmp_path):
    from PIL import Image

    image = Image.new("RGBA", (32, 24), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 16, 24))
    image.save(tmp_path / "a.gif")
    _, (pixels,) = pictures(tmp_path / "a.gif")
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[0, 30].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "options", "warning"),
    [
        ("libx264", "yuv420p10le", {}, ("10-bit colour reduced to 8 bits",)),
        ("ffv1", "gbrp12le", {}, ("12-bit colour reduced to 8 bits",)),
        ("ffv1", "gray", {}, ()),
        ("libx264", "yuv444p", {}, ()),
    ],
)
def test_other_depths_are_reduced_and_said(tmp_path, codec, pix_fmt, options, warning):
    frames = coded_frames(4)
    path = write_clip(tmp_path / "deep.mkv", frames, codec=codec, pix_fmt=pix_fmt, options=options)
    table, got = pictures(path)
    assert table.warnings == warning
    assert all(pixels.dtype == np.uint8 and pixels.shape == (48, 64, 3) for pixels in got)
    assert np.abs(got[3].astype(int) - frames[3]).mean() < 16


def test_hdr_is_named(tmp_path):
    options = {"x264-params": "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"}
    path = write_clip(tmp_path / "hdr.mkv", coded_frames(3), pix_fmt="yuv420p10le", options=options)
    assert pictures(path)[0].warnings == ("HDR (PQ, 10 bits) reduced to 8 bits without tone mapping",)


def test_a_change_of_size_is_read_and_said(tmp_path):
    # Joined transport streams with times that go on.
    parts = [
        write_clip(tmp_path / "a.ts", coded_frames(5), options={"x264-params": "repeat-headers=1"}),
        write_clip(
            tmp_path / "b.ts",
            coded_frames(5, 96, 64),
            times=[time + 0.5 for time in frame_times(5)],
            options={"x264-params": "repeat-headers=1"},
        ),
    ]
    video = open_video(as_media_source(b"".join(part.read_bytes() for part in parts))).decoded()
    shapes = [frame.pixels.shape for frame in video.frames(np.arange(10))]
    assert shapes == [(48, 64, 3)] * 5 + [(64, 96, 3)] * 5
    assert "the image changes between 2 sizes" in video.table.warnings
