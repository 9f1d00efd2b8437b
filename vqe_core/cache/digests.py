"""Digests of files that were read before, by what the file system says of a file: it need not be read again to know it.

Who may be told by a stamp, and when a stamp is no proof, is decided where files are read (``media/content.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vqe_core.cache.entry import Entry
from vqe_core.cache.key import CacheKey
from vqe_core.processes import ProcessLock

if TYPE_CHECKING:
    from vqe_core.cache.store import EmbeddingCache

KIND = "digest"
_MOST_IN_MEMORY = 10_000
_LOCK = ProcessLock()


class DigestTable:
    """Digests by stamp, in memory and as small entries of a cache: written whole, checked, evicted and cleared."""

    def __init__(self, cache: EmbeddingCache) -> None:
        self._cache = cache
        self._memory: dict[str, str] = {}

    def get(self, stamp: str) -> str | None:
        """The digest of the file that had this stamp."""
        with _LOCK:
            digest = self._memory.get(stamp)
        if digest is not None:
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
        self._cache.put(_key(stamp), Entry({}, {"digest": digest}))

    def _remember(self, stamp: str, digest: str) -> None:
        with _LOCK:
            if len(self._memory) >= _MOST_IN_MEMORY:
                self._memory.pop(next(iter(self._memory)))
            self._memory[stamp] = digest


def _key(stamp: str) -> CacheKey:
    return CacheKey(KIND, {"stamp": stamp})
