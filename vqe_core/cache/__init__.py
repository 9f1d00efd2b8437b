"""Embeddings on disk, found by the content they were made from, shared by metrics and processes."""

from __future__ import annotations

from vqe_core.cache.entry import Entry
from vqe_core.cache.key import CacheKey
from vqe_core.cache.place import DEFAULT_MAX_BYTES, default_cache_dir
from vqe_core.cache.store import EmbeddingCache, open_cache
from vqe_core.cache.upkeep import CacheInfo, CacheUpkeep

__all__ = [
    "DEFAULT_MAX_BYTES",
    "CacheInfo",
    "CacheKey",
    "CacheUpkeep",
    "EmbeddingCache",
    "Entry",
    "default_cache_dir",
    "open_cache",
]
