"""Verdicts say what a place among others is worth, and nothing is best by a difference that means nothing."""

from __future__ import annotations

import math

import pytest

from vqe_core.report.verdict import half_width, rank, verdict_of


@pytest.mark.parametrize(
    ("share", "of", "words", "clear"),
    [
        (1.0, 100, "clearly better than most", "for"),
        (0.87, 100, "better than most, but not clearly", ""),
        (0.88, 100, "clearly better than most", "for"),
        (0.61, 100, "better than most, but not clearly", ""),
        (0.55, 100, "too close to call", ""),
        (0.45, 100, "too close to call", ""),
        (0.35, 100, "worse than most", "against"),
        (0.05, 100, "clearly worse than most", "against"),
        (1.0, 3, "too close to call", ""),  # three others say nothing
    ],
)
def test_the_words_follow_the_interval(share, of, words, clear):
    verdict = verdict_of(share, of)
    assert (verdict.words, verdict.clear) == (words, clear)
    assert verdict.low <= share <= verdict.high


def test_there_is_no_verdict_on_nothing():
    assert verdict_of(math.nan, 100) is None


def test_a_lead_within_the_measured_margin_is_a_tie():
    found = rank([0.70, 0.8130, 0.8131], margin=0.007)
    assert found.best is None and found.close == (1, 2)
    assert "0.007" in found.why
    assert rank([0.70, 0.80, 0.8131], margin=0.007).best == 2


def test_what_looks_equal_is_a_tie_whatever_the_margin():
    assert rank([0.8130, 0.8134], margin=0.0).best is None


def test_without_a_margin_the_frames_decide():
    first = [0.80, 0.82, 0.78, 0.81, 0.79, 0.80]
    below = [value - 0.05 for value in first]
    apart = [0.75, 0.90, 0.60, 0.95, 0.50, 0.70]
    steady = rank([0.80, 0.75], None, [first, below])
    assert steady.best == 0 and "6 sampled frames" in steady.why
    assert rank([0.80, 0.75], None, [first, apart]).best is None
    assert rank([0.80, 0.40], None, [first[:4], below[:4]]).best is None, "four frames say nothing"


def test_the_half_width_is_that_of_a_t_interval():
    values = [0.1, 0.2, 0.3, 0.4, 0.5]
    assert half_width(values) == pytest.approx(2.7764 * 0.15811 / math.sqrt(5), rel=0.01)
