"""Cosines, reductions and tags against loops written from their definitions."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqe_core.errors import InputError
from vqe_core.functional.similarity import (
    cosine_matrix,
    reduce_similarities,
    top_tags,
    unit_rows,
    weighted_direction,
)

ATOL = 1e-6  # float32 sums in another order
seeds = st.integers(0, 10**6)


def randn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slow_cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return dot / lengths if lengths else 0.0


@settings(max_examples=30, deadline=None)
@given(seed=seeds, n=st.integers(1, 5), m=st.integers(1, 5), scale=st.floats(1e-25, 1e25))
def test_cosine_matrix_is_the_loop_and_ignores_scale(seed, n, m, scale):
    visual, audio = randn(seed, n, 4), randn(seed + 1, m, 4)
    before = visual.clone(), audio.clone()
    result = cosine_matrix(visual * scale, audio)
    expected = [[slow_cosine(a, b) for b in audio.tolist()] for a in visual.tolist()]
    assert torch.allclose(result, torch.tensor(expected), atol=ATOL)
    assert torch.equal(visual, before[0]) and torch.equal(audio, before[1])


def test_zero_vectors_have_similarity_zero_with_everything():
    visual = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    assert cosine_matrix(visual, visual).tolist() == [[0, 0], [0, 1]]


def test_cosines_never_leave_their_range_by_rounding():
    rows = randn(0, 200, 37)
    assert cosine_matrix(rows, rows).abs().max() <= 1


def test_half_precision_and_mixed_types_are_widened():
    half, double = randn(0, 2, 8).half(), randn(1, 3, 8).double()
    assert cosine_matrix(half, half).dtype == torch.float32
    assert cosine_matrix(half, double).dtype == torch.float64
    assert cosine_matrix(torch.zeros(0, 8), double).shape == (0, 3)


def test_numbers_whose_squares_leave_float32_still_have_a_direction():
    assert torch.allclose(unit_rows(torch.tensor([[3e-30, 4e-30], [3e30, 4e30]])), torch.tensor([0.6, 0.8]))


def test_cosine_matrix_names_the_side_that_does_not_fit():
    with pytest.raises(
        InputError, match=re.escape("audio must have D=3 to match the other arguments, got shape (2, 4)")
    ):
        cosine_matrix(torch.zeros(2, 3), torch.zeros(2, 4))


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(-1, 1), min_size=1, max_size=8), missing=st.integers(0, 2), seed=seeds)
def test_reduce_similarities_is_mean_max_min_of_what_was_measured(values, missing, seed):
    filled = torch.tensor(values + [math.nan] * missing, dtype=torch.float64)
    filled = filled[torch.randperm(len(filled), generator=torch.Generator().manual_seed(seed))]
    assert float(reduce_similarities(filled)) == pytest.approx(sum(values) / len(values), abs=1e-12)
    assert float(reduce_similarities(filled, "max")) == max(values)
    assert float(reduce_similarities(filled[:, None], "min")) == min(values)


def test_a_row_without_a_measured_value_is_nan_never_zero():
    for mode in ("avg", "max", "min"):
        assert reduce_similarities(torch.full((3,), torch.nan), mode).isnan()


def test_reduce_similarities_messages():
    with pytest.raises(InputError, match=re.escape("values must hold at least one similarity, got shape (0,)")):
        reduce_similarities(torch.zeros(0))
    with pytest.raises(InputError, match=re.escape("reduce_mode ('mean') must be 'avg', 'max' or 'min'")):
        reduce_similarities(torch.zeros(1), "mean")


def slow_top_tags(rows, k, weights):
    pooled = [sum(w * row[label] for w, row in zip(weights, rows, strict=True)) for label in range(len(rows[0]))]
    order = sorted(range(len(pooled)), key=lambda label: (-pooled[label], label))[:k]
    total = sum(pooled[label] for label in order)
    return order, [pooled[label] / total for label in order]


@settings(max_examples=30, deadline=None)
@given(seed=seeds, windows=st.integers(1, 4), labels=st.integers(1, 6), k=st.integers(1, 8), weighted=st.booleans())
def test_top_tags_is_the_loop(seed, windows, labels, k, weighted):
    probabilities = randn(seed, windows, labels).double().softmax(dim=1)
    weights = randn(seed + 1, windows).double().abs() + 0.01 if weighted else None
    before = probabilities.clone()
    tags = top_tags(probabilities, k, weights)
    order, expected = slow_top_tags(probabilities.tolist(), k, weights.tolist() if weighted else [1] * windows)
    assert tags.indices.tolist() == order
    assert tags.weights.tolist() == pytest.approx(expected, abs=1e-12)
    assert float(tags.weights.sum()) == pytest.approx(1)
    assert torch.equal(probabilities, before)


def test_a_window_of_weight_zero_has_no_say_and_equal_labels_keep_their_order():
    probabilities = torch.tensor([[0.4, 0.4, 0.2], [0.0, 0.0, 1.0]])
    tags = top_tags(probabilities, 2, torch.tensor([3.0, 0.0]))
    assert tags.indices.tolist() == [0, 1] and tags.weights.tolist() == [0.5, 0.5]
    assert top_tags(torch.full((1, 527), 0.5), 40).indices.tolist() == list(range(40))


def test_top_tags_messages():
    some = torch.tensor([[0.5, 0.5]])
    with pytest.raises(InputError, match=re.escape("k (0) must be at least 1 label")):
        top_tags(some, 0)
    with pytest.raises(InputError, match=re.escape("probabilities must be finite and not negative, got -0.5")):
        top_tags(-some, 1)
    with pytest.raises(InputError, match=re.escape("window_weights must be finite and not negative, got nan")):
        top_tags(some, 1, torch.tensor([torch.nan]))
    with pytest.raises(InputError, match=re.escape("window_weights must not all be 0; leave such a row out")):
        top_tags(some, 1, torch.zeros(1))
    with pytest.raises(InputError, match=re.escape("probabilities of the weighted windows must not all be 0")):
        top_tags(torch.tensor([[0.0], [1.0]]), 1, torch.tensor([1.0, 0.0]))
    with pytest.raises(InputError, match=re.escape("window_weights must have S=1 to match")):
        top_tags(some, 1, torch.ones(2))


@settings(max_examples=30, deadline=None)
@given(seed=seeds, labels=st.integers(1, 5), scale=st.floats(1e-3, 1e3))
def test_weighted_direction_is_the_loop_and_ignores_the_weights_scale(seed, labels, scale):
    embeddings = unit_rows(randn(seed, labels, 4).double())
    weights = randn(seed + 1, labels).double().abs() + 0.01
    before = weights.clone()
    total = [sum(w * row[d] for w, row in zip(weights.tolist(), embeddings.tolist(), strict=True)) for d in range(4)]
    length = math.sqrt(sum(x * x for x in total))
    result = weighted_direction(embeddings, weights * scale)
    assert result.tolist() == pytest.approx([x / length for x in total], abs=1e-9)
    assert torch.equal(weights, before)


def test_directions_that_cancel_give_zeros_not_the_direction_of_rounding():
    angles = [2 * math.pi * i / 7 for i in range(7)]
    seven = torch.tensor([[math.cos(angle), math.sin(angle)] for angle in angles])
    assert (seven / 7).sum(dim=0).norm() > 0  # what rounding leaves
    assert weighted_direction(seven, torch.ones(7)).tolist() == [0, 0]


def test_one_tag_gives_its_own_embedding_and_matches_the_bridge_by_hand():
    embeddings = torch.eye(3)
    tags = top_tags(torch.tensor([[0.1, 0.8, 0.1]]), k=1)
    assert weighted_direction(embeddings[tags.indices], tags.weights).tolist() == [0, 1, 0]


def test_weighted_direction_messages():
    with pytest.raises(InputError, match=re.escape("weights must not all be 0")):
        weighted_direction(torch.eye(2), torch.zeros(2))
    with pytest.raises(
        InputError, match=re.escape("weights must have K=2 to match the other arguments, got shape (3,)")
    ):
        weighted_direction(torch.eye(2), torch.ones(3))
