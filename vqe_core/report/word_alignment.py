"""Alignment of the words of a caption with the sampled frames.

Task: turn token and frame embeddings into a table a reader can follow word by word.
Conventions: embeddings are unit vectors of one space; axes L tokens, W words, N frames, D embedding size.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from vqe_core.errors import InputError

END_OF_WORD = "</w>"  # CLIP marks the last piece of a word
WORD_STARTS = ("▁", "Ġ")  # SentencePiece and byte-level BPE mark the first one
CONTINUES = "##"  # WordPiece marks all but the first
# Scripts that put no space between words: Thai, Lao, Myanmar, Khmer, kana, bopomofo, Han.
UNSPACED = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x312F), (0x31F0, 0x31FF)),
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x20000, 0x323AF)),
)
BINDS_NEXT = "เแโใไເແໂໃໄ"  # vowels of Thai and Lao that are written before their consonant
BINDS_LAST = "ーゝゞヽヾ々ぁぃぅぇぉゃゅょっァィゥェォャュョッะาำະາຳຽ"  # they lengthen, repeat or change what is before
UNFINISHED = "\ufffd"  # what a part of a letter decodes to
ALIKE = 0.02  # cosines of one word that differ less look alike in the table, so naming a best one would mislead


@dataclass(frozen=True)
class Word:
    """Word as a reader sees it, and the ``positions`` of its tokens. ``special``: a start or end token."""

    text: str
    positions: tuple[int, ...]
    special: bool = False


@dataclass(frozen=True, eq=False)
class WordEvidence:
    """Cosines of each word of a caption with each frame, and the best of both.

    Attributes:
        words: W words, the start and end tokens among them.
        similarity: float32 (W, N), cosines; of a word of several tokens, their mean.
        best_of_word: float32 (W,), cosine with the best frame. Its mean over the tokens is figr_P without idf.
        best_of_frame: float32 (N,), cosine with the best token. Its mean is figr_R.
        token_similarity: float32 (L, N), cosines of the single tokens.
    """

    words: tuple[Word, ...]
    similarity: np.ndarray = field(repr=False)
    best_of_word: np.ndarray = field(repr=False)
    best_of_frame: np.ndarray = field(repr=False)
    token_similarity: np.ndarray = field(repr=False)

    @property
    def best_frame(self) -> list[int | None]:
        """Position of each word's best frame; None where the frames are as good as alike to it."""
        best, spread = self.similarity.argmax(axis=1), np.ptp(self.similarity, axis=1)
        return [int(i) if wide else None for i, wide in zip(best, spread >= ALIKE, strict=True)]


def word_evidence(words: Sequence[Word], tokens: Any, frames: Any) -> WordEvidence:
    """Match words with frames.

    Args:
        words: as ``read_words`` gives them; together they hold every token once.
        tokens: float (L, D), unit rows: a tensor or an array.
        frames: float (N, D), unit rows.

    Raises:
        InputError: the words do not hold every token once.

    Example:
        >>> words = [Word("red", (0,)), Word("crescent", (1, 2))]
        >>> tokens = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
        >>> evidence = word_evidence(words, tokens, np.array([[1.0, 0.0], [0.8, 0.6]]))
        >>> evidence.similarity[0].tolist() == [1.0, np.float32(0.8)], evidence.best_frame
        (True, [0, 1])
        >>> [f"{best:.2f}" for best in evidence.best_of_word]
        ['1.00', '0.78']
    """
    cosines = np.asarray(tokens, np.float32) @ np.asarray(frames, np.float32).T  # (L, N)
    if sorted(p for word in words for p in word.positions) != list(range(len(cosines))):
        raise InputError(f"words must hold each of the {len(cosines)} tokens once; pass the words of this very text")
    rows = [cosines[list(word.positions)] for word in words]
    return WordEvidence(
        words=tuple(words),
        similarity=np.stack([row.mean(axis=0) for row in rows]),
        best_of_word=np.array([row.max(axis=1).mean() for row in rows], np.float32),
        best_of_frame=cosines.max(axis=0),
        token_similarity=cosines,
    )


def read_words(token_ids: Sequence[int], tokenizer: Any) -> list[Word]:
    """Read the words of an embedded text.

    Args:
        token_ids: the ids of ``TextEmbedding.token_ids``.
        tokenizer: a Hugging Face tokenizer, as an encoder's ``tokenizer.inner``.

    Where a script has no spaces between words, each piece of the model's vocabulary is a word: with a vocabulary of
    SentencePiece mostly real words, with one of single characters or bytes a character. A dictionary would give better
    words, and would be a dependency for each language.
    """
    special = set(tokenizer.all_special_ids)
    last = len(token_ids) - 1
    pieces = tokenizer.convert_ids_to_tokens(list(token_ids))
    words = []

    def decoded(positions: Sequence[int]) -> str:
        # decoded, not joined: byte-level pieces are not the characters they stand for
        return str(tokenizer.decode([token_ids[p] for p in positions])).strip()

    for positions in word_positions(pieces, [i in special for i in token_ids]):
        first = positions[0]
        if token_ids[first] in special:
            name = {0: "start", last: "end"}.get(first, pieces[first])
            words.append(Word(name, positions, special=True))
        else:
            words += [Word(decoded(part), part) for part in split_unspaced(positions, decoded)]
    return words


def split_unspaced(positions: Sequence[int], decode: Callable[[Sequence[int]], str]) -> list[tuple[int, ...]]:
    """Split a run of tokens where its script has no spaces; a run of another script stays whole.

    Args:
        positions: of the tokens of what spaces divide.
        decode: positions to the text they stand for.

    Example:
        >>> split_unspaced(range(4), lambda part: "".join(["3", "D", "电影", "院"][i] for i in part))
        [(0, 1), (2,), (3,)]
        >>> split_unspaced(range(3), lambda part: "".join("red"[i] for i in part))
        [(0, 1, 2)]
    """
    if len(positions) == 1 or not any(map(is_unspaced, decode(positions))):
        return [tuple(positions)]
    groups: list[list[int]] = []
    held: list[int] = []  # tokens that are no whole letter yet, or a letter that binds the next
    for position in positions:
        held.append(position)
        text = decode(held)
        if not text or text.endswith(UNFINISHED) or (position != positions[-1] and text[-1] in BINDS_NEXT):
            continue
        if groups and _bound(decode(groups[-1]), text):
            groups[-1] += held
        else:
            groups.append(held)
        held = []
    if held:  # half a letter at the end of a text that was cut
        groups.append(held)
    return [tuple(group) for group in groups]


def is_unspaced(letter: str) -> bool:
    """Tell whether a letter belongs to a script that puts no spaces between words."""
    return any(first <= ord(letter) <= last for first, last in UNSPACED)


def _bound(before: str, after: str) -> bool:
    """Tell whether no word begins between two texts that stand side by side."""
    if unicodedata.category(after[0]).startswith("M") or after[0] in BINDS_LAST:
        return True
    return not is_unspaced(before[-1:] or " ") and not is_unspaced(after[0])


def word_positions(pieces: Sequence[str], special: Sequence[bool]) -> list[tuple[int, ...]]:
    """Group tokens into words.

    Args:
        pieces: tokens as the vocabulary spells them, of CLIP, SentencePiece, byte-level BPE or WordPiece.
        special: True for tokens that are no part of the text; each stands alone.

    Example:
        >>> word_positions(["<s>", "a</w>", "cres", "cent</w>"], [True, False, False, False])
        [(0,), (1,), (2, 3)]
        >>> word_positions(["▁a", "▁cres", "cent"], [False] * 3)
        [(0,), (1, 2)]
    """
    ends_marked = any(piece.endswith(END_OF_WORD) for piece in pieces)
    starts_marked = any(piece.startswith(WORD_STARTS) for piece in pieces)
    groups: list[list[int]] = []
    for i, piece in enumerate(pieces):
        if i == 0 or special[i] or special[i - 1]:
            new = True
        elif ends_marked:
            new = pieces[i - 1].endswith(END_OF_WORD)
        elif starts_marked:
            new = piece.startswith(WORD_STARTS)
        else:
            new = not piece.startswith(CONTINUES)
        if new:
            groups.append([i])
        else:
            groups[-1].append(i)
    return [tuple(group) for group in groups]


def frame_names(timestamps: np.ndarray | None, count: int) -> list[str]:
    """Name ``count`` frames for people: times in seconds, or numbers from 1 without a clock.

    Example:
        >>> frame_names(np.array([0.0, 0.5]), 2), frame_names(None, 2)
        (['0.00 s', '0.50 s'], ['#1', '#2'])
    """
    if timestamps is None:
        return [f"#{i + 1}" for i in range(count)]
    return [f"{time:.2f} s" for time in timestamps]


def changed_words(text: str, other: str) -> list[tuple[str, bool]]:
    """Split ``text`` into words, each with whether it differs from ``other`` at its place.

    Example:
        >>> changed_words("two blue stars spin", "two red stars spin")
        [('two', False), ('blue', True), ('stars', False), ('spin', False)]
    """
    ours, theirs = text.split(), other.split()
    same: set[int] = set()
    for block in SequenceMatcher(a=ours, b=theirs, autojunk=False).get_matching_blocks():
        same.update(range(block.a, block.a + block.size))
    return [(word, i not in same) for i, word in enumerate(ours)]


@dataclass(frozen=True)
class Change:
    """Words that differ between two captions, with the cosines of their best frames (means of several words)."""

    was: str
    now: str
    was_best: float
    now_best: float


def changes(right: WordEvidence, foil: WordEvidence) -> list[Change]:
    """Find the words of ``right`` that ``foil`` replaces; words only left out or added are not told."""
    ours, theirs = _text_words(right), _text_words(foil)
    matcher = SequenceMatcher(a=[text for text, _ in ours], b=[text for text, _ in theirs], autojunk=False)
    found = []
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "replace":
            (was, was_best), (now, now_best) = _phrase(ours[i:j]), _phrase(theirs[k:m])
            found.append(Change(was, now, was_best, now_best))
    return found


def _phrase(words: Sequence[tuple[str, float]]) -> tuple[str, float]:
    return " ".join(text for text, _ in words), float(np.mean([best for _, best in words]))


def _text_words(evidence: WordEvidence) -> list[tuple[str, float]]:
    pairs = zip(evidence.words, evidence.best_of_word.tolist(), strict=True)
    return [(word.text, best) for word, best in pairs if not word.special]
