"""Read and write entries so that no reader, crash or second process can ever meet a wrong one.

An entry is written under a name of its own and then renamed, which the file system does at once or not at all. It
holds its key and a checksum, so whatever else happened to the file is found on reading; a damaged entry is set
aside and counts as absent. Two processes that make the same entry write the same bytes, and either may win.
"""

from __future__ import annotations

import os
import time
import uuid
import warnings
from pathlib import Path
from typing import Any, TypeAlias

from vqe_core.cache.entry import CacheKey, DamagedEntryError, Entry, entry_from_bytes, entry_to_bytes
from vqe_core.cache.eviction import ANSWER, DIGEST, PART, SUFFIX, CacheUpkeep, max_bytes_from_environment
from vqe_core.errors import PROGRAMMING_ERRORS, InputError
from vqe_core.runtime import ProcessLock

KIND, ANSWER_KIND = "digest", "answer"
_SUFFIXES = {KIND: DIGEST, ANSWER_KIND: ANSWER}
_MOST_IN_MEMORY = 10_000
_DIGEST_LOCK = ProcessLock()


class DigestTable:
    """Digests by stamp, in memory and as small entries of a cache: written whole, checked, evicted and cleared."""

    def __init__(self, cache: Cache, *, of_addresses: bool = False) -> None:
        self._cache = cache
        self._of_addresses = of_addresses  # what a file system of one machine says of a file means nothing on others
        self._memory: dict[str, str] = {}

    def get(self, stamp: str) -> str | None:
        """Return the digest of the file that had this stamp."""
        with _DIGEST_LOCK:
            digest = self._memory.get(stamp)
        if digest is not None or not self._is_kept(stamp):
            return digest
        entry = self._cache.get(_key(stamp))
        if entry is None:
            return None
        digest = str(entry.notes["digest"])
        self._remember(stamp, digest)
        return digest

    def put(self, stamp: str, digest: str) -> None:
        """Note the digest of a file."""
        self._remember(stamp, digest)
        if self._is_kept(stamp):
            self._cache.put(_key(stamp), Entry({}, {"digest": digest}))

    def _is_kept(self, stamp: str) -> bool:
        return not self._of_addresses or "://" in stamp

    def _remember(self, stamp: str, digest: str) -> None:
        with _DIGEST_LOCK:
            if len(self._memory) >= _MOST_IN_MEMORY:
                self._memory.pop(next(iter(self._memory)))
            self._memory[stamp] = digest


def _key(stamp: str) -> CacheKey:
    return CacheKey(KIND, {"stamp": stamp})


# The folder is looked through for its size after this share of the limit was written by this process.
_SHARE_BETWEEN_LOOKS = 0.02
_MOST_FAILURES = 3  # in a row, of writing; then nothing is tried for a while
_PAUSE = 60.0  # seconds

_LOCK = ProcessLock()


