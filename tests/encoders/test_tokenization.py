"""Texts that do not fit: windows that cover everything, truncation that keeps the end token."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny import clip_tokenizer
from vqe_core.encoders.tokenization import Tokenizer, window_starts
from vqe_core.errors import InputError

INNER = clip_tokenizer()
TOKENIZER = Tokenizer(INNER, 10, (INNER.bos_token_id,), (INNER.eos_token_id,))


@given(length=st.integers(1, 500), size=st.integers(2, 80))
def test_windows_cover_every_token_overlap_and_end_at_the_end(length, size):
    starts = window_starts(length, size)
    covered = {i for start in starts for i in range(start, min(start + size, length))}
    assert covered == set(range(length))
    if length > size:
        assert starts[-1] + size == length
        assert all(second - first < size for first, second in pairwise(starts))
    else:
        assert starts == [0]


@pytest.mark.parametrize("count", [1, 7, 8])
def test_a_text_that_fits_is_the_tokenizers_own(count):
    text = "cat " * count
    assert TOKENIZER.split(text).windows == (tuple(INNER(text)["input_ids"]),)
    assert TOKENIZER.split(text).note == ""


def test_every_window_has_start_and_end():
    split = TOKENIZER.split("cat dog man " * 10)
    assert len(split.windows) > 1
    assert all(w[0] == INNER.bos_token_id and w[-1] == INNER.eos_token_id and len(w) == 10 for w in split.windows)


def test_truncation_keeps_the_end_token():
    split = TOKENIZER.split("cat dog man " * 10, "truncate")
    (window,) = split.windows
    assert window[-1] == INNER.eos_token_id
    assert window[1:-1] == tuple(INNER("cat dog man " * 10, add_special_tokens=False)["input_ids"][:8])
    assert split.note == "caption truncated to 10 of 32 tokens"


def test_error_is_a_choice():
    with pytest.raises(InputError, match=re.escape("caption has 32 tokens, the model reads 10")) as caught:
        TOKENIZER.split("cat dog man " * 10, "error")
    assert caught.value.code == "text_too_long"


@given(text=st.text(max_size=40))
def test_any_text_can_be_split(text):
    for window in TOKENIZER.split(text).windows:
        assert 2 <= len(window) <= 10
