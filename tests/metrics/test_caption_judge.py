"""Caption judge through ``evaluate``, with the teaching model as the judge."""

from __future__ import annotations

import evaluate
import pytest

from vqe_core.toy.clips import make_clip

SEEDS = range(12)


@pytest.fixture(scope="module")
def metric(tmp_path_factory):
    return evaluate.load("metrics/caption_judge", cache_dir=str(tmp_path_factory.mktemp("evaluate")))


def test_the_toy_judge_prefers_the_right_captions_and_gives_reasons(metric):
    clips = [make_clip(seed) for seed in SEEDS]
    right = [clip.captions(1)[0] for clip in clips]
    other = right[1:] + right[:1]  # of another clip
    result = metric.compute(
        predictions=[*right, *other], videos=[clip.frames for clip in clips] * 2, judge="toy", per_sample=True
    )
    scores, reasons = result["samples"]["caption_judge"], result["samples"]["caption_judge_reason"]
    assert sum(a > b for a, b in zip(scores[: len(SEEDS)], scores[len(SEEDS) :], strict=True)) >= 0.8 * len(SEEDS)
    assert all(0 <= score <= 1 for score in scores)
    for caption, reason in zip([*right, *other], reasons, strict=True):
        assert reason.startswith("least seen: ") and reason.removeprefix("least seen: ") in caption
    assert result["caption_judge"] == pytest.approx(sum(scores) / len(scores))
    assert (result["signature"]["metric"], result["signature"]["judge"]["judge"]) == ("caption_judge", "toy")


def test_a_function_and_files_go_through_evaluate(metric, tmp_path):
    from vqe_core.toy.clips import write_clip

    path = str(write_clip(make_clip(0), tmp_path / "a.mp4"))
    result = metric.compute(
        predictions=["a red square", "nothing"],
        videos=[path, path],
        references=[["a square"], None],
        judge=lambda frames, timestamps, caption, references: (len(references) / 2, caption),
        per_sample=True,
    )
    assert result["samples"]["caption_judge"] == [0.5, 0.0]
    assert result["samples"]["caption_judge_reason"] == ["a red square", "nothing"]
