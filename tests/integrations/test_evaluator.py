"""The Evaluator of ``evaluate`` for video captions: functions, pipelines and real models of transformers."""

from __future__ import annotations

import math
import re
from typing import Any

import datasets
import evaluate
import numpy as np
import pytest

import vqe_core
from tests.alike import assert_alike
from tests.required import required_package
from tests.tiny_captioner import git, image_processor, vision_encoder_decoder, word_tokenizer
from vqe_core.errors import InputError
from vqe_core.integrations.evaluator import VideoCaptioningEvaluator, interval_of_mean, video_numbers
from vqe_core.toy.clips import make_clip, write_clip

required_package("scipy")

TIMES = {"total_time_in_seconds", "samples_per_second", "latency_in_seconds"}
SAID = ["a red circle", "a green star", "a blue ring"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> datasets.Dataset:
    folder = tmp_path_factory.mktemp("clips")
    clips = [make_clip(seed, size=64, num_frames=6) for seed in range(3)]
    videos = [str(write_clip(clip, folder / f"{i}.mp4")) for i, clip in enumerate(clips)]
    return datasets.Dataset.from_dict({"video": videos, "references": [clip.captions(2) for clip in clips]})


@pytest.fixture(scope="module")
def tokenizer(rows: datasets.Dataset) -> Any:
    return word_tokenizer(caption for captions in rows["references"] for caption in captions)


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key not in TIMES}


def expected(rows: datasets.Dataset, captions: list[str], **options: Any) -> dict[str, Any]:
    scorer = vqe_core.EMScore(clip_model_path="toy", **options)
    return scorer.compute(predictions=captions, videos=list(rows["video"]), references=list(rows["references"]))


@pytest.mark.parametrize(
    "wrap",
    [lambda text: text, lambda text: {"generated_text": text}, lambda text: [{"generated_text": text}]],
    ids=["strings", "dictionaries", "lists"],
)
def test_a_function_is_judged_by_the_metric_script(rows, wrap):
    evaluator = VideoCaptioningEvaluator(clip_model_path="toy")
    seen: list[str] = []

    def captioner(videos: Any) -> list[Any]:
        seen.extend(videos)
        return [wrap(text) for text in SAID]

    result = evaluator.compute(captioner, rows, metric="metrics/emscore")
    assert seen == rows["video"]
    assert_alike(without_times(result), expected(rows, SAID))
    assert result["samples_per_second"] == pytest.approx(3 / result["total_time_in_seconds"])
    assert result.keys() >= TIMES


def test_the_metric_may_be_a_module_a_scorer_or_left_out(rows, tmp_path):
    module = evaluate.load("metrics/emscore", cache_dir=str(tmp_path), clip_model_path="toy", frame_num=2)
    scorer = vqe_core.EMScore(clip_model_path="toy", frame_num=2)
    for evaluator, metric in [
        (VideoCaptioningEvaluator(), module),
        (VideoCaptioningEvaluator(), scorer),
        (VideoCaptioningEvaluator(clip_model_path="toy", frame_num=2), None),
    ]:
        result = evaluator.compute(lambda videos: SAID, rows, metric=metric)
        assert_alike(without_times(result), expected(rows, SAID, frame_num=2))


def test_references_may_be_left_out(rows):
    evaluator = VideoCaptioningEvaluator(clip_model_path="toy")
    result = evaluator.compute(lambda videos: SAID, rows, label_column=None)
    assert_alike(result["EMScore(X,V)_full_F"], expected(rows, SAID)["EMScore(X,V)_full_F"])
    assert "EMScore(X,X*)_full_F" not in result


@pytest.mark.parametrize("build", [vision_encoder_decoder, git], ids=["one frame", "several frames"])
def test_a_model_of_transformers_captions_and_is_judged(rows, tokenizer, build):
    model = build(tokenizer)
    evaluator = VideoCaptioningEvaluator({"max_new_tokens": 5}, clip_model_path="toy", per_sample=True)
    result = evaluator.compute(model, rows, tokenizer=tokenizer, feature_extractor=image_processor(), device=-1)
    pipe = evaluator.prepare_pipeline(model, tokenizer, image_processor())
    captions = pipe(rows["video"])
    assert len(captions) == 3
    assert all(1 <= len(caption.split()) <= 5 for caption in captions)
    assert_alike(without_times(result), expected(rows, captions, per_sample=True))
    with pytest.raises(InputError, match="give tokenizer and image_processor too"):
        evaluator.compute(model, rows)


