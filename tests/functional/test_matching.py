"""Greedy matching against a loop, and what must not change it."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracle
from vqe_core.errors import InputError
from vqe_core.functional.matching import greedy_match, harmonic_mean

TOLERANCE = 1e-6  # float32 sums against float64 loops


def unit_rows(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(*shape, generator=generator), dim=-1)


def every(parts: torch.Tensor) -> torch.Tensor:
    return torch.ones(parts.shape[:2], dtype=torch.bool)


@given(seed=st.integers(0, 10_000), tokens=st.integers(1, 6), frames=st.integers(1, 6), weighted=st.booleans())
@settings(max_examples=60, deadline=None)
def test_equals_a_loop_from_the_paper(seed, tokens, frames, weighted):
    candidate, reference = unit_rows(seed, 1, tokens, 8), unit_rows(seed + 1, 1, frames, 8)
    rng = np.random.default_rng(seed)
    sides = (rng.uniform(0.1, 3, tokens), rng.uniform(0.1, 3, frames))
    weights = [torch.tensor(side)[None].float() if weighted else None for side in sides]
    scores = greedy_match(candidate, every(candidate), reference, every(reference), *weights)
    expected = oracle.match(
        list(candidate[0].double().numpy()),
        list(reference[0].double().numpy()),
        *(list(side) if weighted else [1.0] * len(side) for side in sides),
    )
    assert [float(x) for x in scores[:3]] == pytest.approx(expected, abs=TOLERANCE)
    assert scores.matched[0].tolist() == (candidate[0] @ reference[0].T).argmax(dim=1).tolist()


@given(seed=st.integers(0, 10_000), batch=st.integers(1, 5), pad=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_a_row_alone_equals_the_row_in_any_batch_and_padding(seed, batch, pad):
    tokens, frames = unit_rows(seed, batch, 4 + pad, 8), unit_rows(seed + 1, batch, 3 + pad, 8)
    token_mask, frame_mask = every(tokens), every(frames)
    token_mask[0, 4:] = False
    frame_mask[0, 3:] = False
    together = greedy_match(tokens, token_mask, frames, frame_mask)
    alone = greedy_match(tokens[:1, :4], token_mask[:1, :4], frames[:1, :3], frame_mask[:1, :3])
    for one, other in zip(together[:3], alone[:3], strict=True):
        assert float(one[0]) == pytest.approx(float(other[0]), abs=TOLERANCE)
    assert together.matched[0].tolist() == [*alone.matched[0].tolist(), *[-1] * pad]


def test_padding_never_wins_the_maximum():
    # All similarities are negative: the published code lets a padded place win with similarity 0.
    tokens, frames = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]), torch.tensor([[[-0.6, 0.8], [0.0, 0.0]]])
    real = torch.tensor([[True, False]])
    scores = greedy_match(tokens, real, frames, real)
    assert [round(float(x), 6) for x in scores[:3]] == [-0.6, -0.6, -0.6]


def test_equal_sets_score_one_and_order_is_irrelevant():
    parts = unit_rows(0, 2, 5, 8)
    assert torch.allclose(torch.stack(greedy_match(parts, every(parts), parts, every(parts))[:3]), torch.ones(3, 2))
    other = unit_rows(1, 2, 4, 8)
    straight = greedy_match(parts, every(parts), other, every(other))
    turned = greedy_match(parts.flip(1), every(parts), other.flip(1), every(other))
    for one, two in zip(straight[:3], turned[:3], strict=True):
        assert torch.allclose(one, two, atol=TOLERANCE)


def test_scaling_weights_changes_nothing_and_arguments_stay_as_they_were():
    tokens, frames, weights = unit_rows(0, 2, 5, 8), unit_rows(1, 2, 4, 8), torch.rand(2, 5) + 0.1
    arguments = [tokens, every(tokens), frames, every(frames), weights]
    before = [value.clone() for value in arguments]
    once = greedy_match(*arguments)
    tenfold = greedy_match(*arguments[:4], weights * 10)
    assert torch.allclose(once.precision, tenfold.precision, atol=TOLERANCE)
    assert all(torch.equal(one, two) for one, two in zip(arguments, before, strict=True))


def test_weights_that_sum_to_zero_are_replaced_by_equal_ones():
    tokens, frames = unit_rows(0, 1, 5, 8), unit_rows(1, 1, 4, 8)
    plain = greedy_match(tokens, every(tokens), frames, every(frames))
    zero = greedy_match(tokens, every(tokens), frames, every(frames), torch.zeros(1, 5), torch.zeros(1, 4))
    assert [float(x) for x in zero[:3]] == [float(x) for x in plain[:3]]


@given(p=st.floats(-1, 1), r=st.floats(-1, 1))
def test_harmonic_mean_lies_between_its_arguments_and_is_never_nan(p, r):
    value = float(harmonic_mean(torch.tensor(p), torch.tensor(r)))
    assert min(p, r) - TOLERANCE <= value <= max(p, r) + TOLERANCE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"reference": torch.zeros(1, 4, 5)},
            "reference must have D=8 to match the other arguments, got shape (1, 4, 5)",
        ),
        ({"candidate": torch.zeros(5, 8)}, "candidate must have axes (B, L, D), got shape (5, 8)"),
        ({"candidate_mask": torch.zeros(1, 5, dtype=torch.bool)}, "candidate_mask selects nothing in row 0"),
        ({"candidate_weights": torch.full((1, 5), -1.0)}, "candidate_weights must not be negative, got -1.0"),
        ({"candidate_weights": torch.ones(1, 4)}, "candidate_weights must have L=5"),
    ],
)
def test_wrong_arguments_are_told_plainly(change, words):
    tokens, frames = unit_rows(0, 1, 5, 8), unit_rows(1, 1, 4, 8)
    arguments = {
        "candidate": tokens,
        "candidate_mask": every(tokens),
        "reference": frames,
        "reference_mask": every(frames),
    }
    with pytest.raises(InputError, match=re.escape(words)):
        greedy_match(**{**arguments, **change})
