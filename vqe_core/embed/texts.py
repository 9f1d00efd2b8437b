"""Texts to embeddings, each distinct one once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vqe_core.cache import Cache, CacheKey, Entry
from vqe_core.embed.settings import EmbedSettings
from vqe_core.encoders import text_signature
from vqe_core.encoders.checkpoints import content_parts
from vqe_core.errors import VqeError, attempt
from vqe_core.timings import count, timed
from vqe_core.types import TextEmbedding, restored_warnings, stored_warnings

if TYPE_CHECKING:
    from vqe_core.encoders import ImageTextEncoder


MOST_BYTES = 64 << 20  # of texts that are kept: some 2,000 captions of ViT-B/32


class TextMemory:
    """Embeddings of texts that later calls find again, the oldest dropped first; for who scores parts of one table.

    Only for as long as no model changes: an encoder is told by the object that it is.

    Args:
        most_bytes: that the embeddings may take.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._held: dict[tuple[Any, ...], tuple[ImageTextEncoder, TextEmbedding]] = {}
        self._bytes = 0

    def find(self, key: tuple[Any, ...]) -> TextEmbedding | None:
        """Return what was kept, if it still is."""
        found = self._held.get(key)
        return None if found is None else found[1]

    def keep(self, key: tuple[Any, ...], encoder: ImageTextEncoder, embedding: TextEmbedding) -> None:
        """Keep an embedding; ``encoder`` stays alive with it, so that its ``id`` in the key is no other's."""
        if key not in self._held:
            self._held[key] = encoder, embedding
            self._bytes += _bytes_of(embedding)
        while self._bytes > self.most_bytes:
            _, dropped = self._held.pop(next(iter(self._held)))
            self._bytes -= _bytes_of(dropped)


def _bytes_of(embedding: TextEmbedding) -> int:
    tokens = 0 if embedding.tokens is None else embedding.tokens.nbytes
    return tokens + embedding.pooled.nbytes + 200  # of objects around them


_memory: ContextVar[TextMemory | None] = ContextVar("_memory", default=None)


@contextmanager
def remembering_texts(memory: TextMemory) -> Iterator[None]:
    """Look texts up in a memory, and keep them there, in all calls of this context."""
    token = _memory.set(memory)
    try:
        yield
    finally:
        _memory.reset(token)


def embed_texts(
    texts: Sequence[str], encoder: ImageTextEncoder, settings: EmbedSettings, *, long_text: Any
) -> dict[str, TextEmbedding | VqeError]:
    """Embed each distinct text once. One that fails, or is too long where that is an error, gives its error."""
    results: dict[str, TextEmbedding | VqeError] = {}
    store = _TextStore(encoder, settings.cache, long_text, _memory.get())
    missing: list[str] = []
    for text in dict.fromkeys(texts):
        found = attempt(_look_up, text, encoder, store)
        if found is None:
            missing.append(text)
        else:
            results[text] = found
    if missing:
        for text, embedding in _embedded(missing, encoder, settings, long_text).items():
            kept = attempt(store.keep, text, embedding) if isinstance(embedding, TextEmbedding) else None
            results[text] = embedding if kept is None else kept
    return results


def _look_up(text: str, encoder: ImageTextEncoder, store: _TextStore) -> TextEmbedding | None:
    found = store.find(text)
    if found is None and store.long_text == "error":
        encoder.tokenizer.split(text, "error")
    return found


def _embedded(
    texts: Sequence[str], encoder: ImageTextEncoder, settings: EmbedSettings, long_text: Any
) -> dict[str, TextEmbedding | VqeError]:
    """Embed texts in batches; where that fails in a way that nobody foresaw, one by one, so that it costs few rows.

    Raises:
        VqeError: the encoder cannot embed any text.
    """

    def embed(some: Sequence[str]) -> list[TextEmbedding]:
        count("texts_encoded", len(some))
        with timed("texts"):
            return list(encoder.embed_texts(some, long_text=long_text, batch_size=settings.text_batch))

    try:
        return dict(zip(texts, embed(texts), strict=True))
    except VqeError:
        raise
    except Exception:
        return {text: attempt(lambda text=text: embed([text])[0]) for text in texts}


@dataclass(frozen=True)
class _TextStore:
    """Texts in a cache; what is done to long texts is no part of the key of one that fits the context."""

    encoder: ImageTextEncoder
    cache: Cache | None
    long_text: Any
    memory: TextMemory | None = None

    def find(self, text: str) -> TextEmbedding | None:
        if self.memory is not None and (kept := self.memory.find(self._kept_as(text))) is not None:
            return kept
        if self.cache is None:
            return None
        entry = self.cache.get(self._key(text, fits=True)) or self.cache.get(self._key(text, fits=False))
        return None if entry is None else text_of_entry(entry)

    def _kept_as(self, text: str) -> tuple[Any, ...]:
        return id(self.encoder), self.long_text, text

    def keep(self, text: str, embedding: TextEmbedding) -> None:
        if self.memory is not None:
            self.memory.keep(self._kept_as(text), self.encoder, embedding)
        if self.cache is not None:
            fits = len(self.encoder.tokenizer.split(text, "windows").windows) == 1
            self.cache.put(self._key(text, fits=fits), entry_of_text(embedding))

    def _key(self, text: str, *, fits: bool) -> CacheKey:
        return CacheKey("text", {"text": text, "long_text": None if fits else self.long_text, "encoder": self._parts})

    @cached_property
    def _parts(self) -> dict[str, str]:
        return content_parts(text_signature(self.encoder))


def entry_of_text(text: TextEmbedding) -> Entry:
    """Return the entry that ``text_of_entry`` reads."""
    arrays = {"pooled": text.pooled.numpy(), "token_ids": np.asarray(text.token_ids, dtype=np.int64)}
    if text.tokens is not None:
        arrays["tokens"] = text.tokens.numpy()
    return Entry(arrays, {"notes": stored_warnings(text.notes)})


def text_of_entry(entry: Entry) -> TextEmbedding:
    """Return the embedding as it was stored, bit for bit."""
    tokens = entry.arrays.get("tokens")
    return TextEmbedding(
        tokens=None if tokens is None else torch.from_numpy(tokens),
        token_ids=tuple(entry.arrays["token_ids"].tolist()),
        pooled=torch.from_numpy(entry.arrays["pooled"]),
        notes=restored_warnings(entry.notes["notes"]),
    )
