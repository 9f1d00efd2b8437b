"""Answers of models that may cost money, stored as they arrive, by what was asked.

Conventions: an answer is stored as the model gave it, so that a later release may read it otherwise. The key holds the
whole of what was sent, and not the release of this package: an update sends nothing again. Refusals, errors and answers
without a meaning are never stored.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vqe_core.cache.entry import CacheKey, Entry
from vqe_core.cache.eviction import default_cache_dir
from vqe_core.cache.store import ANSWER_KIND, Cache, open_cache
from vqe_core.errors import InputError


@dataclass(frozen=True)
class AnswerStore:
    """Answers in the folder of a cache, where they are the last to go when room is short.

    Attributes:
        cache: whose folder holds them.

    Example:
        >>> import tempfile
        >>> store = AnswerStore(open_cache(tempfile.mkdtemp()))
        >>> key = store.key("http://localhost:8000/v1", {"model": "senses", "messages": ["What is heard?"]})
        >>> store.get(key) is None
        True
        >>> store.put(key, "a bell")
        >>> store.get(key)
        'a bell'
    """

    cache: Cache

    def key(self, server: str, request: Mapping[str, Any]) -> CacheKey:
        """Return the key of an answer.

        Args:
            server: that is asked, without a key or password.
            request: all that is sent and can change the answer, as plain values: model, messages, sampling.
        """
        sent = json.dumps(request, sort_keys=True).encode()
        return CacheKey(
            ANSWER_KIND,
            {
                "version": "any",
                "server": server,
                "model": request.get("model"),
                "sent": hashlib.sha256(sent).hexdigest(),
            },
        )

    def get(self, key: CacheKey) -> str | None:
        """Return the stored answer, None where there is none that is whole."""
        entry = self.cache.get(key)
        answer = None if entry is None else entry.notes.get("answer")
        return answer if isinstance(answer, str) else None

    def put(self, key: CacheKey, answer: str) -> None:
        """Store an answer. A folder that cannot be written costs a warning, never the answer."""
        self.cache.put(key, Entry({}, {"answer": answer}))


def open_answers(cache_dir: str | os.PathLike[str] | None, *, keep: bool = True) -> AnswerStore | None:
    """Return the store of answers in a folder of stored embeddings; None where they are not to be kept.

    Args:
        cache_dir: the folder. Default: see ``default_cache_dir``.
        keep: whether answers are stored and looked up.

    Raises:
        InputError: the path is a file, or none that a folder can have.
    """
    if not keep:
        return None
    if cache_dir is None:
        try:
            cache_dir = default_cache_dir()
        except InputError as error:
            warnings.warn(f"answers are not kept, so a run that ends early pays for them again: {error}", stacklevel=2)
            return None
    cache = open_cache(cache_dir)
    return None if cache is None else AnswerStore(cache)
