"""Transparency of VP8 and VP9 shows white, as that of every other codec does."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from vqe_core.media import as_media_source, open_video
from vqe_core.media.limits import MediaLimits
from vqe_core.media.video.alpha import AlphaPlanes
from vqe_core.media.video.pixels import on_background

HEIGHT, WIDTH = 48, 64
DECODERS = {"libvpx": "libvpx", "libvpx-vp9": "libvpx-vp9"}


def planes(number):
    """One image: colours, and opacity that moves, with a soft edge."""
    colours = np.full((HEIGHT, WIDTH, 3), (200, 40, 20 + number), np.uint8)
    opacity = np.zeros((HEIGHT, WIDTH), np.uint8)
    opacity[:, 8 + number : 32 + number] = 255
    opacity[:, 32 + number : 40 + number] = 128
    return np.dstack([colours, opacity])


def transparent(codec, count=12, drop=(), spoil=()):
    """Bytes of a WebM file; packets of numbers in ``drop`` lose their transparency, in ``spoil`` it is damaged."""
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {codec}")
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as container:
        stream = container.add_stream(codec, 10, options={"crf": "4", "b": "2M", "auto-alt-ref": "0", "g": "5"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuva420p"
        packets = []
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(planes(number), format="rgba").reformat(format="yuva420p")
            frame.pts = number
            packets += stream.encode(frame)
        for number, packet in enumerate([*packets, *stream.encode(None)]):
            container.mux(without_alpha(packet) if number in drop else packet)
    data = file.getvalue()
    return spoiled(data, spoil) if spoil else data


def without_alpha(packet):
    bare = av.Packet(bytes(packet))
    bare.stream, bare.pts, bare.dts, bare.time_base = packet.stream, packet.pts, packet.dts, packet.time_base
    bare.duration, bare.is_keyframe = packet.duration, packet.is_keyframe
    return bare


def spoiled(data, numbers):
    with av.open(io.BytesIO(data)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        beside = [bytes(packet.get_sidedata("matroska_block_additional"))[8:] for packet in packets]
    for number in numbers:
        assert data.count(beside[number]) == 1
        data = data.replace(beside[number], bytes([0xFF]) * len(beside[number]))
    return data


def images(data):
    video = open_video(as_media_source(data))
    return [frame.pixels for frame in video.frames(np.arange(len(video.table)))], video.table


def by_libvpx(data, codec):
    """Decode with libvpx, which knows transparency, and composite with rational numbers."""
    context = av.CodecContext.create(codec, "r")
    with av.open(io.BytesIO(data)) as container:
        frames = [frame for packet in container.demux(video=0) for frame in context.decode(packet)]
    for frame in frames:
        rgba = frame.to_ndarray(format="rgba").astype(np.float64)
        share = rgba[..., 3:] / 255
        yield np.floor(rgba[..., :3] * share + 255 * (1 - share) + 0.5)


@pytest.mark.parametrize("codec", DECODERS)
def test_pixels_are_those_of_libvpx_on_white(codec):
    data = transparent(codec)
    found, table = images(data)
    expected = list(by_libvpx(data, codec))
    assert len(found) == len(expected) == 12 and not table.warnings
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(ours - theirs).max() == 0
    assert (found[0][:, :4] > 250).all() and (found[0][:, 14:26, 0] < 230).all()


@pytest.mark.parametrize("codec", DECODERS)
def test_a_few_frames_are_those_of_a_forward_decode(codec):
    data = transparent(codec)
    video = open_video(as_media_source(data))
    whole, _ = images(data)
    for frame in video.frames(np.array([3, 7, 11])):
        np.testing.assert_array_equal(frame.pixels, whole[frame.position])


def test_an_image_with_nothing_beside_it_is_opaque():
    found, table = images(transparent("libvpx-vp9", drop={4}))
    assert len(found) == 12 and not table.warnings
    assert (found[3][:, :4] > 250).all() and (found[4][:, :4, 0] < 230).all() and (found[5][:, :4] > 250).all()


def test_transparency_that_cannot_be_decoded_is_counted():
    found, table = images(transparent("libvpx-vp9", spoil=[0, 5]))
    assert len(found) == 12
    (warning,) = table.warnings
    assert warning.code == "alpha_dropped" and warning.count >= 2


def test_rounding_on_white_is_that_of_whole_images():
    generator = np.random.default_rng(0)
    rgba = generator.integers(0, 256, (700, 601, 4)).astype(np.uint8)
    alpha = rgba[..., 3:].astype(np.uint16)
    whole = ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    np.testing.assert_array_equal(on_background(rgba[..., :3], rgba[..., 3]), whole)


def test_compositing_takes_little_beside_the_image():
    import tracemalloc

    rgba = np.full((2000, 2000, 4), 100, np.uint8)
    tracemalloc.start()
    image = on_background(rgba[..., :3], rgba[..., 3])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < image.nbytes + 8 * 2**20


def test_transparency_of_another_size_is_dropped_and_counted(tmp_path):
    with av.open(io.BytesIO(transparent("libvpx-vp9"))) as container:
        stream = container.streams.video[0]
        planes_of = AlphaPlanes(stream, MediaLimits())
        for packet in container.demux(stream):
            if packet.size:
                planes_of.feed(packet)
                planes_of.fit(WIDTH, HEIGHT)
                assert planes_of.plane is not None and planes_of.lost == 0
    planes_of.fit(WIDTH, HEIGHT + 2)
    assert planes_of.plane is None and planes_of.lost == 1
