"""Embeddings on disk, found by the content they were made from, shared by metrics and processes."""

from __future__ import annotations

from vqe_core.cache.answers import AnswerStore, open_answers
from vqe_core.cache.entry import CacheKey, Entry
from vqe_core.cache.eviction import DEFAULT_MAX_BYTES, CacheInfo, CacheUpkeep, default_cache_dir
from vqe_core.cache.store import Cache, EmbeddingCache, open_cache

__all__ = [
    "DEFAULT_MAX_BYTES",
    "AnswerStore",
    "Cache",
    "CacheInfo",
    "CacheKey",
    "CacheUpkeep",
    "EmbeddingCache",
    "Entry",
    "default_cache_dir",
    "open_answers",
    "open_cache",
]
