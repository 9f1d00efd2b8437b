"""What tells two model folders apart, whatever they are called."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

# Beginnings of the names of files that shape an embedding beside the weights; a card or a training log does not.
INPUT_FILES = (
    *("config", "tokenizer", "vocab", "merges", "special_tokens", "added_tokens", "spiece", "sentencepiece"),
    *("preprocessor", "processor"),
)


def digest_folder(folder: Path, weights: str) -> str:
    """Digest of what can change an embedding: configuration, weights, tokenizer and processor files."""
    stem = weights.split(".")[0]
    chosen = [p for p in sorted(folder.iterdir()) if p.is_file()]
    chosen = [p for p in chosen if p.name.startswith((stem, *INPUT_FILES)) and p.suffix != ".md"]
    return _digest_files(tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in chosen))


@lru_cache(maxsize=8)  # weights are large; size and time tell whether a file is the one already read
def _digest_files(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, _, _ in files:
        digest.update(Path(path).name.encode())
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:12]