def test_batches_do_not_change_captions(rows, tokenizer):
    from vqe_core.integrations.evaluator import FrameCaptioner

    model = git(tokenizer)
    at_once = FrameCaptioner(model, tokenizer, image_processor())(rows["video"])
    assert FrameCaptioner(model, tokenizer, image_processor(), batch_size=2)(rows["video"]) == at_once


def test_several_frames_are_the_middles_of_equal_parts(tokenizer):
    from vqe_core.integrations.evaluator import FrameCaptioner

    frames = np.zeros((9, 8, 8, 3), np.uint8) + np.arange(9, dtype=np.uint8)[:, None, None, None]
    for count, middles in [(3, [1, 4, 7]), (1, [4]), (12, [0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 7, 8])]:
        captioner = FrameCaptioner(git(tokenizer, frames=count), tokenizer, image_processor())
        assert [int(frame[0, 0, 0]) for frame in captioner._frames(frames)] == middles


def test_bootstrap_gives_intervals_of_the_rows_scores(rows):
    evaluator = VideoCaptioningEvaluator(clip_model_path="toy")
    settings = {"strategy": "bootstrap", "n_resamples": 200, "random_state": 0}
    result = evaluator.compute(lambda videos: SAID, rows, **settings)
    alone = expected(rows, SAID, per_sample=True)
    scores = {key: entry for key, entry in result.items() if isinstance(entry, dict) and "score" in entry}
    assert scores.keys() == alone["samples"].keys() - {"status", "message", "warnings"}
    for key, entry in scores.items():
        low, high = entry["confidence_interval"]
        assert_alike(entry["score"], alone[key])
        assert min(alone["samples"][key]) - 1e-5 <= low <= entry["score"] <= high <= max(alone["samples"][key]) + 1e-5
        assert entry["standard_error"] > 0
    assert result["num_rows"] == 3
    assert "samples" not in result
    again = evaluator.compute(lambda videos: SAID, rows, **settings)
    assert_alike({key: again[key] for key in scores}, scores)
    one = evaluator.compute(lambda videos: SAID[:1], rows.select([0]), **settings)
    assert math.isnan(one["EMScore(X,V)_cogr"]["standard_error"])


@pytest.mark.parametrize(
    ("captioner", "words"),
    [
        (lambda videos: SAID[:2], "the captioner gave 2 captions for 3 videos"),
        (lambda videos: [1, 2, 3], "the captioner must give strings or {'generated_text': string}, got 1"),
        ("org/model", "model_or_pipeline ('org/model') must be a model of transformers or a function"),
    ],
)
def test_wrong_captioners_are_told_plainly(rows, captioner, words):
    with pytest.raises(InputError, match=re.escape(words)):
        VideoCaptioningEvaluator(clip_model_path="toy").compute(captioner, rows)


def test_a_column_that_is_not_there_is_named(rows):
    with pytest.raises(ValueError, match="label_column"):
        VideoCaptioningEvaluator(clip_model_path="toy").compute(lambda videos: SAID, rows, label_column="text")


def test_rows_of_one_video_are_one_unit_whatever_their_segment(tmp_path):
    one, other = (tmp_path / f"{n}.mp4" for n in range(2))
    for path in (one, other):
        path.write_bytes(path.name.encode() * 10)
    videos = [str(one), {"path": str(other)}, {"path": str(one), "start": 1.0}, str(tmp_path / "missing.mp4"), None]
    numbers = video_numbers(videos).tolist()
    assert numbers == [0, 1, 0, 2, 3]


def test_the_interval_holds_the_mean_as_often_as_it_says_with_ten_captions_a_video():
    generator = np.random.default_rng(0)
    videos, held = np.repeat(np.arange(50), 10), 0
    for _ in range(150):
        scores = generator.normal(0, 1, 50)[videos] + generator.normal(0, 0.5, 500)
        low, high = interval_of_mean(scores, videos, n_resamples=300, random_state=0)["confidence_interval"]
        held += low <= 0 <= high
    # Resampling rows holds it in 53 % of draws.
    assert held / 150 >= 0.87


def test_the_interval_of_rows_with_a_video_each_is_that_of_scipy():
    from scipy.stats import bootstrap

    scores = np.random.default_rng(1).normal(size=40)
    settings = {"n_resamples": 20_000, "random_state": 3}
    ours = interval_of_mean([*scores, math.nan], np.arange(41), **settings)["confidence_interval"]
    assert ours == pytest.approx(bootstrap((scores,), np.mean, **settings).confidence_interval, abs=0.015)
    assert ours == interval_of_mean(scores, np.arange(40), **settings)["confidence_interval"]
