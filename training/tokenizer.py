"""The tokenizer of the teaching model: a tiny byte-level BPE in the format of CLIP's.

Every word of the toy world is one token. The full byte alphabet is there too, so that any other
text also tokenises: CLIP's unknown token is its end token, and would move the pooled position.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

from vqe_core.toy import captions as wordings
from vqe_core.toy.world import BACKGROUNDS, COLOURS, COUNTS, SHAPES, SIZES, SOUNDS

MAX_LENGTH = 77  # positions of CLIP's text tower
END_OF_WORD = "</w>"
START_TOKEN, END_TOKEN = "<|startoftext|>", "<|endoftext|>"


def world_words() -> list[str]:
    """Return every word and sign that a caption or a sound caption can contain, sorted."""
    templates = [*wordings.SEQUENCES, *wordings.GROUNDS, *wordings.SOUND_CLAUSES, *wordings.SOUND_ALONE]
    verbs = [form for forms in wordings.VERBS.values() for pair in forms for form in pair]
    nouns = [noun + ending for noun in (*SHAPES, "shape") for ending in ("", "es" if noun == "cross" else "s")]
    values = [*COLOURS, *SIZES, *COUNTS, *BACKGROUNDS, *(word for sound in SOUNDS for word in sound)]
    heard = [*wordings.TIMES, *wordings.PITCHES, "with rising falling pitch a warble over hiss rumble", "an ,"]
    text = " ".join([*templates, *verbs, *nouns, *values, *heard])
    return sorted(set(text.replace("{0}", " ").replace("{1}", " ").replace(",", " , ").split()))


def build_tokenizer() -> CLIPTokenizer:
    """Build the ``CLIPTokenizer`` of the teaching model; the same every time."""
    merges = learn_merges(world_words())
    alphabet = byte_alphabet()
    tokens = [*alphabet, *(letter + END_OF_WORD for letter in alphabet), *("".join(pair) for pair in merges)]
    tokens = list(dict.fromkeys([*tokens, START_TOKEN, END_TOKEN]))
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_LENGTH)  # type: ignore[arg-type]


def learn_merges(words: list[str]) -> list[tuple[str, str]]:
    """Learn byte-pair merges until every word is a single token.

    The most frequent pair is merged first, ties in alphabetical order, so the result depends on
    the words alone.
    """
    return merge_parts([[*word[:-1], word[-1] + END_OF_WORD] for word in words])


def merge_parts(splits: list[list[str]]) -> list[tuple[str, str]]:
    """Learn byte-pair merges of words given as lists of letters, as ``learn_merges`` does."""
    merges = []
    while any(len(parts) > 1 for parts in splits):
        counts = Counter(pair for parts in splits for pair in pairwise(parts))
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        splits = [_merged(parts, best) for parts in splits]
    return merges


def byte_alphabet() -> list[str]:
    """Return the 256 printable signs that stand for the bytes in a byte-level BPE, sorted."""
    return sorted(ByteLevel.alphabet())


def token_ids(tokenizer: CLIPTokenizer, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Tokenise to int64 (B, L) ids and (B, L) mask, padded to the longest text."""
    batch = tokenizer(texts, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="np")
    return batch["input_ids"].astype(np.int64), batch["attention_mask"].astype(np.int64)


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for part in parts:
        # A part that was itself just merged is longer than pair[0], so "a a a" merges once.
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged
