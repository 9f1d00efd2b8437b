"""CLIPScore and RefCLIPScore against a loop from the paper, at their ends, and in any shape."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqe_core.functional.clip_score import clip_score, ref_clip_score

TOLERANCE = 1e-6  # float32 against float64
COSINES = st.floats(-1, 1, width=32)


def slow_clip_score(cosine: float) -> float:
    """Section 3, equation of CLIP-S with w = 2.5."""
    return 2.5 * max(cosine, 0.0)


def slow_ref_clip_score(cosine: float, references: list[float]) -> float:
    """Section 3, RefCLIP-S: the harmonic mean of CLIP-S and the best reference, cut at 0."""
    first, second = slow_clip_score(cosine), max(0.0, *references)
    return 2 / (1 / first + 1 / second) if first > 0 and second > 0 else 0.0


@given(cosine=COSINES, references=st.lists(COSINES, min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_equals_a_loop_from_the_paper(cosine, references):
    score = clip_score(torch.tensor(cosine))
    assert float(score) == pytest.approx(slow_clip_score(cosine), abs=TOLERANCE)
    both = float(ref_clip_score(score, torch.tensor(references)))
    assert both == pytest.approx(slow_ref_clip_score(cosine, references), abs=TOLERANCE)
    assert 0 <= both <= 2 * 2.5 / 3.5 + TOLERANCE


@pytest.mark.parametrize(
    ("cosine", "references", "expected"),
    [
        (-0.4, [0.9], (0.0, 0.0)),
        (0.4, [-0.9], (1.0, 0.0)),
        (-0.4, [-0.9], (0.0, 0.0)),
        (0.0, [0.0], (0.0, 0.0)),
        (0.4, [-0.9, 1.0, 0.2], (1.0, 1.0)),
        (1.0, [1.0], (2.5, 2 * 2.5 / 3.5)),
    ],
)
def test_what_is_negative_counts_as_nothing(cosine, references, expected):
    score = clip_score(torch.tensor(cosine))
    assert (float(score), float(ref_clip_score(score, torch.tensor(references)))) == pytest.approx(expected, abs=1e-6)


def test_a_row_alone_equals_the_row_in_a_batch():
    cosines = torch.linspace(-1, 1, 12).reshape(3, 4)
    references = torch.linspace(1, -1, 60).reshape(3, 4, 5)
    scores = clip_score(cosines)
    both = ref_clip_score(scores, references)
    assert scores.shape == both.shape == (3, 4)
    for i in range(3):
        for j in range(4):
            assert float(scores[i, j]) == float(clip_score(cosines[i, j]))
            assert float(both[i, j]) == float(ref_clip_score(scores[i, j], references[i, j]))


def test_the_arguments_stay_as_they_were():
    cosines, references = torch.tensor([-0.5, 0.5]), torch.tensor([[-0.1], [0.3]])
    ref_clip_score(clip_score(cosines), references)
    assert cosines.tolist() == [-0.5, 0.5]
    assert references[:, 0].tolist() == pytest.approx([-0.1, 0.3])
