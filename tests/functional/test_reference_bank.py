"""A reference bank gives one pair alone a percentile."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqe_core.errors import InputError
from vqe_core.functional.reference_bank import ReferenceBank, bank_percentile, make_bank
from vqe_core.functional.similarity import cosine_matrix

levels = st.integers(-4, 4).map(lambda x: x / 4)  # few levels make ties


def slow_percentile(score, bank):
    lower, equal = sum(x < score for x in bank), sum(x == score for x in bank)
    return (lower + equal / 2) / len(bank), (1 + sum(x >= score for x in bank)) / (1 + len(bank))


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(levels, min_size=1, max_size=4),
    bank=st.lists(levels, min_size=1, max_size=6),
    seed=st.integers(0, 99),
)
def test_percentile_is_the_loop_and_order_and_scale_do_not_matter(scores, bank, seed):
    own, values = torch.tensor(scores), torch.tensor(bank).expand(len(scores), -1)
    result = bank_percentile(own, values)
    expected = [slow_percentile(score, bank) for score in scores]
    assert result.percentile.tolist() == pytest.approx([p for p, _ in expected])
    assert result.p_value.tolist() == pytest.approx([p for _, p in expected])
    order = torch.randperm(len(bank), generator=torch.Generator().manual_seed(seed))
    again = bank_percentile(own * 8 - 1, values[:, order] * 8 - 1)
    assert all(torch.equal(a, b) for a, b in zip(result, again, strict=True))


def test_one_score_alone():
    result = bank_percentile(torch.tensor(0.9), torch.tensor([0.1, 0.2, 0.3]))
    assert result.percentile.shape == () and float(result.percentile) == 1 and float(result.p_value) == 0.25


def test_a_score_that_was_not_measured_has_no_percentile():
    result = bank_percentile(torch.tensor([torch.nan, 1.0]), torch.zeros(2, 3))
    assert math.isnan(result.percentile[0]) and math.isnan(result.p_value[0])
    assert result.percentile[1] == 1


def test_a_bank_scores_each_video_against_each_of_its_sounds():
    generator = torch.Generator().manual_seed(0)
    sounds, videos = torch.randn(5, 4, generator=generator), torch.randn(2, 4, generator=generator)
    bank = make_bank(sounds, space="toy")
    assert len(bank) == 5 and torch.allclose(bank.embeddings.norm(dim=1), torch.ones(5))
    assert torch.allclose(bank.mismatched_scores(videos, "toy"), cosine_matrix(videos, sounds), atol=1e-6)


def test_a_true_pair_stands_out_of_a_bank_though_its_cosine_is_negative():
    generator = torch.Generator().manual_seed(0)
    corner = 2 * torch.randn(64, generator=generator)
    shared = torch.randn(64, generator=generator)
    bank = make_bank(torch.randn(200, 64, generator=generator) - corner, space="toy")
    video, sound = (corner + 0.8 * shared)[None], (0.8 * shared - corner)[None]
    score = cosine_matrix(video, sound)[0]
    result = bank_percentile(score, bank.mismatched_scores(video, "toy"))
    assert float(score) < 0 and float(result.percentile) > 0.99 and float(result.p_value) <= 2 / 201


def test_the_digest_changes_with_sounds_order_and_space():
    one = ReferenceBank(torch.eye(3), "toy")
    others = [ReferenceBank(torch.eye(3).flip(0), "toy"), ReferenceBank(torch.eye(3), "clip")]
    others += [ReferenceBank(torch.eye(3)[:2], "toy")]
    assert one.digest() == ReferenceBank(torch.eye(3), "toy").digest() and len(one.digest()) == 12
    assert len({one.digest(), *(bank.digest() for bank in others)}) == 4


def test_bank_messages():
    with pytest.raises(InputError, match=re.escape("a reference bank needs at least one sound, got none")):
        ReferenceBank(torch.zeros(0, 3), "toy")
    with pytest.raises(InputError, match=re.escape("a reference bank needs the name of its encoder's space")):
        ReferenceBank(torch.eye(2), "")
    with pytest.raises(InputError, match=re.escape("must be unit vectors, row 1 has length 2;")):
        ReferenceBank(torch.diag(torch.tensor([1.0, 2.0])), "toy")
    with pytest.raises(InputError, match=re.escape("row 0 has length 0; leave silent sounds out")):
        make_bank(torch.zeros(1, 2), "toy")
    with pytest.raises(InputError, match=re.escape("row 0 has length nan")):
        make_bank(torch.full((1, 2), torch.nan), "toy")
    with pytest.raises(InputError, match=re.escape("the reference bank is of space 'toy', the videos of 'clip'")):
        ReferenceBank(torch.eye(2), "toy").mismatched_scores(torch.eye(2), "clip")
    with pytest.raises(InputError, match=re.escape("embeddings must have D=3 to match the other arguments")):
        ReferenceBank(torch.eye(2), "toy").mismatched_scores(torch.eye(3), "toy")


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (3, 2)])
def test_bank_scores_have_one_axis_more_than_the_scores(shape):
    message = f"bank_scores must have the shape of scores (2,) and one axis of at least one bank score, got {shape}"
    with pytest.raises(InputError, match=re.escape(message)):
        bank_percentile(torch.zeros(2), torch.zeros(shape))


def test_bank_scores_must_be_finite():
    with pytest.raises(InputError, match=re.escape("bank_scores must be finite")):
        bank_percentile(torch.zeros(1), torch.full((1, 2), torch.nan))
