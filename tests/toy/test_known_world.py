"""The teaching model says where it cannot judge, and no other model ever does."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from vqe_core import CLIPScore, EMScore, VideoAudioSimilarity
from vqe_core.encoders import load_image_text_encoder
from vqe_core.toy import model_folder
from vqe_core.toy.clips import make_clip
from vqe_core.toy.known_world import FILE, ground_of, known_words, known_world_of, unknown_words

RNG = np.random.default_rng(0)
ACROSS = np.linspace(0, 255, 96)


def clip_of(*images: np.ndarray) -> np.ndarray:
    return np.stack(images * (4 // len(images)))


def screen() -> np.ndarray:
    image = np.full((96, 96, 3), 255, np.uint8)
    image[::6, 8:88] = 30
    return image


STRANGE = {
    "noise": RNG.integers(0, 256, (4, 96, 96, 3)).astype(np.uint8),
    "gradient": clip_of(
        np.stack([np.tile(ACROSS, (96, 1)), np.tile(ACROSS[:, None], (1, 96)), np.full((96, 96), 90)], -1).astype(
            np.uint8
        )
    ),
    "grey gradient": clip_of(np.repeat(np.tile(ACROSS, (96, 1))[..., None], 3, axis=2).astype(np.uint8)),
    "black": np.zeros((4, 96, 96, 3), np.uint8),
    "white": np.full((4, 96, 96, 3), 255, np.uint8),
    "one colour": np.zeros((4, 96, 96, 3), np.uint8) + np.array([220, 40, 40], np.uint8),
    "screen": clip_of(screen()),
}


def warned(frames: np.ndarray, caption: str = "a red star") -> list[str]:
    report = EMScore(clip_model_path="toy", frame_num=4).score(predictions=[caption], videos=[frames])
    return [warning.code for warning in report.warnings[0]]


@pytest.mark.parametrize("name", STRANGE)
def test_a_clip_of_another_world_is_told(name):
    assert warned(STRANGE[name]) == ["out_of_world"]


@pytest.mark.parametrize("seed", range(12))
def test_drawn_clips_are_known(seed):
    assert warned(make_clip(seed, size=(64, 128, 256)[seed % 3]).frames) == []


def test_every_metric_tells():
    noise, sound = STRANGE["noise"], make_clip(1)
    audio = {"array": sound.waveform, "sampling_rate": sound.sampling_rate}
    clip_score = CLIPScore(clip_model_path="toy").score(predictions=["a star"], videos=[noise])
    assert clip_score.num_warned == {"out_of_world": 1}
    for method in ("tags", "joint"):
        scorer = VideoAudioSimilarity(hf_clip="toy", method=method)
        found = scorer.score(videos=[{"frames": noise, "fps": 2}], audios=[audio])
        assert found.num_warned["out_of_world"] == 1, method


def test_it_is_told_of_embeddings_from_the_cache_too(tmp_path):
    scorer = EMScore(clip_model_path="toy", cache_dir=tmp_path)
    rows = {"predictions": ["a dog"], "videos": [STRANGE["noise"]]}
    assert scorer.score(**rows).warnings == scorer.score(**rows).warnings
    assert set(scorer.score(**rows).num_warned) == {"out_of_world", "unknown_words"}


def test_words_that_no_caption_has_are_told():
    assert warned(make_clip(0).frames, "a dog swims in a lake") == ["unknown_words"]
    assert unknown_words("A small RED star, then two rings; l'été") == ["l'été"]


@pytest.mark.parametrize("seed", range(30))
def test_no_caption_of_the_toy_world_has_an_unknown_word(seed):
    clip = make_clip(seed, size=16)
    texts = [*clip.captions(4), *(foil.text for foil in clip.foils()), clip.sound_caption()]
    assert [unknown_words(text) for text in texts] == [[]] * len(texts)
    assert "dog" not in known_words()


def test_other_models_never_warn(clip_folder, tmp_path):
    rows = {"predictions": ["a dog swims in a lake"], "videos": [STRANGE["noise"]]}
    assert EMScore(clip_model_path=clip_folder).score(**rows).num_warned == {}
    assert load_image_text_encoder(clip_folder).known_world is None
    # Not either where the limits lie beside other weights.
    shutil.copy(model_folder() / FILE, tmp_path / FILE)
    assert known_world_of(tmp_path, "another revision") is None
    (tmp_path / FILE).write_text("{")
    assert known_world_of(tmp_path, "any") is None


def test_a_copy_of_the_model_warns_as_the_model_does(tmp_path):
    copy = shutil.copytree(model_folder(), tmp_path / "copy")
    assert load_image_text_encoder(str(copy)).known_world is not None


def test_the_ground_is_the_commonest_colour_in_two_tones():
    image = torch.full((3, 10, 10), 90, dtype=torch.uint8)
    image[:, :5] = 130
    image[:, 0] = torch.tensor([220, 40, 40], dtype=torch.uint8)[:, None]
    found = ground_of(image)
    assert found.share == pytest.approx(0.9) and found.tint == 0.0 and found.grey in (90.0, 130.0)


def test_an_image_without_any_common_colour_has_a_ground_of_nothing():
    # The medians of the two differences of channels meet in no pixel.
    pixels = [*[[100, 100, 0], [100, 0, 0], [0, 100, 200]] * 21, [100, 100, 0]]
    image = torch.tensor(pixels, dtype=torch.uint8).T.reshape(3, 8, 8)
    ground = ground_of(image)
    assert ground.share == 0.0 and 0 <= ground.grey <= 255 and ground.tint == 0.0
