"""Files at addresses, in the memory of fsspec and on a web server of this machine, are read as files here are."""

from __future__ import annotations

import re
import uuid

import fsspec
import pytest

from tests.servers import file_server
from vqe_core import EMScore, VideoAudioSimilarity
from vqe_core.errors import MediaError, MissingPackageError
from vqe_core.media import as_media_source, content_digest
from vqe_core.media import remote as module
from vqe_core.media.remote import address_stamp, at_hand, is_address, read_address
from vqe_core.toy.clips import make_clip, write_clip
from vqe_core.types import MediaSource

TOY = {"clip_model_path": "toy", "frame_num": 3, "on_error": "skip"}


@pytest.fixture
def bucket():
    """A folder of its own in the memory of fsspec."""
    return f"memory://{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(make_clip(3), tmp_path_factory.mktemp("clip") / "clip.mp4")


def put(url: str, data: bytes) -> str:
    with fsspec.open(url, "wb") as file:
        file.write(data)
    return url


class Reads:
    """Counts what is read of the memory of fsspec."""

    def __init__(self, monkeypatch):
        self.urls = []
        real = module.read_address
        monkeypatch.setattr(module, "read_address", lambda url: self.urls.append(url) or real(url))


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("s3://bucket/a.mp4", True),
        ("gs://bucket/a.mp4", True),
        ("https://host/a.mp4", True),
        ("memory://a.mp4", True),
        ("rtmp://host/live", False),
        ("file:///etc/passwd", False),
        ("concat:a|b", False),
        ("a.mp4", False),
        (3, False),
    ],
)
def test_addresses_are_told_by_the_schemes_that_fsspec_knows(value, is_one):
    assert is_address(value) is is_one


def test_nothing_is_read_elsewhere_unless_that_is_asked_for(bucket, clip, monkeypatch):
    url, reads = put(f"{bucket}/a.mp4", clip.read_bytes()), Reads(monkeypatch)
    report = EMScore(**TOY).score(predictions=["a red circle"], videos=[url])
    assert report.status == ["remote_path"] and "remote=True (--remote)" in report.messages[0] and reads.urls == []
    with pytest.raises(MediaError, match="only local files are read"):
        as_media_source(url)


def test_rows_have_the_scores_of_the_files_here(bucket, clip):
    url = put(f"{bucket}/a.mp4", clip.read_bytes())
    cells = [url, {"path": url, "start": 0.2, "end": 0.6}, f"{bucket}/none.mp4", put(f"{bucket}/text.mp4", b"no video")]
    here = [str(clip), {"path": str(clip), "start": 0.2, "end": 0.6}]
    texts = ["a red circle"] * 4
    report = EMScore(**TOY, remote=True).score(predictions=texts, videos=cells)
    expected = EMScore(**TOY).score(predictions=texts[:2], videos=here)
    assert report.status[:2] == ["ok", "ok"] and report.status[2] == "not_found"
    assert report.status[3] == EMScore(**TOY).score(predictions=["a"], videos=[b"no video"]).status[0]
    assert {name: values[:2] for name, values in report.rows.items()} == expected.rows
    assert report.signature == EMScore(**TOY).score(predictions=texts[:1], videos=here[:1]).signature


def test_a_file_is_read_once_for_its_images_and_once_for_its_sound(bucket, tmp_path, monkeypatch):
    from tests.clips import coded_frames
    from tests.clips import write_clip as with_sound

    path = with_sound(tmp_path / "clip.mp4", coded_frames(20), seconds_of_sound=2.0)
    url, reads = put(f"{bucket}/a.mp4", path.read_bytes()), Reads(monkeypatch)
    options = {"hf_clip": "toy", "method": "tags", "on_error": "skip"}
    report = VideoAudioSimilarity(**options, remote=True).score(videos=[url])
    expected = VideoAudioSimilarity(**options).score(videos=[str(path)])
    assert report.status == ["ok"] and report.rows["similarity"] == expected.rows["similarity"]
    assert reads.urls == [url, url]


def test_what_is_cached_of_a_file_is_found_without_reading_it(bucket, clip, tmp_path, monkeypatch):
    url, reads = put(f"{bucket}/a.mp4", clip.read_bytes()), Reads(monkeypatch)
    scorer = EMScore(**TOY, remote=True, cache_dir=str(tmp_path / "cache"))
    first = scorer.score(predictions=["a red circle"], videos=[url])
    again = scorer.score(predictions=["a red circle"], videos=[url])
    assert reads.urls == [url] and again.rows == first.rows
    # The same content under another name or on this disk is found too, once it is known.
    other = put(f"{bucket}/b.mp4", clip.read_bytes())
    assert scorer.score(predictions=["a red circle"], videos=[other]).rows == first.rows
    put(url, write_clip(make_clip(4), tmp_path / "other.mp4").read_bytes())
    changed = scorer.score(predictions=["a red circle"], videos=[url])
    assert reads.urls == [url, other, url] and changed.rows != first.rows


def test_a_web_server_is_read_too(clip):
    with file_server(clip.parent) as address:
        url = f"{address}/{clip.name}"
        assert read_address(url) == clip.read_bytes()
        assert content_digest(MediaSource(url=url)) == content_digest(MediaSource(path=str(clip)))
        with pytest.raises(MediaError, match="no file at") as told:
            read_address(f"{address}/none.mp4")
        assert told.value.code == "not_found"


def test_what_cannot_be_reached_is_told_with_the_way_out(monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.0)
    with pytest.raises(MediaError, match="look at the address, the network and the rights") as told:
        read_address("http://127.0.0.1:9/a.mp4")
    assert told.value.code == "unreachable"


def test_a_package_that_is_missing_is_named():
    with pytest.raises(MissingPackageError, match=re.escape("'oss://bucket/a.mp4' cannot be read: ")):
        read_address("oss://bucket/a.mp4")


def test_files_that_are_empty_or_too_large_are_refused(bucket, monkeypatch):
    with pytest.raises(MediaError, match="is empty"):
        read_address(put(f"{bucket}/empty.mp4", b""))
    monkeypatch.setattr(module, "MOST_BYTES", 3)
    with pytest.raises(MediaError, match="download it"):
        read_address(put(f"{bucket}/large.mp4", b"1234"))


def test_a_stamp_changes_with_the_file(bucket):
    url = put(f"{bucket}/a.mp4", b"one")
    first = address_stamp(url)
    assert first == address_stamp(url) is not None
    put(url, b"two")
    assert address_stamp(url) != first


def test_a_source_here_is_left_as_it_is():
    source = MediaSource(path="a.mp4")
    assert at_hand(source) is source
