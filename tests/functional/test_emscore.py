"""EMScore kernels against values of the published code."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
import torch

from vqe_core.errors import InputError
from vqe_core.functional.emscore import (
    METRICS,
    Embedded,
    EmbeddedBatch,
    EMScores,
    combine,
    emscore,
    emscore_of_pairs,
    mean_direction,
    over_references,
)
from vqe_core.functional.matching import greedy_match

# Computed with the published matching code on unit-norm embeddings stored with seven decimals.
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "emscore_kernel.json").read_text())["cases"]
TOLERANCE = 1e-6


def side(parts: list[list[float]], whole: torch.Tensor | None = None, idf: list[float] | None = None) -> EmbeddedBatch:
    tensor = torch.tensor(parts)[None]
    mask = torch.ones(tensor.shape[:2], dtype=torch.bool)
    weights = None if idf is None else torch.tensor(idf)[None]
    return EmbeddedBatch(tensor, mask, tensor[:, -1] if whole is None else whole, weights)


def video(frames: list[list[float]]) -> EmbeddedBatch:
    plain = side(frames)
    return plain._replace(whole=mean_direction(plain.parts, plain.mask))


@pytest.mark.parametrize("case", GOLDEN)
def test_golden(case):
    caption = side(case["candidate_tokens"], idf=case["candidate_idf"])
    reference = side(case["reference_tokens"], idf=case["reference_idf"])
    for expected, other in (("expected_video", video(case["frames"])), ("expected_reference", reference)):
        scores = emscore(caption, other)
        for name in ("figr_P", "figr_R", "figr_F", "cogr"):
            assert float(getattr(scores, name)) == pytest.approx(case[expected][name], abs=TOLERANCE)
        for fine, full in (("figr_P", "full_P"), ("figr_R", "full_R"), ("figr_F", "full_F")):
            mean = (case[expected][fine] + case[expected]["cogr"]) / 2
            assert float(getattr(scores, full)) == pytest.approx(mean, abs=TOLERANCE)
    frames = video(case["frames"])
    matched = greedy_match(caption.parts, caption.mask, frames.parts, frames.mask).matched
    assert matched[0].tolist() == case["expected_video"]["matched_frame"]


def test_golden_rows_in_one_padded_batch_equal_the_rows_alone():
    captions = [side(case["candidate_tokens"], idf=case["candidate_idf"]) for case in GOLDEN]
    videos = [video(case["frames"]) for case in GOLDEN]

    def padded(rows: list[EmbeddedBatch]) -> EmbeddedBatch:
        def column(values: list[torch.Tensor]) -> torch.Tensor:
            return torch.nn.utils.rnn.pad_sequence([value[0] for value in values], batch_first=True)

        weights = None if rows[0].weights is None else column([row.weights for row in rows])
        wholes = torch.cat([row.whole for row in rows])
        return EmbeddedBatch(column([r.parts for r in rows]), column([r.mask for r in rows]), wholes, weights)

    together = emscore(padded(captions), padded(videos))
    for i, (caption, other) in enumerate(zip(captions, videos, strict=True)):
        alone = emscore(caption, other)
        for name in METRICS:
            assert float(getattr(together, name)[i]) == pytest.approx(float(getattr(alone, name)), abs=TOLERANCE)


def test_without_token_embeddings_only_the_global_score_is_defined():
    whole = torch.nn.functional.normalize(torch.randn(2, 8), dim=-1)
    scores = emscore(EmbeddedBatch(None, None, whole), EmbeddedBatch(None, None, whole))
    assert torch.allclose(scores.cogr, torch.ones(2))
    assert all(math.isnan(v) for name in METRICS if name != "cogr" for v in getattr(scores, name).tolist())


def test_mean_direction_has_unit_length_and_ignores_padding():
    frames = torch.nn.functional.normalize(torch.randn(1, 3, 8), dim=-1)
    padded = torch.cat([frames, torch.full((1, 2, 8), 9.0)], dim=1)
    mask = torch.tensor([[True, True, True, False, False]])
    assert torch.allclose(mean_direction(padded, mask), mean_direction(frames, mask[:, :3]))
    assert float(mean_direction(padded, mask).norm()) == pytest.approx(1)


def test_combined_is_the_mean_of_both():
    one, two = (EMScores(*[torch.tensor(value)] * 7) for value in (0.2, 0.6))
    assert [float(value) for value in combine(one, two)] == pytest.approx([0.4] * 7)


def test_several_references_per_metric_or_one_for_all():
    columns = {"figr_P": [0.9, 0.2], "figr_R": [0.1, 0.8], "figr_F": [0.18, 0.32], "cogr": [0.5, 0.4]}
    fine = {name: torch.tensor(values) for name, values in columns.items()}
    full = {f"full_{x}": (fine[f"figr_{x}"] + fine["cogr"]) / 2 for x in "PRF"}
    scores = EMScores(**fine, **full)
    best_each = over_references(scores, "max_component")
    assert [float(v) for v in best_each] == pytest.approx([0.9, 0.8, 0.32, 0.5, 0.7, 0.65, 0.41])
    best_one = over_references(scores, "best_reference")  # full_F is 0.34 and 0.36
    assert [float(v) for v in best_one] == pytest.approx([0.2, 0.8, 0.32, 0.4, 0.3, 0.6, 0.36])
    with pytest.raises(InputError, match=re.escape("multi_reference ('mean') must be 'max_component' or")):
        over_references(scores, "mean")


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("case", GOLDEN)
def test_the_share_of_the_coarse_score(case, weight):
    caption, frames = side(case["candidate_tokens"], idf=case["candidate_idf"]), video(case["frames"])
    scores = emscore(caption, frames, weight)
    for fine, full in (("figr_P", "full_P"), ("figr_R", "full_R"), ("figr_F", "full_F")):
        expected = (1 - weight) * case["expected_video"][fine] + weight * case["expected_video"]["cogr"]
        assert float(getattr(scores, full)) == pytest.approx(expected, abs=TOLERANCE)
    over = over_references(scores, cogr_weight=weight)
    assert [float(value) for value in over] == pytest.approx([float(value) for value in scores], abs=TOLERANCE)


def test_weights_of_half_are_the_means_to_the_bit():
    torch.manual_seed(0)
    one, other = (EMScores(*torch.randn(7, 1000)) for _ in range(2))
    for value, mean in zip(combine(one, other), ((a + b) / 2 for a, b in zip(one, other, strict=True)), strict=True):
        assert torch.equal(value, mean)
    half, whole = combine(one, other, 0.25), (one.cogr * 3 + other.cogr) / 4
    assert torch.allclose(half.cogr, whole)


def one_side(parts: int, size: int, weighted: bool, generator: torch.Generator) -> Embedded:
    tensor = torch.nn.functional.normalize(torch.randn(parts, size, generator=generator), dim=-1)
    return Embedded(tensor, tensor[-1], torch.rand(parts, generator=generator) if weighted else None)


def many_pairs(count: int, size: int = 24) -> list[tuple[Embedded, Embedded]]:
    """Pairs of 1 to 90 parts, some with weights: shapes of which some fill a batch, and some hold one pair."""
    generator = torch.Generator().manual_seed(count)
    lengths = torch.tensor([1, 2, 15, 16, 17, 30, 90])[torch.randint(0, 7, (count, 2), generator=generator)].tolist()
    return [
        (one_side(length, size, i % 3 == 0, generator), one_side(other, size, i % 5 == 0, generator))
        for i, (length, other) in enumerate(lengths)
    ]


def alone(pair: tuple[Embedded, Embedded]) -> EMScores:
    """The kernel on one pair, without padding."""

    def batch(side: Embedded) -> EmbeddedBatch:
        mask = torch.ones(1, len(side.parts), dtype=torch.bool)
        return EmbeddedBatch(
            side.parts[None], mask, side.whole[None], None if side.weights is None else side.weights[None]
        )

    return emscore(batch(pair[0]), batch(pair[1]))


def test_pairs_score_as_each_does_alone():
    pairs = many_pairs(200)
    together = torch.stack(emscore_of_pairs(pairs))
    expected = torch.cat([torch.stack(alone(pair)) for pair in pairs], dim=1)
    assert torch.allclose(together, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("size", [24, 512])
def test_a_pair_has_the_same_bits_whatever_the_others(size):
    pairs = many_pairs(120, size)
    together = torch.stack(emscore_of_pairs(pairs))
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))[:50]
    assert torch.equal(torch.stack(emscore_of_pairs([pairs[i] for i in order])), together[:, order])
    for i in (0, 7, 119):
        assert torch.equal(torch.stack(emscore_of_pairs([pairs[i]])), together[:, [i]])


def test_pairs_of_long_texts_and_many_frames_are_split_by_memory():
    generator = torch.Generator().manual_seed(0)
    pairs = [tuple(one_side(n, 512, False, generator) for n in (500, 2000)) for _ in range(3)]
    together = torch.stack(emscore_of_pairs(pairs))
    assert torch.equal(torch.stack(emscore_of_pairs(pairs[1:2])), together[:, [1]])


def test_pairs_without_token_embeddings_have_a_global_score_and_no_pairs_none():
    whole = torch.nn.functional.normalize(torch.randn(2, 8), dim=-1)
    one, other = Embedded(None, whole[0]), Embedded(whole, whole[1])
    scores = emscore_of_pairs([(one, other), (other, other)])
    assert scores.cogr.tolist() == pytest.approx([float(whole[0] @ whole[1]), 1.0])
    assert [math.isnan(value) for value in scores.figr_F.tolist()] == [True, False]
    assert all(value.shape == (0,) for value in emscore_of_pairs([]))
