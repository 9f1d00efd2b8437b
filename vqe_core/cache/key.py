"""What an entry is found by: everything that can change its numbers, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vqe_core import __version__

# Counted up when an entry's content, or what its parts mean, changes; entries of other schemas are never found.
SCHEMA = 2


@dataclass(frozen=True)
class CacheKey:
    """Kind of an entry and what it was made from.

    Attributes:
        kind: a word such as ``"frames"`` or ``"text"``.
        parts: plain values (JSON): content digest, sampler, reader with versions, signature of the encoder.

    Example:
        >>> CacheKey("text", {"text": "a dog"}).digest == CacheKey("text", {"text": "a dog"}).digest
        True
    """

    kind: str
    parts: Mapping[str, Any] = field(repr=False)

    @cached_property
    def text(self) -> str:
        """The key in one canonical form; it is stored inside the entry and compared on reading."""
        named = {"schema": SCHEMA, "version": __version__, "kind": self.kind, **self.parts}
        return json.dumps(named, sort_keys=True, ensure_ascii=False)

    @cached_property
    def digest(self) -> str:
        """64 hex digits, the entry's file name."""
        return key_digest(self.text)


def key_digest(text: str) -> str:
    """SHA-256 of a key's text, hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
