"""One entry as bytes: safetensors with the key, warnings and a checksum of all of it inside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from vqe_core.errors import VqeError
from vqe_core.version import __version__

_PREFIX = 8  # safetensors: bytes that hold the length of the header


# What bytes may raise that are no entry: no safetensors, no JSON, JSON that is too deep, or of other kinds.
_NO_ENTRY = (
    SafetensorError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
)


class DamagedEntryError(VqeError, ValueError):
    """An entry is not what was written: cut off, altered, or under another key's name."""

    code = "damaged_entry"


@dataclass(frozen=True)
class Entry:
    """Arrays and notes as they are stored.

    Attributes:
        arrays: by name.
        notes: plain values (JSON) beside them.
    """

    arrays: Mapping[str, np.ndarray] = field(repr=False)
    notes: Mapping[str, Any] = field(default_factory=dict)


def packed(entries: Mapping[str, Entry]) -> Entry:
    """Return several entries as one; ``unpacked`` takes them apart.

    Args:
        entries: by names without a slash.

    Example:
        >>> both = packed({"a": Entry({"x": np.ones(1)}, {"n": 1}), "b": Entry({}, {})})
        >>> list(both.arrays), both.notes
        (['a/x'], {'a': {'n': 1}, 'b': {}})
    """
    arrays = {f"{name}/{key}": array for name, entry in entries.items() for key, array in entry.arrays.items()}
    return Entry(arrays, {name: dict(entry.notes) for name, entry in entries.items()})


def unpacked(entry: Entry) -> dict[str, Entry]:
    """Return the entries that ``packed`` joined, by name."""
    arrays: dict[str, dict[str, np.ndarray]] = {name: {} for name in entry.notes}
    for key, array in entry.arrays.items():
        name, _, own = key.partition("/")
        arrays[name][own] = array
    return {name: Entry(arrays[name], notes) for name, notes in entry.notes.items()}


def entry_to_bytes(key_text: str, entry: Entry) -> bytes:
    """Return the entry as a safetensors file that can prove what it holds."""
    notes = json.dumps(entry.notes, sort_keys=True)
    # safetensors would write the memory of a strided array as it lies.
    arrays = {name: np.ascontiguousarray(array) for name, array in entry.arrays.items()}
    metadata = {"key": key_text, "notes": notes, "checksum": _checksum(key_text, notes, arrays)}
    return save(arrays, metadata)


def entry_from_bytes(data: bytes) -> tuple[str, Entry]:
    """Return the key's text and the entry.

    Raises:
        DamagedEntryError: the bytes are not exactly what was written.
    """
    try:
        arrays = load(data)  # first: what it takes has a header of names, and metadata of texts
        length = int.from_bytes(data[:_PREFIX], "little")
        metadata = json.loads(data[_PREFIX : _PREFIX + length].decode("utf-8"))["__metadata__"]
        key_text, notes, checksum = metadata["key"], metadata["notes"], metadata["checksum"]
        whole = checksum == _checksum(key_text, notes, arrays)
        plain = json.loads(notes)
    except _NO_ENTRY as error:
        raise DamagedEntryError(f"{type(error).__name__}: {error}") from error
    if not whole:
        raise DamagedEntryError("its checksum does not fit its content")
    if not isinstance(plain, dict):
        raise DamagedEntryError(f"its notes are {type(plain).__name__}, not an object")
    return key_text, Entry(arrays, plain)


def _checksum(key_text: str, notes: str, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for text in (key_text, notes):
        digest.update(f"{len(text)}:".encode())
        digest.update(text.encode("utf-8", "surrogatepass"))
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}:{array.dtype.str}:{array.shape}:".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


# Counted up when an entry's content, or what its parts mean, changes; entries of other schemas are never found.
SCHEMA = 3


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
