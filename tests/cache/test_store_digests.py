"""A file that was read is known again without reading it, and a changed one never taken for it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from vqe_core.cache import EmbeddingCache
from vqe_core.media import content_digest
from vqe_core.types import MediaSource

CONTENT = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Paths of the files that were read whole."""
    import vqe_core.media.content_hash

    seen: list[str] = []
    original = vqe_core.media.content_hash._read_digest

    def noting(path, known):
        seen.append(path)
        return original(path, known)

    monkeypatch.setattr("vqe_core.media.content_hash._read_digest", noting)
    return seen


@pytest.fixture
def settled(monkeypatch) -> None:
    """Files count as old enough at once."""
    monkeypatch.setattr("vqe_core.media.content_hash._SETTLED_AFTER", -(10**18))


@pytest.fixture
def file(tmp_path) -> MediaSource:
    path = tmp_path / "x.mp4"
    path.write_bytes(CONTENT)
    return MediaSource(path=str(path))


def test_a_file_is_read_whole_once_for_all_processes(file, tmp_path, reads, settled):
    plain = content_digest(file)
    first, other = EmbeddingCache(tmp_path / "cache"), EmbeddingCache(tmp_path / "cache")
    reads.clear()
    assert {content_digest(file, cache.digests) for cache in (first, first, other)} == {plain}
    assert len(reads) == 1


def test_what_was_not_read_is_not_told_without_reading(file, tmp_path, reads, settled):
    digests = EmbeddingCache(tmp_path / "cache").digests
    assert content_digest(file, digests, read=False) is None
    assert reads == []
    assert content_digest(file, digests) == content_digest(file, digests, read=False) is not None


def test_a_file_of_the_last_two_seconds_is_read_again(file, tmp_path, reads):
    digests = EmbeddingCache(tmp_path / "cache").digests
    for _ in range(2):
        content_digest(file, digests)
    assert len(reads) == 2
    stamp = os.stat(str(file.path))
    os.utime(str(file.path), (stamp.st_atime, stamp.st_mtime - 3600))  # its time of change is still that of now
    content_digest(file, digests)
    assert len(reads) == 3


def test_a_file_changed_at_its_old_size_and_time_has_its_own_digest(file, tmp_path, settled):
    digests, path = EmbeddingCache(tmp_path / "cache").digests, Path(str(file.path))
    before, stamp = content_digest(file, digests), path.stat()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert path.stat().st_size == stamp.st_size and path.stat().st_mtime_ns == stamp.st_mtime_ns
    assert content_digest(file, digests) == content_digest(file) != before


def test_a_file_that_changes_while_it_is_read_is_not_noted(file, tmp_path, settled, monkeypatch):
    digests, path = EmbeddingCache(tmp_path / "cache").digests, Path(str(file.path))
    monkeypatch.setattr("vqe_core.media.content_hash._BLOCK", 1000)

    class Growing:
        """Of hashlib: the file grows as soon as some of it was hashed."""

        def __init__(self) -> None:
            self._inner = hashlib.sha256()
            self._grown = False

        def update(self, block: bytes) -> None:
            self._inner.update(block)
            if not self._grown:
                self._grown = True
                with path.open("ab") as grown:
                    grown.write(b"more")

        def hexdigest(self) -> str:
            return str(self._inner.hexdigest())

    monkeypatch.setattr("vqe_core.media.content_hash.hashlib", SimpleNamespace(sha256=Growing))
    content_digest(file, digests)
    monkeypatch.undo()
    assert content_digest(file, digests, read=False) is None


def test_digests_are_looked_after_with_the_entries_and_are_no_entries(file, tmp_path, reads, settled):
    cache = EmbeddingCache(tmp_path / "cache")
    content_digest(file, cache.digests)
    info = cache.upkeep.info()
    assert info.entries == 0 < info.bytes
    (noted,) = cache.folder.rglob("*.digest")
    noted.write_bytes(noted.read_bytes().replace(b"digest", b"digesT"))
    assert cache.upkeep.verify() == (0, [noted])
    content_digest(file, EmbeddingCache(tmp_path / "cache").digests)
    assert len(reads) == 2
    assert cache.upkeep.clear() == 1  # the one that was set aside
    assert not [path for path in cache.folder.rglob("*") if path.is_file()]
