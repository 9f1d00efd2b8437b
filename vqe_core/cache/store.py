"""Read and write entries so that no reader, crash or second process can ever meet a wrong one.

An entry is written under a name of its own and then renamed, which the file system does at once or not at all. It
holds its key and a checksum, so whatever else happened to the file is found on reading; a damaged entry is set
aside and counts as absent. Two processes that make the same entry write the same bytes, and either may win.
"""

from __future__ import annotations

import os
import uuid
import warnings
from pathlib import Path

from vqe_core.cache.entry import DamagedEntryError, Entry, entry_from_bytes, entry_to_bytes
from vqe_core.cache.key import CacheKey
from vqe_core.cache.place import max_bytes_from_environment
from vqe_core.cache.upkeep import PART, CacheUpkeep
from vqe_core.errors import InputError

# The folder is looked through for its size after this share of the limit was written by this process.
_SHARE_BETWEEN_LOOKS = 0.02


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
        self._writes = True
        self._since_look: int | None = None  # bytes written since the folder was looked through; None: never was

    @property
    def folder(self) -> Path:
        """Where the entries lie."""
        return self.upkeep.folder

    def get(self, key: CacheKey) -> Entry | None:
        """The entry, or None if there is none that is whole. Using an entry makes it the most recently used."""
        path = self.upkeep.path(key.digest)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            key_text, entry = entry_from_bytes(data)
            if key_text != key.text:
                raise DamagedEntryError("it holds another key")
        except DamagedEntryError as error:
            self.upkeep.quarantine(path)
            warnings.warn(f"a damaged entry of the cache was set aside and is made anew ({error})", stacklevel=2)
            return None
        self.upkeep.touch(path)
        return entry

    def put(self, key: CacheKey, entry: Entry) -> None:
        """Store an entry. Where the folder cannot be written, one warning is given and nothing more is tried."""
        if not self._writes:
            return
        path = self.upkeep.path(key.digest)
        part = path.with_name(f"{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}{PART}")
        data = entry_to_bytes(key.text, entry)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                part.write_bytes(data)
                os.replace(part, path)
            except OSError:
                part.unlink(missing_ok=True)
                raise
            self._make_room(len(data))
        except OSError as error:
            self._writes = False
            warnings.warn(f"cache_dir ({str(self.folder)!r}) cannot be written ({error}); nothing is stored there",
                          stacklevel=2)  # fmt: skip

    def _make_room(self, written: int) -> None:
        if self._since_look is not None:
            self._since_look += written
            if self._since_look < _SHARE_BETWEEN_LOOKS * self.upkeep.max_bytes:
                return
        self.upkeep.evict()
        self._since_look = 0


def open_cache(cache_dir: str | os.PathLike[str] | None) -> EmbeddingCache | None:
    """The cache in a folder, None for None.

    Raises:
        InputError: the path is a file.
    """
    if cache_dir is None:
        return None
    if os.path.exists(cache_dir) and not os.path.isdir(cache_dir):
        raise InputError(f"cache_dir ({os.fspath(cache_dir)!r}) is a file; give a folder, or None for no cache")
    return EmbeddingCache(cache_dir)
