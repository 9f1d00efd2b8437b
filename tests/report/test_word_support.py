"""Words are found in the text, left out one by one, and the wrong one is among the least supported."""

from __future__ import annotations

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.decoders import Metaspace as MetaspaceDecoder
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace
from transformers import PreTrainedTokenizerFast

from tests.tiny import clip_tokenizer
from vqe_core.encoders import load_image_text_encoder
from vqe_core.report.explain import explain_emscore
from vqe_core.report.word_alignment import read_words
from vqe_core.report.word_support import (
    WordSupport,
    least_supported,
    marked_parts,
    speaks_against,
    without,
    word_spans,
    word_supports,
)
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.toy.clips import make_clip

CLIP = make_clip(seed=7)


def support_by_hand(scorer, caption, word, frames):
    """Score the caption with and without the word as any two captions are."""
    texts = [caption, " ".join(caption.replace(word, "", 1).split())]
    whole, rest = scorer.score(predictions=texts, videos=[frames] * 2).rows["EMScore(X,V)_cogr"]
    return whole - rest


def test_support_is_what_the_score_loses_without_the_word():
    caption, scorer = "three small purple stars spin", EMScore(clip_model_path="toy", frame_num=3)
    explained = explain_emscore(caption, CLIP.frames, clip_model_path="toy", frame_num=3)
    assert [word.text for word in explained.support] == caption.split()
    for word in explained.support:
        expected = support_by_hand(scorer, caption, word.text, CLIP.frames)
        assert word.support == pytest.approx(expected, abs=1e-5), word.text


def test_the_wrong_word_is_among_the_least_supported():
    right = CLIP.captions(1)[0]
    explained = explain_emscore(right, CLIP.frames, clip_model_path="toy")
    foil = right.replace("white", "purple", 1)
    assert foil != right
    wrong = explain_emscore(foil, CLIP.frames, clip_model_path="toy")
    assert "purple" in [word.text for word in wrong.least_supported]
    assert "purple" in [word.text for word in wrong.speaks_against]
    assert "white" not in [word.text for word in explained.speaks_against]


def test_motion_and_order_are_told_not_ranked():
    explained = explain_emscore("a red star moves left, then a ring appears", CLIP.frames, clip_model_path="toy")
    reasons = {word.text: word.unranked for word in explained.support}
    assert reasons == {
        **dict.fromkeys(("a", "red", "star", "ring"), ""),
        **dict.fromkeys(("moves", "left", "appears"), "motion"),
        "then": "order",
    }
    assert not {word.text for word in explained.least_supported} & {"moves", "left", "appears", "then"}


def test_a_single_word_cannot_be_left_out():
    (word,) = explain_emscore("star!", CLIP.frames, clip_model_path="toy").support
    assert (word.text, word.support, word.unranked) == ("star", None, "only word")
    assert least_supported([word]) == speaks_against([word]) == []


def spans_of(caption, encoder, long_text="windows"):
    (embedded,) = encoder.embed_texts([caption], long_text=long_text, batch_size=1)
    words = read_words(embedded.token_ids, encoder.tokenizer.inner)
    return words, word_spans(caption, words, encoder.tokenizer, long_text)


@pytest.mark.parametrize(
    "caption", ["A Zebra, running; fast!", "  two   unheard-of\tstars ", "Zoë saw 3 猫s", "Ávila ﬁsh"]
)
def test_words_are_found_where_they_stand(caption):
    words, spans = spans_of(caption, load_image_text_encoder("toy"))
    assert spans, caption
    for number, (start, end) in spans.items():
        text = caption[start:end]
        assert text and text == text.strip() and any(letter.isalnum() for letter in text)
        assert words[number].text[:1] == text.lower()[:1] or len(words[number].text) != len(text)
    assert (
        "".join(caption[slice(*span)] for span in spans.values()).lower()
        == "".join(filter(str.isalnum, caption)).lower()
    )


