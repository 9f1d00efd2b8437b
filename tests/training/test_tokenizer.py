"""Words of the world are single tokens; any other text tokenises too."""

import numpy as np
import pytest
from transformers import AutoTokenizer, CLIPTokenizer

from training.tokenizer import MAX_LENGTH, build_tokenizer, learn_merges, token_ids, world_words
from vqe_core.toy import model_folder
from vqe_core.toy.captions import caption, sound_caption
from vqe_core.toy.claims import full_claims, random_claims
from vqe_core.toy.world import sample_attributes


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def test_merges_stop_when_every_word_is_one_token():
    assert learn_merges(["ab", "abc"]) == [("a", "b"), ("a", "b</w>"), ("ab", "c</w>")]


def test_every_word_is_one_token(tokenizer):
    assert [word for word in world_words() if len(tokenizer.tokenize(word)) != 1] == []


def test_every_caption_is_made_of_whole_words_and_fits(tokenizer):
    rng, longest = np.random.default_rng(0), 0
    for _ in range(500):
        attributes = sample_attributes(rng)
        texts = [caption(random_claims(attributes, rng), rng), caption(full_claims(attributes, sound=True), rng)]
        for text in [*texts, sound_caption(attributes, rng)]:
            tokens = tokenizer.convert_ids_to_tokens(tokenizer(text).input_ids)[1:-1]
            assert all(token.endswith("</w>") for token in tokens), text
            longest = max(longest, len(tokens) + 2)
    assert longest < MAX_LENGTH


@pytest.mark.parametrize("text", ["Zürich 東京 🎉", "It's 42!", "quixotic zebras", "\x00\x7f"])
def test_other_texts_have_no_unknown_token(tokenizer, text):
    ids = tokenizer(text).input_ids
    assert ids[-1] == tokenizer.eos_token_id and tokenizer.eos_token_id not in ids[:-1]


def test_text_survives_the_round_trip(tokenizer):
    text = "two small red stars move left, then a big ring spins"
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text.replace(",", " ,")


def test_ids_are_padded_and_cut(tokenizer):
    ids, mask = token_ids(tokenizer, ["a red star", "star " * 100])
    assert ids.shape == mask.shape == (2, MAX_LENGTH)
    assert mask.sum(1).tolist() == [5, MAX_LENGTH]
    assert ids[1, -1] == tokenizer.eos_token_id


def test_the_shipped_tokenizer_is_the_built_one(tokenizer):
    shipped = AutoTokenizer.from_pretrained(model_folder())
    assert isinstance(shipped, CLIPTokenizer)
    assert shipped.get_vocab() == tokenizer.get_vocab()
    assert shipped.model_max_length == MAX_LENGTH
    text = "a small yellow crescent drifts left over a wavy wall"
    assert shipped(text).input_ids == tokenizer(text).input_ids