class EmbeddingCache:
    """Entries in a folder, by key. A failing disk costs time, never a score.

    Args:
        folder: made on the first write.
        max_bytes: room for all entries; beyond it the least recently used go. Default: ``VQE_CACHE_MAX_GB``, or 20 GB.

    Example:
        >>> import numpy as np, tempfile
        >>> cache = EmbeddingCache(tempfile.mkdtemp())
        >>> key = CacheKey("text", {"text": "a dog"})
        >>> cache.get(key) is None
        True
        >>> cache.put(key, Entry({"pooled": np.ones(2, np.float32)}))
        >>> cache.get(key).arrays["pooled"]
        array([1., 1.], dtype=float32)
    """

    def __init__(self, folder: str | os.PathLike[str], max_bytes: int | None = None) -> None:
        self.upkeep = CacheUpkeep(Path(folder), max_bytes_from_environment() if max_bytes is None else max_bytes)
        self.digests = DigestTable(self)
        self._failures, self._paused_until = 0, 0.0
        self._since_look: int | None = None  # bytes written since the folder was looked through; None: never was

    @property
    def folder(self) -> Path:
        """Folder of the entries."""
        return self.upkeep.folder

    def get(self, key: CacheKey) -> Entry | None:
        """Return the entry, or None if there is none that is whole. Using an entry makes it the most recently used."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            entry = _entry_of(key, data)
        except DamagedEntryError as error:
            self.upkeep.quarantine(path)
            warnings.warn(f"a damaged entry of the cache was set aside and is made anew ({error})", stacklevel=2)
            return None
        self.upkeep.touch(path)
        return entry

    def put(self, key: CacheKey, entry: Entry) -> None:
        """Store an entry. Where the folder cannot be written, one warning says so, and some failures bring a pause."""
        if time.monotonic() < self._paused_until:
            return
        path, data = self._path(key), entry_to_bytes(key.text, entry)
        try:
            try:
                _write(path, data)
            except (FileNotFoundError, FileExistsError):  # another process removed the folder just now
                _write(path, data)
        except OSError as error:
            self._note_failure(error)
            return
        self._failures = 0
        self._make_room(len(data))

    def _path(self, key: CacheKey) -> Path:
        return self.upkeep.path(key.digest, _SUFFIXES.get(key.kind, SUFFIX))

    def _note_failure(self, error: OSError) -> None:
        self._failures += 1
        if self._failures >= _MOST_FAILURES:
            self._paused_until = time.monotonic() + _PAUSE
        if self._failures == 1:
            warnings.warn(f"cache_dir ({str(self.folder)!r}) cannot be written ({error}); nothing is stored there "
                          "until it can", stacklevel=3)  # fmt: skip

    def _make_room(self, written: int) -> None:
        first = self._since_look is None
        due = first and not self.upkeep.looked_lately()
        with _LOCK:  # of several threads one looks
            self._since_look = (self._since_look or 0) + written
            if not due and self._since_look < _SHARE_BETWEEN_LOOKS * self.upkeep.max_bytes:
                return
            self._since_look = 0
        self.upkeep.evict()


class RemoteCache:
    """Entries in an object store, by key: one machine's work is every machine's. A failing store costs time, never a
    score.

    An entry is put whole or not at all, and only where there is none: equal keys hold equal bytes. Nothing is removed
    here; rules of the store's own do that.

    Args:
        url: address that fsspec knows, for example ``"s3://bucket/embeddings"``.

    Raises:
        InputError: the address is none that fsspec knows, or its package is not installed.

    Example:
        >>> import numpy as np
        >>> cache = RemoteCache("memory://embeddings")
        >>> cache.put(CacheKey("text", {"text": "a dog"}), Entry({"pooled": np.ones(2, np.float32)}))
        >>> cache.get(CacheKey("text", {"text": "a dog"})).arrays["pooled"]
        array([1., 1.], dtype=float32)
    """

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            self._system, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise InputError(f"cache_dir ({url!r}): {' '.join(str(error).split())}") from error
        self.url, self.digests = url, DigestTable(self, of_addresses=True)
        self._failures, self._paused_until = 0, 0.0

    def get(self, key: CacheKey) -> Entry | None:
        """Return the entry, or None if there is none that is whole."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            data = self._system.cat_file(self._path(key))
        except FileNotFoundError:
            return None
        except PROGRAMMING_ERRORS:
            raise
        except Exception as error:  # whatever the file systems behind fsspec raise
            self._note_failure("read", error)
            return None
        try:
            return _entry_of(key, data)
        except DamagedEntryError as error:
            warnings.warn(f"a damaged entry of the cache {self.url!r} is passed over ({error})", stacklevel=2)
            return None

    def put(self, key: CacheKey, entry: Entry) -> None:
        """Store an entry, unless there is one."""
        if time.monotonic() < self._paused_until:
            return
        path, data = self._path(key), entry_to_bytes(key.text, entry)
        try:
            if not self._system.exists(path):
                _put_if_absent(self._system, path, data)
        except PROGRAMMING_ERRORS:
            raise
        except Exception as error:  # whatever the file systems behind fsspec raise
            self._note_failure("written", error)
            return
        self._failures = 0

    def _path(self, key: CacheKey) -> str:
        return f"{self._root}/{key.digest[:2]}/{key.digest}{_SUFFIXES.get(key.kind, SUFFIX)}"

    def _note_failure(self, what: str, error: Exception) -> None:
        self._failures += 1
        if self._failures >= _MOST_FAILURES:
            self._paused_until = time.monotonic() + _PAUSE
        if self._failures == 1:
            words = f"cache_dir ({self.url!r}) cannot be {what} ({type(error).__name__}: {error}); it is done without"
            warnings.warn(words, stacklevel=3)


def _entry_of(key: CacheKey, data: bytes) -> Entry:
    key_text, entry = entry_from_bytes(data)
    if key_text != key.text:
        raise DamagedEntryError("it holds another key")
    return entry


def _put_if_absent(system: Any, path: str, data: bytes) -> None:
    """Write an object whole; one that another machine has just put stays. A store that cannot tell replaces it by its
    like."""
    system.makedirs(path.rpartition("/")[0], exist_ok=True)  # stores without folders do nothing
    try:
        system.pipe_file(path, data, mode="create")
    except FileExistsError:
        return
    except (TypeError, ValueError, NotImplementedError):
        system.pipe_file(path, data)


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}{PART}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


Cache: TypeAlias = EmbeddingCache | RemoteCache
_OPEN: dict[tuple[str, int], Cache] = {}


def open_cache(cache_dir: str | os.PathLike[str] | None) -> Cache | None:
    """Return the cache in a folder or at an address, None for None.

    All calls of a process share one, so that they look through it once.

    Raises:
        InputError: the path is a file, or none that a folder can have.
    """
    if cache_dir is None:
        return None
    if isinstance(cache_dir, str) and "://" in cache_dir:
        with _LOCK:
            if (cache_dir, 0) not in _OPEN:
                _OPEN[cache_dir, 0] = RemoteCache(cache_dir)
            return _OPEN[cache_dir, 0]
    try:
        nameless = b"\0" in os.fsencode(cache_dir)
    except UnicodeEncodeError:
        nameless = True
    if nameless:
        raise InputError(
            f"cache_dir ({os.fspath(cache_dir)!r}) is no name of a folder; give another, or None for no cache"
        )
    if os.path.exists(cache_dir) and not os.path.isdir(cache_dir):
        raise InputError(f"cache_dir ({os.fspath(cache_dir)!r}) is a file; give a folder, or None for no cache")
    folder, max_bytes = os.path.realpath(cache_dir), max_bytes_from_environment()
    with _LOCK:
        return _OPEN.setdefault((folder, max_bytes), EmbeddingCache(folder, max_bytes))
