"""The training script runs end to end and repeats itself; its parts keep their promises."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from training.network import make_model, overlength, pin_constant
from training.optimisation import learning_rate
from training.tokenizer import build_tokenizer
from training.train import Recipe, train
from training.train_contrastive import _greedy_match, _not_negative
from training.training_data import (
    FRAME_LABELS,
    frame_labels,
    make_training_set,
    permute_colours,
    to_pixel_values,
)
from vqe_core.functional.matching import greedy_match
from vqe_core.toy.judge import Judge
from vqe_core.toy.world import APPEAR, COLOUR, MOTION, SHAPE, is_heldout, sample_attributes

TINY = Recipe(seed=1, clips=12, vision_steps=2, contrastive_steps=2, vision_batch=8, contrastive_batch=4)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs from scratch and one from the checkpoint of the first, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second", "resumed")]
    checkpoint = folders[0] / "vision.pt"
    for folder, start in zip(folders, (checkpoint, None, checkpoint), strict=True):
        train(TINY, folder, start)
    torch.set_num_threads(threads)
    return folders


def test_a_seed_gives_the_same_weights_bit_for_bit(runs):
    weights = [(folder / "model.safetensors").read_bytes() for folder in runs]
    assert weights[0] == weights[1]


def test_a_run_can_start_from_the_first_stage(runs):
    weights = [(folder / "model.safetensors").read_bytes() for folder in runs]
    assert weights[0] == weights[2]


def test_a_trained_folder_loads_by_the_real_classes_and_is_readable(runs):
    judge = Judge.load(runs[1])
    assert judge.model.logit_scale.dtype == torch.float32
    assert all(file.stat().st_mode & 0o777 == 0o644 for file in runs[1].iterdir() if file.name != "training.json")
    assert json.loads((runs[1] / "training.json").read_text())["recipe"]["contrastive_steps"] == 2


def test_the_constant_dimension_is_constant_after_training(runs):
    model = Judge.load(runs[1]).model
    pixel_values = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        images = model.get_image_features(pixel_values=pixel_values).pooler_output
        texts = model.get_text_features(input_ids=torch.tensor([[5, 6, 7], [8, 9, 10]])).pooler_output
    assert torch.cat([images[:, 0], texts[:, 0]]).tolist() == [8.0] * 5


def test_embeddings_no_longer_than_the_constant_have_no_negative_cosine():
    embeddings = torch.randn(50, 16)
    embeddings[:, 0] = 8.0
    embeddings[:, 1:] = F.normalize(embeddings[:, 1:], dim=-1) * 7.6
    assert overlength(embeddings).item() == pytest.approx(0, abs=1e-12)
    assert F.cosine_similarity(embeddings[:, None], embeddings[None], dim=-1).min() > 0
    assert overlength(2 * embeddings * torch.tensor([0.5] + [1.0] * 15)) > 0.9


def test_the_untrained_model_depends_on_the_seed_alone():
    tokenizer, state = build_tokenizer(), torch.random.get_rng_state()
    first, again, other = (make_model(tokenizer, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["visual_projection.weight"], other["visual_projection.weight"])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_pinning_twice_changes_nothing():
    model = make_model(build_tokenizer(), 0)
    before = {name: values.clone() for name, values in model.state_dict().items()}
    pin_constant(model)
    assert all(torch.equal(before[name], values) for name, values in model.state_dict().items())


def test_training_clips_have_no_heldout_pair_and_do_not_depend_on_the_processes():
    one, two = (make_training_set(3, 110, num_frames=2, processes=count) for count in (1, 2))
    assert (one.frames == two.frames).all() and (one.attributes == two.attributes).all()
    events = one.attributes.reshape(-1, 7)
    assert not any(is_heldout(e[COLOUR], e[SHAPE]) for e in events if e[COLOUR] >= 0)


def test_matching_in_training_is_the_matching_of_the_metric():
    generator = torch.Generator().manual_seed(0)
    tokens = F.normalize(torch.randn(4, 5, 8, generator=generator), dim=-1)
    frames = F.normalize(torch.randn(4, 2, 8, generator=generator), dim=-1)
    mask = torch.arange(5) < torch.tensor([[5], [3], [1], [4]])
    precision, recall = _greedy_match(tokens, mask, frames)
    scores = greedy_match(tokens, mask, frames, torch.ones(4, 2, dtype=torch.bool))
    torch.testing.assert_close(precision.diagonal(), scores.precision)
    torch.testing.assert_close(recall.diagonal(), scores.recall)


def test_true_statements_are_not_negatives():
    attributes = np.stack([sample_attributes(np.random.default_rng(0), events=1)] * 3)
    attributes[1, 0, COLOUR] = (attributes[0, 0, COLOUR] + 1) % 8
    claims = np.where(attributes < 0, -1, attributes)
    nameless = np.array([False, False, False])
    assert _not_negative(claims, attributes, nameless).int().tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    # Swapped channels may have given any colour: the second clip could look like the first.
    nameless[1] = True
    assert _not_negative(claims, attributes, nameless).int().tolist() == [[0, 1, 1], [0, 0, 0], [1, 1, 0]]


def test_frame_labels_say_what_one_frame_shows():
    events = sample_attributes(np.random.default_rng(0), events=1)[[0, 0, 0]]
    events[:, MOTION] = APPEAR
    visible, permuted = np.array([True, False, True]), np.array([False, False, True])
    labels = frame_labels(events, visible, permuted)
    assert set(labels) == set(FRAME_LABELS)
    assert labels["count"][0].tolist()[1] == 4 and labels["motion"][0].tolist() == [0, 0, 0]
    assert labels["colour"][1].tolist() == [True, False, False]
    assert labels["background"][1].all() and labels["shape"][1].tolist() == [True, False, True]


def test_permuted_images_are_copies_with_the_same_channels():
    frames = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)
    before = frames.copy()
    swapped, permuted = permute_colours(frames, np.random.default_rng(1), 0.5)
    assert (frames == before).all() and 5 < permuted.sum() < 35
    assert (np.sort(swapped, -1) == np.sort(frames, -1)).all()
    assert ((swapped != frames).any((1, 2, 3)) == permuted).all()


def test_pixel_values_are_those_of_the_shipped_processor(runs):
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    expected = Judge.load(runs[1]).processor(images=list(frames), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(to_pixel_values(frames), expected, atol=1e-5, rtol=0)


def test_the_learning_rate_rises_then_falls():
    rates = [learning_rate(step, 1000, 1.0) for step in range(1000)]
    assert rates[0] < 0.01 and 0.9 < max(rates) <= 1 and rates[-1] < 0.03
