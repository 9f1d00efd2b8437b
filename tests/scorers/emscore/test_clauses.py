"""Captions that tell events in order, each clause against its own part of the clip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests import oracle
from vqe_core import EMScore
from vqe_core.scorers.emscore.clauses import clauses
from vqe_core.toy.captions import SEQUENCES, caption
from vqe_core.toy.claims import full_claims, swap_events
from vqe_core.toy.clips import make_clip
from vqe_core.toy.world import sample_attributes

EVENTS = ["a red cat runs", "the dog sits on a house"]


def noise(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        *[(sequence.format("a red star", "two dots"), ("a red star", "two dots")) for sequence in SEQUENCES],
        ("At first, a man runs. Then he sits, and afterwards he eats.", ("a man runs", "he sits", "he eats.")),
        ("a man and then", ("a man and then",)),
        ("Then a man runs", ("Then a man runs",)),
        ("the first man runs", ("the first man runs",)),
        ("一个男人先跑然后坐下", ("一个男人先跑然后坐下",)),
        ("", ("",)),
    ],
)
def test_what_is_told_in_order(text, told):
    assert clauses(text) == told


@pytest.mark.parametrize("prompt", ["", "a man with "])
def test_each_clause_is_scored_against_its_part_of_the_frames(clip_folder, prompt):
    frames = noise(0, 5)  # three and two
    scorer = EMScore(clip_model_path=clip_folder, frame_aggregation="in_order", every_n_frames=1, prompt=prompt)
    text = f"first {EVENTS[0]} and then {EVENTS[1]}"
    report = scorer.score(predictions=[text], videos=[frames], references=["a cat runs"])
    parts = [oracle.against_video(clip_folder, prompt + EVENTS[0], frames[:3]),
             oracle.against_video(clip_folder, prompt + EVENTS[1], frames[3:])]  # fmt: skip
    for metric in oracle.METRICS:
        expected = (parts[0][metric] + parts[1][metric]) / 2
        assert report.rows[f"EMScore(X,V)_{metric}"] == pytest.approx([expected], abs=1e-5)
    whole = EMScore(clip_model_path=clip_folder, prompt=prompt).score(predictions=[text], references=["a cat runs"])
    name = "EMScore(X,X*)_full_F"  # references are compared as ever
    assert report.rows[name] == whole.rows[name]


def test_captions_of_one_event_and_clips_of_one_frame_are_scored_as_ever(clip_folder):
    rows: dict[str, Any] = {
        "predictions": [EVENTS[0], f"{EVENTS[0]}, then {EVENTS[1]}"],
        "videos": [noise(0, 4), noise(1, 1)],
    }
    options = {"clip_model_path": clip_folder, "every_n_frames": 1}
    in_order = EMScore(**options, frame_aggregation="in_order").score(**rows)
    plain = EMScore(**options).score(**rows)
    assert in_order.rows == plain.rows
    assert in_order.signature == {**plain.signature, "frame_aggregation": "in_order"}


def test_events_in_the_wrong_order_score_less():
    right, wrong, videos = [], [], []
    for seed in range(8):
        attributes = sample_attributes(np.random.default_rng(seed), events=2)
        claims = full_claims(attributes)
        turned = swap_events(claims)
        if turned is not None:
            right.append(caption(claims))
            wrong.append(caption(turned))
            videos.append(make_clip(seed, attributes=attributes, size=64).frames)
    scorer = EMScore(clip_model_path="toy", frame_aggregation="in_order", metrics=["full_F"])
    scores = [np.array(scorer.score(predictions=some, videos=videos).rows["EMScore(X,V)_full_F"])
              for some in (right, wrong)]  # fmt: skip
    assert (scores[0] > scores[1]).mean() >= 0.8
    ranked = EMScore(clip_model_path="toy", frame_aggregation="in_order", against_chance=True)
    report = ranked.score(predictions=right, videos=videos)
    for i, text in enumerate(right):
        own = scores[0][i]
        others = [scorer.score(predictions=[text], videos=[video]).rows["EMScore(X,V)_full_F"][0] for video in videos]
        below = [other < own for j, other in enumerate(others) if j != i]
        assert report.rows["EMScore(X,V)_percentile"][i] == pytest.approx(sum(below) / len(below))
    fitted = scorer.fit_baseline(predictions=right, videos=videos)
    assert fitted.baseline.values["EMScore(X,V)_full_F"] == pytest.approx(report.calibration["mismatched_mean"])
