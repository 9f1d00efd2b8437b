"""Texts to embeddings, each distinct one once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vqe_core.cache import CacheKey, Entry
from vqe_core.embed.settings import EmbedSettings
from vqe_core.errors import InputError, VqeError
from vqe_core.types import TextEmbedding

if TYPE_CHECKING:
    from vqe_core.encoders import ImageTextEncoder


def embed_texts(
    texts: Sequence[str], encoder: ImageTextEncoder, settings: EmbedSettings, *, long_text: Any
) -> dict[str, TextEmbedding | VqeError]:
    """Embed each distinct text once. A text that is too long, where that is an error, gives its error."""
    results: dict[str, TextEmbedding | VqeError] = {}
    missing: dict[str, CacheKey] = {}
    for text in dict.fromkeys(texts):
        key = _key(text, encoder, long_text)
        entry = settings.cache.get(key) if settings.cache is not None else None
        if entry is not None:
            results[text] = _embedding(entry)
            continue
        try:
            if long_text == "error":
                encoder.tokenizer.split(text, long_text)
            missing[text] = key
        except InputError as error:
            results[text] = error
    if missing:
        made = encoder.embed_texts(list(missing), long_text=long_text, batch_size=settings.text_batch)
        for (text, key), embedding in zip(missing.items(), made, strict=True):
            results[text] = embedding
            if settings.cache is not None:
                settings.cache.put(key, _entry(embedding))
    return results


def _key(text: str, encoder: ImageTextEncoder, long_text: Any) -> CacheKey:
    return CacheKey("text", {"text": text, "long_text": long_text, "encoder": encoder.signature()})


def _entry(text: TextEmbedding) -> Entry:
    arrays = {"pooled": text.pooled.numpy(), "token_ids": np.asarray(text.token_ids, dtype=np.int64)}
    if text.tokens is not None:
        arrays["tokens"] = text.tokens.numpy()
    return Entry(arrays, {"notes": list(text.notes)})


def _embedding(entry: Entry) -> TextEmbedding:
    tokens = entry.arrays.get("tokens")
    return TextEmbedding(
        tokens=None if tokens is None else torch.from_numpy(tokens),
        token_ids=tuple(entry.arrays["token_ids"].tolist()),
        pooled=torch.from_numpy(entry.arrays["pooled"]),
        notes=tuple(entry.notes["notes"]),
    )
