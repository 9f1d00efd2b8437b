"""The shipped audio model meets its bars on a small sample; an untrained one guesses; a stale one is refused.

The bars on 256 clips are in the model card. Here are 48 clips, so each bar is set lower.
"""

import json
import shutil

import numpy as np
import pytest
import torch
from transformers import ClapModel

from training.audio_card import audio_table, missed_audio_bars, section, write_audio_section
from training.audio_evaluate import SOUND_FOILS, wrong_sound
from training.audio_measures import (
    Listener,
    directions,
    measure_sound,
    read_back,
    right_against_shuffled,
    tagging,
    true_tags,
)
from training.network import make_model
from training.tokenizer import build_tokenizer
from training.train import save
from training.train_audio import space_of
from vqe_core.encoders.audio_loading import load_joint_encoder, load_tagger
from vqe_core.errors import ModelError
from vqe_core.toy import model_folder
from vqe_core.toy.clips import make_clip
from vqe_core.toy.world import SOUND, num_events

FOLDER = model_folder()


@pytest.fixture(scope="module")
def clips():
    """Held-out pairs, other seeds than those of the card, through H.264 and AAC."""
    return [read_back(make_clip(31_000_000 + index, heldout="only")) for index in range(48)]


@pytest.fixture(scope="module")
def listener():
    return Listener.load("toy")


@pytest.fixture(scope="module")
def results():
    return json.loads((FOLDER / "evaluation.json").read_text())["audio"]


@pytest.fixture
def retrained(tmp_path):
    """The shipped folder after the stages of the CLIP ran again in it, and the audio stage did not."""
    shutil.copytree(FOLDER, tmp_path / "model")
    tokenizer = build_tokenizer()
    save(make_model(tokenizer, seed=5), tokenizer, tmp_path / "model")
    return tmp_path / "model"


def test_audio_finds_its_frames(listener, clips):
    figures = measure_sound(listener, clips)
    assert figures["joint"]["auc"] >= 0.93 and figures["joint"]["pooled_auc"] >= 0.93
    assert figures["tags"]["auc"] >= 0.75 and figures["tags"]["pooled_auc"] >= 0.75
    assert figures["tagging"]["one_event"] >= 24
    assert figures["tagging"]["top_1"] >= 0.9


def test_an_untrained_control_guesses(listener, clips):
    figures = measure_sound(listener.untrained(), clips)
    for way in ("joint", "tags"):
        assert 0.35 < figures[way]["auc"] < 0.65
    assert figures["tagging"]["top_1"] < 0.4


def test_toy_brings_its_audio_model_along(listener):
    assert load_joint_encoder("toy", "cpu") is listener.joint
    assert load_tagger("toy", "cpu") is listener.joint.audio_encoder
    assert (listener.joint.sampling_rate, listener.joint.window) == (16000, 3.0)
    assert len(listener.tagger.labels) == 8
    assert listener.tagger.shared_space == listener.joint.space == space_of(FOLDER)


def test_the_model_is_plain_small_fp32():
    model = ClapModel.from_pretrained(FOLDER / "audio")
    assert {values.dtype for values in model.state_dict().values() if values.is_floating_point()} == {torch.float32}
    files = [file for file in FOLDER.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 7_000_000
    assert all(file.stat().st_mode & 0o444 == 0o444 for file in files)


def test_a_clip_trained_anew_no_longer_knows_the_old_audio_model(retrained):
    with pytest.raises(ModelError, match="no audio, so comparison"):
        load_joint_encoder(str(retrained), "cpu")


def test_an_audio_model_made_for_other_clip_weights_is_refused(retrained):
    path = retrained / "config.json"
    declared = {"vqe_space": space_of(retrained), "vqe_audio_model": "audio"}
    path.write_text(json.dumps(json.loads(path.read_text()) | declared))
    with pytest.raises(ModelError, match="images are in the space 'toy-") as raised:
        load_joint_encoder(str(retrained), "cpu")
    assert raised.value.code == "different_spaces"


def test_the_card_holds_the_results_and_they_meet_every_bar(results):
    assert section(FOLDER, results) in (FOLDER / "README.md").read_text()
    assert missed_audio_bars(results) == []
    assert all(0.4 < results["untrained"][way]["auc"] < 0.6 for way in ("joint", "tags"))


def test_rewriting_the_section_changes_nothing_else(tmp_path, results):
    shutil.copytree(FOLDER, tmp_path / "model")
    text = (FOLDER / "README.md").read_text()
    worse = results | {"held_out": results["held_out"] | {"tagging": {"top_1": 0.5, "both": 0.5}}}
    write_audio_section(tmp_path / "model", worse)
    assert (tmp_path / "model" / "README.md").read_text() == text.replace(audio_table(results), audio_table(worse))
    assert missed_audio_bars(worse) == ["tagging"]


def test_measures_of_a_perfect_and_of_a_constant_matrix():
    assert set(right_against_shuffled(torch.eye(6), group=3).values()) == {1.0}
    figures = right_against_shuffled(torch.zeros(6, 6), group=3)
    assert figures["auc"] == figures["pooled_auc"] == figures["pair_accuracy"] == 0.5
    assert figures["video_to_sound"] == pytest.approx(1 / 3, abs=1e-4)


def test_true_tags_are_tagged_without_fault_and_point_to_their_texts(clips):
    tags = true_tags(clips)
    assert tags.sum(1).tolist() == pytest.approx([1] * len(clips))
    figures = tagging(tags, clips)
    assert figures["top_1"] == figures["both"] == 1
    one = next(i for i, clip in enumerate(clips) if num_events(clip.attributes) == 1)
    texts = torch.eye(8)
    assert torch.equal(directions(tags, texts)[one], texts[clips[one].attributes[0, SOUND]])


@pytest.mark.parametrize("kind", SOUND_FOILS)
def test_a_wrong_sound_is_wrong_in_one_respect(clips, kind):
    rng, made = np.random.default_rng(0), 0
    for clip in clips:
        wrong = wrong_sound(clip.attributes, kind, rng)
        if wrong is not None:
            made += 1
            assert (wrong[0] != clip.attributes[0]).sum() == 1
            assert num_events(wrong) == num_events(clip.attributes)
    assert made >= 5
