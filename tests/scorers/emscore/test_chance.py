"""EMScore against chance, one caption and one video at a time, and who is whose mismatch."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest

from tests.toy_rows import toy_rows
from vqe_core import EMScore
from vqe_core.errors import InputError
from vqe_core.toy.clips import make_clip, write_clip

TOY: dict[str, Any] = {"clip_model_path": "toy", "frame_num": 3, "progress": False}


@pytest.mark.parametrize(
    "options",
    [
        {"against_chance": True},
        {"against_chance": "figr_P", "idf": ["a red star", "a blue circle moves left"], "cogr_weight": 0.25},
        {"against_chance": "full_F", "frame_aggregation": "mean_of_frames"},
        {"against_chance": "cogr", "every_n_frames": 5, "frame_num": None},
    ],
)
def test_equals_each_caption_with_each_video_by_itself(options):
    rows = toy_rows(5, captions=2, lengths=(4, 9, 12))
    predictions, videos = rows["predictions"], rows["videos"]
    scorer = EMScore(**{**TOY, **options})
    report = scorer.score(**rows)
    metric = f"EMScore(X,V)_{scorer.against_chance}"
    plain = EMScore(**{**TOY, **options, "against_chance": None})
    slow = np.array(
        [plain.score(predictions=predictions, videos=[video] * len(predictions)).rows[metric] for video in videos[::2]]
    ).T  # caption by clip
    own = [slow[i, i // 2] for i in range(10)]
    percentiles, ranks, zs, ahead = [], [], [], []
    for i in range(10):
        others = [slow[i, clip] for clip in range(5) if clip != i // 2]
        lower = sum(bool(other < own[i]) for other in others)
        percentiles.append(lower / 4)
        ranks.append(1 + 4 - lower)
        zs.append((own[i] - statistics.mean(others)) / statistics.stdev(others))
        ahead += [float(own[i] > slow[j, i // 2]) for j in range(10) if j // 2 != i // 2]
    assert report.rows["EMScore(X,V)_percentile"] == pytest.approx(percentiles)
    assert report.rows["EMScore(X,V)_rank"] == pytest.approx(ranks)
    assert report.rows["EMScore(X,V)_z"] == pytest.approx(zs, rel=1e-3)
    numbers = report.calibration
    assert numbers["auc"] == pytest.approx(statistics.mean(percentiles))
    assert numbers["auc_v2t"] == pytest.approx(statistics.mean(ahead))
    assert numbers["r1_t2v"] == pytest.approx(sum(rank == 1 for rank in ranks) / 10)
    assert numbers["median_rank"] == pytest.approx(statistics.median(ranks))
    mismatched = statistics.mean(slow[i, clip] for i in range(10) for clip in range(5) if clip != i // 2)
    assert numbers["mismatched_mean"] == pytest.approx(mismatched, abs=1e-6)
    assert numbers["num_videos"] == 5 and "among 5 videos" in report.signature["against_chance"]
    alike = {name: column for name, column in report.rows.items() if name in plain.score(**rows).rows}
    assert alike == plain.score(**rows).rows  # the scores themselves are as they were


def test_segments_and_copies_of_a_file_are_no_mismatches(tmp_path):
    first, other = make_clip(0), make_clip(1)
    one, copy, two = (
        write_clip(clip, tmp_path / name)
        for clip, name in ((first, "one.mp4"), (first, "copy.mp4"), (other, "two.mp4"))
    )
    videos = [{"path": str(one), "end": 1.5}, {"path": str(one), "start": 1.5}, str(one), str(copy), str(two)]
    report = EMScore(**TOY, against_chance=True).score(predictions=["a red star"] * 5, videos=videos)
    assert report.calibration["num_videos"] == 2
    assert set(report.rows["EMScore(X,V)_rank"]) <= {1.0, 1.5, 2.0}


def test_rows_of_the_same_references_are_no_mismatches():
    rows = toy_rows(3)
    together = EMScore(**TOY, against_chance=True).score(**rows, references=["a star", "a star", "a circle"])
    assert together.calibration["num_videos"] == 2


def test_with_nothing_to_compare_with_there_is_no_number():
    rows = toy_rows(1, captions=2)
    report = EMScore(**TOY, against_chance=True).score(**rows)
    assert all(math.isnan(value) for value in report.rows["EMScore(X,V)_percentile"])
    assert math.isnan(report.calibration["auc"]) and report.calibration["num_videos"] == 1
    mixed = {"predictions": ["a star", "a circle"], "videos": ["no.mp4", None], "references": ["a star", "a star"]}
    report = EMScore(**TOY, against_chance=True, on_error="skip").score(**mixed)
    assert report.status == ["not_found", "ok"] and report.calibration["num_videos"] == 0
    assert all(math.isnan(value) for value in report.rows["EMScore(X,V)_z"])


def test_a_batch_is_not_the_data_set():
    with pytest.raises(InputError, match="against_chance would differ from batch to batch; fit it on the whole"):
        EMScore(**TOY, against_chance=True).check_batch()
    with pytest.raises(InputError, match="give videos, or leave it out"):
        EMScore(**TOY, against_chance=True).score(predictions=["a"], references=["a"])
    with pytest.raises(InputError, match=r"against_chance \('auc'\) must be among figr_P"):
        EMScore(against_chance="auc")


def test_true_is_the_headline_of_what_is_asked_for():
    assert EMScore(against_chance=True).against_chance == "full_F"
    assert EMScore(against_chance="true", metrics=["cogr"]).against_chance == "cogr"
    assert EMScore(against_chance=False) == EMScore()
