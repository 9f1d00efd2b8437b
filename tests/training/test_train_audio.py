"""The audio stage runs end to end on the shipped CLIP and repeats itself; its parts keep their promises."""

import json
import shutil

import numpy as np
import pytest
import torch
from transformers import AutoProcessor, ClapModel

from training.audio_network import LABELS, MAX_LENGTH, PROMPT, build_audio_tokenizer, make_audio_model
from training.audio_training_data import FRAMES, audible, describe_sound, embed_videos, make_sound_set
from training.train_audio import AudioRecipe, _not_own, augment, space_of, train_audio
from vqe_core.encoders.audio_loading import load_joint_encoder, load_tagger
from vqe_core.encoders.clip_clap import FRAMES as FRAMES_OF_A_WINDOW
from vqe_core.toy import model_folder
from vqe_core.toy.captions import sound_caption
from vqe_core.toy.claims import UNSAID, compatible
from vqe_core.toy.clips import make_clip
from vqe_core.toy.judge import Judge
from vqe_core.toy.world import COLOUR, LEFT, MOTION, RIGHT, SHAPE, SOUND, UP, is_heldout, sample_attributes

TINY = AudioRecipe(audio_seed=1, audio_clips=10, audio_steps=2, audio_batch=4)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs on one thread, each beside a copy of the shipped CLIP."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    for folder in folders:
        for file in model_folder().iterdir():
            if file.is_file():
                shutil.copy(file, folder)
        train_audio(TINY, folder)
    torch.set_num_threads(threads)
    return folders


@pytest.fixture(scope="module")
def clip():
    return Judge.load(model_folder()).model


def test_a_seed_gives_the_same_weights_bit_for_bit(runs):
    weights = [(folder / "audio" / "model.safetensors").read_bytes() for folder in runs]
    assert weights[0] == weights[1]


def test_training_moves_both_towers(runs):
    after = ClapModel.from_pretrained(runs[0] / "audio").state_dict()
    before = make_audio_model(build_audio_tokenizer(), 64, TINY.audio_seed).state_dict()
    assert set(after) == set(before)
    for name in ("audio_projection.linear1.weight", "text_projection.linear1.weight", "logit_scale_a"):
        assert not torch.equal(after[name], before[name])


def test_the_clip_keeps_its_weights_and_both_declare_one_space(runs):
    shipped = (model_folder() / "model.safetensors").read_bytes()
    assert (runs[0] / "model.safetensors").read_bytes() == shipped
    clip, clap = (json.loads((runs[0] / part / "config.json").read_text()) for part in ("", "audio"))
    assert clip["vqe_space"] == clap["vqe_space"] == space_of(runs[0])
    assert clip["vqe_audio_model"] == "audio" and "vqe_labels" not in clip
    assert clap["vqe_labels"] == list(LABELS) and clap["vqe_photo_prompt"] == PROMPT


def test_a_trained_folder_loads_by_the_real_classes_and_is_readable(runs):
    folder = runs[0] / "audio"
    assert type(AutoProcessor.from_pretrained(folder)).__name__ == "ClapProcessor"
    assert all(file.stat().st_mode & 0o777 == 0o644 for file in folder.iterdir() if file.name != "training.json")
    assert json.loads((folder / "training.json").read_text())["recipe"]["audio_steps"] == 2
    assert load_joint_encoder(str(runs[0]), "cpu").space == space_of(runs[0])
    assert load_tagger(str(runs[0]), "cpu").labels == LABELS


def test_the_targets_are_the_video_embeddings_of_the_joint_encoder(runs, clip):
    frames = make_clip(5, size=64, num_frames=FRAMES).frames
    expected = load_joint_encoder(str(runs[0]), "cpu").embed_video([frames])
    found = embed_videos(clip, frames[None])
    assert FRAMES == FRAMES_OF_A_WINDOW
    torch.testing.assert_close(found, torch.nn.functional.normalize(expected, dim=-1), atol=1e-4, rtol=0)


def test_training_clips_have_no_heldout_pair_and_do_not_depend_on_the_processes(clip):
    one, two = (make_sound_set(clip, 3, 8, processes=count) for count in (1, 2))
    assert (one.mels == two.mels).all() and (one.attributes == two.attributes).all()
    assert torch.equal(one.videos, two.videos) and len(one) == 8
    assert not any(is_heldout(e[COLOUR], e[SHAPE]) for e in one.attributes.reshape(-1, 7) if e[COLOUR] >= 0)


def test_what_makes_no_sound_is_merged():
    attributes = sample_attributes(np.random.default_rng(0), events=1)
    other = attributes.copy()
    attributes[0, MOTION], other[0, MOTION] = LEFT, RIGHT
    other[0, COLOUR] = (attributes[0, COLOUR] + 1) % 8
    assert (audible(attributes) == audible(other)).all()
    other[0, MOTION] = UP
    assert (audible(attributes) != audible(other)).any()
    assert (audible(attributes)[1] == attributes[1]).all()


def test_a_description_claims_what_it_says_and_is_true():
    rng, tokenizer, lengths, claimed = np.random.default_rng(0), build_audio_tokenizer(), [], set()
    for seed in range(300):
        attributes = sample_attributes(np.random.default_rng(seed))
        text, claims = describe_sound(attributes, rng)
        assert compatible(claims[None], audible(attributes)[None])[0, 0]
        assert (claims[: text.count(", then ") + 1, SOUND] != UNSAID).all()
        claimed.add(tuple((claims[0] != UNSAID).tolist()))
        lengths += [len(tokenizer(t)["input_ids"]) for t in (text, sound_caption(attributes))]
    assert max(lengths) <= MAX_LENGTH
    assert len(claimed) == 4  # terse, and with ambience: voice alone, without and with a named pitch


def test_pairs_that_are_true_by_chance_are_left_out_but_not_the_own_one():
    true = np.array([[True, True], [False, True]])
    assert _not_own(true).tolist() == [[False, True], [False, False]]
    assert true[0, 0]


def test_augmentation_changes_volume_and_start_alone():
    mels = np.random.default_rng(0).standard_normal((3, 63, 64)).astype(np.float32)
    changed = augment(mels, np.random.default_rng(1)).numpy()[:, 0]
    louder = changed.mean((1, 2)) - mels.mean((1, 2))
    assert len(set(louder.round(3).tolist())) == 3
    restored = np.sort((changed - louder[:, None, None]).ravel())
    np.testing.assert_allclose(restored, np.sort(mels.ravel()), atol=1e-4)


def test_the_untrained_model_depends_on_the_seed_alone():
    tokenizer, state = build_audio_tokenizer(), torch.random.get_rng_state()
    first, again, other = (make_audio_model(tokenizer, 64, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["audio_projection.linear1.weight"], other["audio_projection.linear1.weight"])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_every_word_is_one_token_and_any_text_tokenises():
    tokenizer = build_audio_tokenizer()
    assert len(tokenizer("a low buzzer buzzes twice")["input_ids"]) == 7
    assert tokenizer.unk_token_id not in tokenizer("žába, 蛙!")["input_ids"]
