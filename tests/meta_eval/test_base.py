"""What every benchmark shares: releases, what is missing from them, and agreement of raters."""

from __future__ import annotations

import numpy as np
import pytest

from vqe_core.errors import InputError
from vqe_core.meta_eval.base import Benchmark, Item, Part, Release, between_raters, needed


def release(ids=("a", "b", "c"), videos=("v", "w", "v"), labels=None) -> Release:
    items = tuple(Item(name, "a cat", (), video) for name, video in zip(ids, videos, strict=True))
    return Release(items, np.zeros((len(items), 1)) if labels is None else labels)


def test_captions_of_a_video_are_one_group():
    assert release().videos == ("v", "w")
    assert release().groups.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"ids": (), "videos": ()}, "no caption"),
        ({"ids": ("a", "a", "b")}, "two captions of one id"),
        ({"labels": np.zeros((2, 1))}, "3 captions, but labels of 2"),
    ],
)
def test_a_release_that_cannot_be_is_refused(how, words):
    with pytest.raises(InputError, match=words):
        release(**how)


def test_what_is_missing_is_told_with_what_there_should_be(tmp_path):
    layout = (Part("a.json", "captions"), Part("b/*.pt", "embeddings", optional=True))
    with pytest.raises(InputError, match=r"has no a\.json\. The release consists of a\.json \(captions\); b/\*\.pt"):
        needed(tmp_path, ["a.json"], layout)
    with pytest.raises(InputError, match="is no folder"):
        needed(tmp_path / "nowhere", ["a.json"], layout)
    (tmp_path / "a.json").touch()
    assert needed(tmp_path, ["a.json"], layout) == [tmp_path / "a.json"]


def test_captions_without_a_score_are_left_out_and_groups_stay_dense():
    observed = Benchmark().observe(release(), np.array([np.nan, 0.5, np.nan]))
    assert observed.scores.tolist() == [0.5]
    assert observed.groups.tolist() == [0]


def test_raters_are_compared_in_pairs():
    labels = np.array([[1.0, 1.0, 3.0], [2.0, 2.0, 2.0], [3.0, 3.0, 1.0]])
    assert between_raters(labels, ["tau_b", "r"]) == pytest.approx({"tau_b": -1 / 3, "r": -1 / 3})
