"""Every reader gives the same answers for the same clip."""

import numpy as np
import pytest

from tests.clips import read_code
from tests.gpu import required_gpu
from tests.media.recipes import coded_clip
from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.media import VideoReader, as_media_source
from vqe_core.types import MediaSource

COUNT = 40


def source_for(name):
    """The same clip in the form that a reader takes, and what it then may not know."""
    path = coded_clip("closed.mp4")
    if name == "frames":
        reader = registry.load("reader", "pyav")()
        source = as_media_source(path)
        pixels = [f.pixels for f in reader.frames(source, reader.probe(source), np.arange(COUNT))]
        return as_media_source({"frames": pixels, "fps": 10})
    if name == "torchcodec":
        from tests.media.decoders import torchcodec_decoder

        return MediaSource(decoder=torchcodec_decoder(path))
    return as_media_source(path)


READERS = [(kind, name) for kind in ("reader", "source_reader") for name in registry.names(kind)]


@pytest.fixture(params=READERS, ids=lambda param: param[1])
def reader_and_source(request):
    kind, name = request.param
    if name == "nvdec":
        required_gpu()
    return registry.load(kind, name)(), source_for(name)


def test_times_and_frames(reader_and_source):
    reader, source = reader_and_source
    assert isinstance(reader, VideoReader)
    table = reader.probe(source)
    np.testing.assert_allclose(table.timestamps, np.arange(COUNT) / 10, atol=1e-6)
    assert table.timestamps.dtype == np.float64
    assert table.indices.tolist() == list(range(COUNT))
    assert (table.start, table.end) == (pytest.approx(0), pytest.approx(4))
    assert table.has_clock
    got = list(reader.frames(source, table, np.array([25, 3, 3, 39])))
    assert [frame.position for frame in got] == [3, 25, 39]
    for frame in got:
        assert frame.pixels.dtype == np.uint8 and frame.pixels.shape == (48, 64, 3)
        assert read_code(frame.pixels) == frame.position


def test_colours_are_rgb(reader_and_source):
    reader, source = reader_and_source
    table = reader.probe(source)
    (frame,) = reader.frames(source, table, np.array([1]))
    red, green, blue = frame.pixels[4:12, 4:12].reshape(-1, 3).mean(axis=0)
    assert blue > red > green


def test_a_position_outside_the_table_is_refused(reader_and_source):
    reader, source = reader_and_source
    table = reader.probe(source)
    with pytest.raises(InputError, match="within a table of 40 frames"):
        list(reader.frames(source, table, np.array([40])))


def test_version_is_a_text(reader_and_source):
    reader, _ = reader_and_source
    assert isinstance(reader.version, str) and reader.version


def test_a_reader_refuses_sources_of_other_readers():
    for name in ("frames", "torchcodec"):
        with pytest.raises(InputError, match=f"the {name} reader needs"):
            registry.load("source_reader", name)().probe(MediaSource(path="a.mp4"))
