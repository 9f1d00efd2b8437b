"""A clip whose images change size midway is compared as any other, by every method and in every report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny_families
from tests.clips import coded_frame, write_clip
from tests.sounds import RATE, noise
from vqe_core import CLIPScore, EMScore, VideoAudioSimilarity
from vqe_core.app.inputs import frames_at
from vqe_core.encoders.audio_loading import load_joint_encoder
from vqe_core.report.explain import explain_captions
from vqe_core.toy.judge import Judge

SIZES = ((64, 48), (96, 72))
SOUND = {"array": noise(5.0)[0], "sampling_rate": RATE}
SHARED: dict[str, Any] = {"progress": False, "isolate": False}
ALIKE = {"min_score": None, "max_score": None, **SHARED}


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> str:
    """Five seconds, ten images a second; from 2.5 s on they are larger."""
    folder = tmp_path_factory.mktemp("clip")
    options = {"x264-params": "repeat-headers=1:bframes=0:keyint=10"}
    for part, size in enumerate(SIZES):
        numbers = range(25 * part, 25 * part + 25)
        frames = np.stack([coded_frame(number, *size) for number in numbers])
        write_clip(folder / f"{part}.ts", frames, times=[n / 10 for n in numbers], options=options)
    path = folder / "clip.ts"
    path.write_bytes(b"".join((folder / f"{part}.ts").read_bytes() for part in range(2)))
    return str(path)


@pytest.fixture(scope="module")
def joint_models(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("joint")
    kinds = {name: made for (kind, name), made in tiny_families.TINY.items() if kind == "joint_encoder"}
    return {
        f"{name} {word}".strip(): make(folder / f"{name}{word}".replace(" ", "_"))
        for name, makers in kinds.items()
        for word, make in makers.items()
    }


def mean_pixel(frames: np.ndarray, *others: Any) -> float:
    return float(frames.mean() / 255)


WAYS = {
    "description": VideoAudioSimilarity(hf_clip="toy", describer=lambda *heard: "a bell tolls", **ALIKE),
    "tags": VideoAudioSimilarity(hf_clip="toy", method="tags", **ALIKE),
    "joint": VideoAudioSimilarity(hf_clip="toy", method="joint", **ALIKE),
    "judge": VideoAudioSimilarity(judge=mean_pixel, **ALIKE),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("given", ["file", "list"])
def test_every_method_compares_it(way, given, clip):
    images = [coded_frame(n, *SIZES[n >= 25]) for n in range(0, 50, 5)]
    video = clip if given == "file" else {"frames": images, "fps": 2.0}
    profile = {} if way == "judge" else {"return_profile": True}
    scorer = type(WAYS[way])(**{**vars_of(WAYS[way]), **profile, "horizontal_flip": way != "judge"})
    report = scorer.score(videos=[video, video], audios=[SOUND, SOUND])
    assert report.status == ["ok", "ok"], report.messages
    assert report.rows["similarity"][0] == report.rows["similarity"][1]


def vars_of(scorer: Any) -> dict[str, Any]:
    import dataclasses

    return {field.name: getattr(scorer, field.name) for field in dataclasses.fields(scorer)}


def test_captions_are_scored_and_explained(clip):
    scorer = EMScore(clip_model_path="toy", frame_num=6, **SHARED)
    assert scorer.score(predictions=["a red circle"], videos=[clip]).status == ["ok"]
    assert CLIPScore(clip_model_path="toy", **SHARED).score(predictions=["a circle"], videos=[clip]).status == ["ok"]
    found = explain_captions(scorer, ["a red circle"], clip)[0]
    assert found.frames.shape == (6, 48, 64, 3)


def test_the_app_shows_it(clip):
    frames, times = frames_at(clip, np.array([0.0, 1.0, 3.0, 4.0]))
    assert frames.shape == (4, 48, 64, 3)
    assert times.tolist() == pytest.approx([0.0, 1.0, 3.0, 4.0], abs=0.01)


def test_every_joint_encoder_embeds_a_window_of_several_sizes(joint_models):
    images = tuple(coded_frame(n, *SIZES[n % 2]) for n in range(4))
    for name, folder in joint_models.items():
        encoder = load_joint_encoder(str(folder), "cpu", "float32")
        mixed = encoder.embed_video([images])
        plain = encoder.embed_video([np.stack([coded_frame(n) for n in range(4)])])
        assert mixed.shape == plain.shape, name
        assert mixed.isfinite().all(), name


def test_images_of_one_size_give_the_bits_that_an_array_gives():
    frames = np.stack([coded_frame(n) for n in range(6)])
    ways = [{"frames": frames, "fps": 1.0}, {"frames": list(frames), "fps": 1.0}]
    report = WAYS["joint"].score(videos=ways, audios=[SOUND] * 2)
    assert report.rows["similarity"][0] == report.rows["similarity"][1]


def test_the_judge_of_the_toy_world_takes_images_of_several_sizes(clip_folder):
    judge = Judge.load(Path(clip_folder))
    videos = judge.embed_videos([tuple(coded_frame(n, *SIZES[n % 2]) for n in range(4))])
    assert videos.whole.shape[0] == 1
