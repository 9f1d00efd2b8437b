"""Token weights against a direct count, and the cases that gave NaN in the published code."""

from __future__ import annotations

import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqe_core.errors import InputError
from vqe_core.functional.idf import (
    IdfTable,
    fit_idf,
    idf_from_json,
    idf_from_mapping,
    idf_to_json,
    merge_idf,
    with_end_weight,
)

START, END = 1, 2
captions = st.lists(
    st.lists(st.integers(3, 20), max_size=6).map(lambda ids: [START, *ids, END]), min_size=1, max_size=8
)


@given(documents=captions)
def test_equals_a_direct_count(documents):
    table = fit_idf(documents, end_id=END)
    ids = sorted({token for document in documents for token in document})
    count = len(documents)
    plain = {i: math.log((count + 1) / (sum(i in document for document in documents) + 1)) for i in ids}
    plain[0] = 0.0
    mean = sum(plain.values()) / len(plain)  # EOS itself counts with its own 0
    expected = [mean if i == END else plain[i] for i in ids]
    assert table.lookup(ids).tolist() == pytest.approx(expected, abs=1e-6)
    assert table.lookup([999]).tolist() == pytest.approx([math.log(count + 1)], abs=1e-6)
    assert all(math.isfinite(weight) and weight >= 0 for weight in table.weights.values())


@given(documents=captions)
def test_the_end_token_weighs_its_own_or_the_mean_whatever_it_weighed(documents):
    mean, own = fit_idf(documents, END), fit_idf(documents, END, end_weight="own")
    assert own.lookup([END]).tolist() == [0]
    assert {**mean.weights, END: 0} == {**own.weights, END: 0}
    for table in (mean, own, idf_from_mapping({**mean.weights, END: 9.0})):
        assert with_end_weight(table, END, "own").weights == own.weights
        assert with_end_weight(table, END, "mean").weights == pytest.approx(mean.weights)


def test_one_caption_or_equal_captions_weigh_every_word_zero():
    for documents in ([[START, 5, END]], [[START, 5, END]] * 4):
        assert fit_idf(documents, end_id=END).lookup([START, 5, END]).tolist() == [0, 0, 0]


@given(documents=captions)
def test_a_saved_table_is_the_table(documents):
    table = fit_idf(documents, end_id=END, tokenizer="abc")
    again = idf_from_json(idf_to_json(table))
    assert again == table
    assert again.digest() == table.digest()


@given(documents=captions, cuts=st.lists(st.integers(1, 7)), data=st.data())
def test_tables_of_parts_merge_to_the_table_of_one_pass_in_any_order(documents, cuts, data):
    edges = sorted({0, len(documents), *(cut for cut in cuts if cut < len(documents))})
    parts = [fit_idf(documents[a:b], END, "abc") for a, b in itertools.pairwise(edges)]
    merged = merge_idf(data.draw(st.permutations(parts)))
    assert merged == fit_idf(documents, END, "abc")
    assert merged.digest() == fit_idf(documents, END, "abc").digest()
    again = merge_idf([idf_from_json(idf_to_json(part)) for part in parts])  # as files
    assert again.digest() == merged.digest()


def test_a_file_of_an_earlier_release_is_read_and_cannot_be_merged():
    text = '{"format": "vqe-idf-1", "num_captions": 2, "tokenizer": "t", "unseen": 1.5, "weights": {"5": 0.25}}'
    table = idf_from_json(text)
    assert (table.weights, table.unseen, table.num_captions, table.counts) == ({5: 0.25}, 1.5, 2, None)
    with pytest.raises(InputError, match="holds no counts"):
        merge_idf([table, fit_idf([[1, 5, 2]], END)])


def test_the_order_of_captions_does_not_move_the_digest():
    documents = [[START, *range(3 + n, 3 + n + n % 7), END] for n in range(200)]
    assert fit_idf(documents[::-1], END).digest() == fit_idf(documents, END).digest()


def test_the_digest_changes_with_any_weight():
    assert idf_from_mapping({5: 1.0}).digest() != idf_from_mapping({5: 1.5}).digest()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fit_idf([], end_id=END), "idf needs at least one caption to count words in, got none"),
        (lambda: merge_idf([]), "tables is empty"),
        (lambda: merge_idf([fit_idf([[5]], 2, "a"), fit_idf([[5]], 2, "b")]), "fitted with different tokenizers"),
        (
            lambda: merge_idf([fit_idf([[5]], 2), fit_idf([[5]], 2, end_weight="own")]),
            "different tokenizers or idf_eos",
        ),
        (lambda: idf_from_mapping({}), "idf mapping is empty"),
        (lambda: idf_from_mapping({"cat": 1.0}), "idf mapping has key 'cat'; keys must be token ids (int)"),
        (lambda: idf_from_mapping({5: None}), "idf weight of token 5 (None) must be a number"),
        (lambda: IdfTable({5: math.nan}, unseen=1.0), "idf weight of token 5 (nan) must be finite and not negative"),
        (lambda: idf_from_json("[]"), "not a saved idf file"),
        (lambda: idf_from_json('{"weights": {"a": 1}, "unseen": 1, "num_captions": 1}'), "not a saved idf file"),
    ],
)
def test_wrong_input_is_told_plainly(make, words):
    with pytest.raises(InputError, match=re.escape(words)):
        make()
