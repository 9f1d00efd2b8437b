"""Tokenization: texts to token ids that fit a model's context.

A text longer than the context is split into overlapping windows, each with its own start and end tokens, or truncated
(the end token is kept), or refused; the result says so.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vqe_core.errors import InputError, ModelNotFoundError
from vqe_core.options import LongText
from vqe_core.types import RowWarning

# Without one of these, transformers makes up an empty tokenizer that gives every text the same ids.
VOCABULARIES = (
    *("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model"),
    "sentencepiece.bpe.model",
)

# Neighbouring windows share a fifth of their tokens, so that no phrase is seen only cut in two.
OVERLAP = 0.2


@dataclass(frozen=True)
class TokenWindows:
    """Token ids of one text: one window, or several where it is long; ``note`` says what was done to it."""

    windows: tuple[tuple[int, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Tokenizer:
    """A checkpoint's tokenizer and the length of its context.

    Attributes:
        inner: the Hugging Face tokenizer.
        context: most ids a text may have, start and end included.
        prefix, suffix: ids the tokenizer puts before and after a text.
    """

    inner: Any = field(repr=False)
    context: int
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]

    def split(self, text: str, long_text: LongText = "windows") -> TokenWindows:
        """Split ``text`` into windows of at most ``context`` ids.

        Raises:
            InputError: the text is too long and ``long_text`` is ``"error"``, code ``text_too_long``.
        """
        content = tuple(self.inner(text, add_special_tokens=False, verbose=False)["input_ids"])
        room = self.context - len(self.prefix) - len(self.suffix)
        if len(content) <= room:
            return TokenWindows((self._framed(content),))
        total = len(content) + len(self.prefix) + len(self.suffix)
        if long_text == "error":
            raise InputError(
                f"caption has {total} tokens, the model reads {self.context}; shorten it, or use "
                "long_text='windows' or 'truncate'",
                code="text_too_long",
            )
        if long_text == "truncate":
            text = f"caption truncated to {self.context} of {total} tokens"
            return TokenWindows((self._framed(content[:room]),), RowWarning(text, code="caption_truncated"))
        starts = window_starts(len(content), room)
        windows = tuple(self._framed(content[start : start + room]) for start in starts)
        text = f"caption of {total} tokens read in {len(windows)} windows of {self.context}"
        return TokenWindows(windows, RowWarning(text, code="caption_in_windows"))

    def _framed(self, content: tuple[int, ...]) -> tuple[int, ...]:
        return (*self.prefix, *content, *self.suffix)

    def digest(self) -> str:
        """Return twelve hex digits of the vocabulary: where they are equal, ids mean the same."""
        text = json.dumps(sorted(self.inner.get_vocab().items()))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class TextSide:
    """The tokenizer of an encoder without its weights: enough to count words.

    Attributes:
        tokenizer: of the checkpoint.
        end_id: id of the token whose embedding stands for the whole text.
        has_token_embeddings: whether the encoder embeds single tokens.
    """

    tokenizer: Tokenizer
    end_id: int
    has_token_embeddings: bool


def window_starts(length: int, size: int) -> list[int]:
    """Return starts of windows of ``size`` that cover ``length`` ids; the last one ends at the end.

    Example:
        >>> window_starts(10, 4)
        [0, 3, 6]
        >>> window_starts(9, 4)
        [0, 3, 5]
    """
    step = max(1, size - max(1, int(size * OVERLAP)))
    starts = list(range(0, max(1, length - size), step))
    if starts[-1] + size < length:
        starts.append(length - size)
    return starts


def load_tokenizer(folder: Path, positions: int, *, stock_limit: int | None = None) -> Tokenizer:
    """Load a checkpoint's tokenizer; the context is the smaller of its own limit and the model's ``positions``.

    Args:
        folder: of the checkpoint.
        positions: ids that the text tower has positions for.
        stock_limit: a limit that tokenizers of the family are saved with whatever the model; where the model has more
            positions, it says nothing.
    """
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in VOCABULARIES):
        raise ModelNotFoundError(
            f"model folder {str(folder)!r} has no vocabulary ({', '.join(VOCABULARIES)}), so texts cannot be read; "
            "save the tokenizer beside the model, or fetch the checkpoint again"
        )
    inner = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    limit = None if inner.model_max_length == stock_limit else inner.model_max_length
    context = min(int(limit), positions) if limit else positions
    prefix, suffix = _special_ids(inner)
    return Tokenizer(inner, context, prefix, suffix)


def _special_ids(inner: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what the tokenizer puts around a text, found by looking, as there is no common way to ask."""
    bare = inner("a", add_special_tokens=False)["input_ids"]
    framed = inner("a")["input_ids"]
    for start in range(len(framed) - len(bare) + 1):
        if framed[start : start + len(bare)] == bare:
            return tuple(framed[:start]), tuple(framed[start + len(bare) :])
    raise InputError(f"tokenizer gives {framed} for 'a' but {bare} without special tokens; it cannot be windowed")
