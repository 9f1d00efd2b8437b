"""Text metrics against the captioning toolkits, and against the definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.meta_eval.releases import sentence
from tests.required import required_package
from vqe_core.errors import InputError
from vqe_core.meta_eval.text_metrics import TEXT_METRICS, rouge_l, unigram_precision, words_of


def rows(seed: int, count: int = 30) -> list[tuple[str, list[str]]]:
    generator = np.random.default_rng(seed)
    return [(sentence(generator), [sentence(generator) for _ in range(generator.integers(1, 5))]) for _ in range(count)]


def test_rouge_l_is_that_of_the_captioning_toolkit():
    rouge = required_package("pycocoevalcap.rouge.rouge").Rouge()
    for candidate, references in rows(0):
        assert rouge_l(candidate, references) == pytest.approx(rouge.calc_score([candidate], references), abs=1e-12)


def test_unigram_precision_is_that_of_the_captioning_toolkit():
    """BLEU-1 of a caption that is at least as long as its reference has no brevity penalty."""
    required_package("pycocoevalcap.bleu.bleu_scorer")
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer

    for candidate, references in rows(1):
        long = f"{candidate} zebra {' '.join(references)}"
        scorer = BleuScorer(n=1)
        scorer += (long, references)
        (value,), _ = scorer.compute_score(verbose=0)
        assert unigram_precision(long, references) == pytest.approx(value, abs=1e-9)


def test_the_longest_common_sequence_by_trying_all():
    def longest(one, other):
        for size in range(len(one), 0, -1):
            if any(_holds(other, chosen) for chosen in itertools.combinations(one, size)):
                return size
        return 0

    for candidate, references in rows(2, 12):
        (reference, *_) = references
        common = longest(candidate.split(), reference.split())
        precision, recall = common / len(candidate.split()), common / len(reference.split())
        expected = 0.0 if not common else 2.44 * precision * recall / (recall + 1.44 * precision)
        assert rouge_l(candidate, [reference]) == pytest.approx(expected, abs=1e-12)


def _holds(words, chosen):
    remaining = iter(words)
    return all(word in remaining for word in chosen)


def test_a_word_counts_as_often_as_the_reference_that_has_it_most():
    assert unigram_precision("the the the", ["the cat the", "the"]) == pytest.approx(2 / 3)


def test_case_and_marks_are_no_words():
    assert words_of("The DOG's ball -- it rolls!") == ["the", "dog's", "ball", "it", "rolls"]


@pytest.mark.parametrize("metric", TEXT_METRICS.values())
def test_values_at_the_ends(metric):
    assert metric("a red dog", ["a red dog"]) == 1
    assert metric("a red dog", ["blue cats"]) == 0
    assert metric("...", ["blue cats"]) == 0
    assert metric("a dog", ["..."]) == 0


@pytest.mark.parametrize("metric", TEXT_METRICS.values())
@pytest.mark.parametrize("references", [[], "a dog"])
def test_references_must_be_a_list(metric, references):
    with pytest.raises(InputError, match="references"):
        metric("a dog", references)
