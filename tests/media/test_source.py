"""Anything a row may hold -> a source, or a message that says what to do."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.clips import coded_frames
from vqe_core.errors import InputError, InputTypeError, MediaError, MediaNotFoundError
from vqe_core.media import as_media_source, content_digest, source_identity
from vqe_core.types import MediaSource

FRAMES = coded_frames(3)


class Decoder:
    """Looks like a torchcodec VideoDecoder."""

    metadata = None

    def get_frames_at(self, indices):
        raise NotImplementedError


def test_paths():
    assert as_media_source("a/b.mp4").path == "a/b.mp4"
    assert as_media_source(Path("a/b.mp4")).path == "a/b.mp4"
    assert as_media_source("b.mp4", base_dir="/data").path == "/data/b.mp4"
    assert as_media_source("/x/b.mp4", base_dir="/data").path == "/x/b.mp4"


def test_encoded_bytes():
    for value in (
        b"abc",
        bytearray(b"abc"),
        memoryview(b"abc"),
        io.BytesIO(b"abc"),
        {"bytes": b"abc", "path": "x.mp4"},
    ):
        assert as_media_source(value).data == b"abc"


def test_dicts_with_segment():
    source = as_media_source({"path": "a.mp4", "bytes": None, "start": 1, "end": 2.5}, base_dir="/data")
    assert (source.path, source.start, source.end) == ("/data/a.mp4", 1.0, 2.5)


@pytest.mark.parametrize(
    "value",
    [
        FRAMES,
        torch.from_numpy(FRAMES),
        list(FRAMES),
        [torch.from_numpy(frame) for frame in FRAMES],
        [Image.fromarray(frame) for frame in FRAMES],
        {"frames": FRAMES},
    ],
)
def test_frames_in_any_form(value):
    np.testing.assert_array_equal(as_media_source(value).frames, FRAMES)


def test_pictures_are_converted_to_rgb():
    grey = Image.fromarray(FRAMES[1]).convert("L")
    assert as_media_source([grey]).frames.shape == (1, 48, 64, 3)


def test_frames_with_a_clock():
    source = as_media_source({"frames": FRAMES, "fps": 4, "start": 0.2, "end": 0.6})
    assert (source.fps, source.start, source.end) == (4.0, 0.2, 0.6)


def test_a_source_passes_through():
    source = MediaSource(path="a")
    assert as_media_source(source) is source


def test_decoders(tmp_path):
    decoder = Decoder()
    assert as_media_source(decoder).decoder is decoder
    decoder._hf_encoded = {"bytes": b"abc", "path": None}
    assert as_media_source(decoder).data == b"abc"
    (tmp_path / "a.mp4").write_bytes(b"abc")
    decoder._hf_encoded = {"bytes": None, "path": str(tmp_path / "a.mp4")}
    assert as_media_source(decoder).path == str(tmp_path / "a.mp4")
    decoder._hf_encoded = {"bytes": None, "path": "hf://somewhere/a.mp4"}
    assert as_media_source(decoder).decoder is decoder


@pytest.mark.parametrize(
    "value", [None, float("nan"), 3, True, [], object(), Image.fromarray(FRAMES[0]), {"path": None}]
)
def test_other_types_are_refused(value):
    with pytest.raises(InputTypeError, match=r"^videos: ") as caught:
        as_media_source(value)
    assert caught.value.code == "bad_type"


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (FRAMES.transpose(0, 3, 1, 2), InputError, "use frames.permute(0, 2, 3, 1)"),
        (FRAMES / 255, InputError, "frames must be uint8 in 0..255, got float64"),
        (FRAMES[0], InputError, "one image (48, 64, 3); use frames[None]"),
        (FRAMES[..., :1], InputError, "frames must be (N, H, W, 3) RGB, got (3, 48, 64, 1)"),
        ([FRAMES[0], FRAMES[1] / 255], InputError, "must be of one dtype, got float64, uint8"),
        ([FRAMES[0], FRAMES[1][:-2, :, :1]], InputError, "frames must be (N, H, W, 3) RGB, got (1, 46, 64, 1)"),
        ([FRAMES[0], FRAMES[1][:0]], MediaError, "no frames in an array of shape (1, 0, 64, 3)"),
        ([[[[1, 2], [3]]]], InputError, "nested lists of each frame must be of one shape"),
        ([FRAMES, FRAMES], InputError, "each frame of a list must have shape (H, W, 3), got (3, 48, 64, 3)"),
        (["a.png", "b.png"], InputTypeError, "item 0 of a list of frames is a str"),
        (FRAMES[:0], MediaError, "no frames in an array of shape (0, 48, 64, 3)"),
        ({"video": "a.mp4"}, InputError, "unknown keys ['video'] of a dict; use path, bytes, frames, fps, start, end"),
        ({"path": "a.mp4", "start": "1"}, InputTypeError, "start ('1') must be a number"),
        ({"path": "a.mp4", "start": 2, "end": 1}, InputError, "end (1.0) must be greater than start (2.0)"),
        ({"frames": FRAMES, "fps": 0}, InputError, "fps (0.0) must be positive"),
        (io.StringIO("abc"), InputTypeError, "open it with mode 'rb'"),
    ],
)
def test_messages(value, error, words):
    with pytest.raises(error, match=re.escape(words)):
        as_media_source(value)


@pytest.mark.parametrize(
    "value",
    [
        "http://127.0.0.1:1/x.mp4",
        "https://host/x.mp4",
        "s3://bucket/x",
        "hf://datasets/x",
        "concat:a.ts|b.ts",
        "data:video/mp4;base64,AAAA",
        "subfile,,start,0,end,9,,:a.mp4",
        "rtmp://host/x",
        "rtmp:x",
        "file:/etc/passwd",
        "pipe:0",
        "crypto:a",
        "CONCAT:a.ts",
    ],
)
def test_remote_paths_are_refused(value):
    with pytest.raises(MediaError, match="download it first") as caught:
        as_media_source(value)
    assert caught.value.code == "remote_path"


def test_a_local_file_may_be_called_like_a_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "concat:a.mp4").write_bytes(b"x")
    assert as_media_source("concat:a.mp4").path == "concat:a.mp4"


@pytest.mark.parametrize(
    ("value", "code"), [("", "not_found"), ("  ", "not_found"), ("a\0b.mp4", "bad_path"), (b"", "empty_file")]
)
def test_empty_and_impossible_paths(value, code):
    with pytest.raises(MediaError) as caught:
        as_media_source(value)
    assert caught.value.code == code
    assert isinstance(caught.value, MediaNotFoundError) == (code == "not_found")


def test_identity(tmp_path):
    one, other = tmp_path / "a.mp4", tmp_path / "b.mp4"
    one.write_bytes(b"abc")
    other.write_bytes(b"abcd")
    (tmp_path / "link.mp4").symlink_to(one)

    def key(value):
        return source_identity(as_media_source(value))

    assert key(one) == key(tmp_path / "link.mp4") != key(other)
    assert key({"path": str(one), "start": 1}) != key(one)
    assert key(b"abc") == key(bytearray(b"abc")) != key(b"abd")
    assert key(FRAMES) == key(list(FRAMES)) != key(FRAMES[:2])
    assert key({"frames": FRAMES, "fps": 2}) != key(FRAMES)
    assert key(tmp_path / "missing.mp4") == key(tmp_path / "missing.mp4") != key(one)
    decoder = Decoder()
    assert key(decoder) == key(decoder) != key(Decoder())


SIZES = (FRAMES[0], FRAMES[1][:-2], FRAMES[2][:, :40])


@pytest.mark.parametrize(
    "value",
    [
        list(SIZES),
        [Image.fromarray(image) for image in SIZES],
        [image.tolist() for image in SIZES],
        np.array([*SIZES, None], dtype=object)[:-1],
        {"frames": list(SIZES)},
    ],
)
def test_frames_of_several_sizes_stay_as_they_are(value):
    source = as_media_source(value)
    assert source.name == "<3 frames of several sizes>"
    assert [image.tolist() for image in source.frames] == [image.tolist() for image in SIZES]
    assert content_digest(source) == content_digest(as_media_source(list(SIZES)))
    assert content_digest(source) != content_digest(as_media_source([*SIZES[:2], SIZES[2][::-1]]))
    assert source_identity(source) != source_identity(as_media_source(SIZES[::-1]))