def test_words_of_a_long_text_are_found_in_every_window():
    caption = " ".join(f"{number} red stars" for number in ("two", "three", "four") * 16)
    words, spans = spans_of(caption, load_image_text_encoder("toy"))
    assert len(words) > len(set(spans.values())) == len(caption.split())
    assert all(words[number].text == caption[slice(*span)] for number, span in spans.items())
    _, cut = spans_of(caption, load_image_text_encoder("toy"), "truncate")
    assert len(cut) < len(caption.split())
    explained = explain_emscore(caption, CLIP.frames, clip_model_path="toy", frame_num=2)
    assert len(explained.support) == len(caption.split())


def sentence_pieces():
    """Make a tokenizer with a vocabulary of words, as XLM-RoBERTa (AltCLIP) has."""
    pieces = ["<s>", "</s>", "<unk>", "▁", "一只", "红色", "的", "猫", "▁在", "在", "跑", "▁red", "s"]
    inner = tokenizers.Tokenizer(Unigram([(piece, -1.0) for piece in pieces], unk_id=2))
    inner.pre_tokenizer = Metaspace()
    inner.decoder = MetaspaceDecoder()
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def test_sentences_without_spaces_fall_into_the_words_of_the_vocabulary():
    tokenizer = sentence_pieces()
    words = read_words(tokenizer("一只红色的猫 在跑 reds")["input_ids"], tokenizer)
    assert [word.text for word in words if word.text] == ["一只", "红色", "的", "猫", "在", "跑", "reds"]


def test_a_chinese_caption_is_explained_character_by_character():
    explained = explain_emscore("一只猫在跑", CLIP.frames, clip_model_path="toy", frame_num=2)
    assert [word.text for word in explained.support] == list("一只猫在跑")
    assert len(explained.least_supported) == 2
    scorer = EMScore(clip_model_path="toy", frame_num=2)
    for word in explained.support:
        assert word.support == pytest.approx(support_by_hand(scorer, "一只猫在跑", word.text, CLIP.frames), abs=1e-5)


def test_sentences_without_spaces_fall_into_characters_by_bytes():
    tokenizer = clip_tokenizer()
    for text, expected in {
        "一只猫": ["一", "只", "猫"],
        "ねこが走る": ["ね", "こ", "が", "走", "る"],
        "ちゃーん": ["ちゃー", "ん"],
        "แมวดำ": ["แม", "ว", "ดำ"],
        "d電影": ["d", "電", "影"],
        "a 猫 runs": ["a", "猫", "runs"],
    }.items():
        ids = tokenizer(text)["input_ids"]
        words = read_words(ids, tokenizer)
        assert [word.text for word in words if not word.special] == expected
        assert [p for word in words for p in word.positions] == list(range(len(ids)))


def test_a_script_without_spaces_gets_none():
    assert without("一只猫在跑", (2, 3)) == "一只在跑"
    assert without("a  red star .", (3, 6)) == "a star."
    assert without("red", (0, 3)) == ""


@given(st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=1, max_size=8))
def test_marked_words_are_the_least_of_all(values):
    words = [WordSupport("w", (i, i + 1), value) for i, value in enumerate(values)]
    least, against = least_supported(words), speaks_against(words)
    assert against == least[: len(against)]  # sorted, so the marked ones come first
    assert all(word.support <= other.support for word in least for other in words if other not in least)
    assert all(word.support < 0 for word in against)


@given(st.text("ab ,", max_size=12), st.data())
def test_a_caption_is_the_sum_of_its_parts(caption, data):
    places = sorted(data.draw(st.lists(st.integers(0, len(caption)), max_size=6)))
    spans = [(s, e) for s, e in zip(places[::2], places[1::2], strict=False) if s < e]
    parts = marked_parts(caption, [WordSupport(caption[s:e], (s, e), -1.0) for s, e in spans])
    assert "".join(text for text, _ in parts) == caption
    assert [text for text, word in parts if word is not None] == [caption[s:e] for s, e in spans]


def test_the_caption_and_its_remains_are_scored_in_one_call():
    calls = []

    def score(texts):
        calls.append(texts)
        return np.arange(len(texts), dtype=float).tolist()

    found = word_supports("a b", [(0, 1), (2, 3)], score)
    assert calls == [["a b", "b", "a"]] and [word.support for word in found] == [-1.0, -2.0]
