"""Texts to embeddings, each distinct one once."""

from __future__ import annotations

from collections.abc import Sequence
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


def embed_texts(
    texts: Sequence[str], encoder: ImageTextEncoder, settings: EmbedSettings, *, long_text: Any
) -> dict[str, TextEmbedding | VqeError]:
    """Embed each distinct text once. One that fails, or is too long where that is an error, gives its error."""
    results: dict[str, TextEmbedding | VqeError] = {}
    store = _TextStore(encoder, settings.cache, long_text)
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

    def find(self, text: str) -> TextEmbedding | None:
        if self.cache is None:
            return None
        entry = self.cache.get(self._key(text, fits=True)) or self.cache.get(self._key(text, fits=False))
        return None if entry is None else text_of_entry(entry)

    def keep(self, text: str, embedding: TextEmbedding) -> None:
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
