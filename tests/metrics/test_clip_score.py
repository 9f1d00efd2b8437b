"""CLIPScore through ``evaluate.load``, against the paper's formula and as users call it."""

from __future__ import annotations

import math
import re
import shutil
from typing import Any

import evaluate
import numpy as np
import pytest
import torch
from transformers import CLIPModel

import vqe_core
from tests import oracle
from vqe_core.errors import InputError

EXACT = 1e-5  # float32 here, float64 in the oracle
CAPTIONS = ["a red cat runs", "the big dog sits on a blue house", "a man cooks; a woman plays with the ball!"]
REFERENCES = [["a cat runs"], ["a dog in a house", "the small dog sits", "a tree"], "a man and a woman play"]


@pytest.fixture(scope="module")
def metric(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return evaluate.load("metrics/clip_score", cache_dir=str(tmp_path_factory.mktemp("evaluate")))


def noise(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def cosine_with_video(folder: str, caption: str, frames: np.ndarray) -> float:
    """One caption, one frame at a time: the caption's EOS vector and the mean of the frames' unit vectors."""
    mean = np.mean([oracle.frame_vector(folder, frame) for frame in frames], axis=0)
    return float(oracle.caption_vectors(folder, caption)[1][-1] @ oracle.unit(mean))


def slow_scores(folder: str, caption: str, frames: np.ndarray, references: list[str]) -> tuple[float, float]:
    """CLIP-S and RefCLIP-S as section 3 of the paper writes them."""
    clip_s = 2.5 * max(cosine_with_video(folder, caption, frames), 0.0)
    vector = oracle.caption_vectors(folder, caption)[1][-1]
    best = max(0.0, *(float(vector @ oracle.caption_vectors(folder, text)[1][-1]) for text in references))
    return clip_s, 2 / (1 / clip_s + 1 / best) if clip_s > 0 and best > 0 else 0.0


@pytest.fixture(scope="module")
def opposite(clip_folder: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same model with every image embedding turned round, so that every cosine has the other sign."""
    folder = shutil.copytree(clip_folder, tmp_path_factory.mktemp("opposite") / "clip")
    model = CLIPModel.from_pretrained(folder)
    with torch.no_grad():
        model.visual_projection.weight.neg_()
    model.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("prefix", ["", "a man with "])
def test_equals_the_formula_of_the_paper(metric, clip_folder, prefix):
    clips = [noise(i, 7 + 6 * i) for i in range(3)]  # fewer frames than sampled, and more
    result = metric.compute(
        predictions=CAPTIONS, videos=clips, references=REFERENCES, prefix=prefix, per_sample=True,
        clip_model_path=clip_folder,
    )  # fmt: skip
    expected = []
    for caption, clip, given in zip(CAPTIONS, clips, REFERENCES, strict=True):
        frames = clip[np.linspace(0, len(clip) - 1, 10).astype(int)]
        references = [prefix + text for text in ([given] if isinstance(given, str) else given)]
        expected.append(slow_scores(clip_folder, prefix + caption, frames, references))
    for name, values in zip(("clip_score", "ref_clip_score"), zip(*expected, strict=True), strict=True):
        assert result["samples"][name] == pytest.approx(values, abs=EXACT)
        assert result[name] == pytest.approx(np.mean(values), abs=EXACT)
        assert type(result[name]) is float
    assert (result["num_rows"], result["num_failed"]) == (3, 0)
    assert result["signature"]["metric"] == "clip_score" and result["signature"]["prompt"] == prefix


def test_a_negative_cosine_scores_0(metric, clip_folder, opposite):
    clips = [noise(i, 3) for i in range(3)]
    columns = {"predictions": CAPTIONS, "videos": clips, "references": CAPTIONS, "per_sample": True}
    columns["frame_num"] = 3
    cosines = [cosine_with_video(clip_folder, *row) for row in zip(CAPTIONS, clips, strict=True)]
    for folder, sign in ((clip_folder, 1), (opposite, -1)):
        samples = metric.compute(**columns, clip_model_path=folder)["samples"]
        assert samples["clip_score"] == pytest.approx([2.5 * max(sign * cosine, 0) for cosine in cosines], abs=EXACT)
        for score, with_reference in zip(samples["clip_score"], samples["ref_clip_score"], strict=True):
            assert (score == 0) == (with_reference == 0)


def test_the_right_caption_of_a_toy_clip_scores_above_another(metric):
    from vqe_core.toy.clips import make_clip

    clip = make_clip(seed=7)
    result = metric.compute(
        predictions=[clip.captions(1)[0], "two red stars"], videos=[clip.frames] * 2, per_sample=True,
        clip_model_path="toy",
    )  # fmt: skip
    right, wrong = result["samples"]["clip_score"]
    assert right > wrong
    assert "ref_clip_score" not in result and "ref_clip_score" not in result["samples"]


def test_a_row_without_references_has_no_ref_clip_score(metric, clip_folder):
    clips = [noise(i, 4) for i in range(3)]
    result = metric.compute(
        predictions=CAPTIONS, videos=clips, references=[REFERENCES[0], None, REFERENCES[2]], per_sample=True,
        clip_model_path=clip_folder,
    )  # fmt: skip
    known = [not math.isnan(value) for value in result["samples"]["ref_clip_score"]]
    assert known == [True, False, True]
    assert result["samples"]["status"] == ["ok"] * 3
    alone = metric.compute(predictions=CAPTIONS, videos=clips, per_sample=True, clip_model_path=clip_folder)
    assert result["samples"]["clip_score"] == alone["samples"]["clip_score"]
    with_score = [value for value in result["samples"]["ref_clip_score"] if not math.isnan(value)]
    assert result["ref_clip_score"] == pytest.approx(np.mean(with_score))


def test_a_row_without_a_video_cannot_be_scored(metric, clip_folder):
    arguments = {"predictions": CAPTIONS[:2], "videos": [noise(0, 4), None], "clip_model_path": clip_folder}
    with pytest.raises(
        InputError, match=re.escape("row 1: [no_input] videos (None) must hold a video; leave the row out")
    ):
        metric.compute(**arguments)
    result = metric.compute(**arguments, on_error="skip", per_sample=True)
    assert result["samples"]["status"] == ["ok", "no_input"]
    assert (result["num_rows"], result["num_failed"]) == (2, 1)
    assert result["clip_score"] == result["samples"]["clip_score"][0]


def test_without_videos_nothing_is_compared(metric, clip_folder):
    with pytest.raises(InputError, match="clip_score compares captions with videos; give videos"):
        metric.compute(predictions=CAPTIONS, references=REFERENCES, clip_model_path=clip_folder)


def test_the_metric_and_the_class_give_the_same(metric, clip_folder):
    arguments = {"predictions": CAPTIONS, "videos": [noise(i, 5) for i in range(3)], "references": REFERENCES}
    ours = vqe_core.CLIPScore(clip_model_path=clip_folder, per_sample=True).compute(**arguments)
    assert metric.compute(**arguments, clip_model_path=clip_folder, per_sample=True) == ours


def test_an_unknown_option_raises(metric, clip_folder):
    with pytest.raises(TypeError, match="idf"):
        metric.compute(predictions=["a cat"], videos=[noise(0, 2)], idf=True, clip_model_path=clip_folder)
