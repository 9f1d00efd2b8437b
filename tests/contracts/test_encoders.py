"""Every registered encoder, tagger and joint encoder keeps the same promises, on a tiny checkpoint of its family.

A family is tested by being registered: one without an entry in ``tests/tiny_families.py`` fails here.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny import tiny_siglip
from tests.tiny_audio import assert_same_direction, declare, random_videos, set_seed, tones
from tests.tiny_families import REFUSED, TINY
from vqe_core import registry
from vqe_core.encoders import ImageTextEncoder, load_image_text_encoder, load_text_side
from vqe_core.encoders.audio_loading import load_audio_encoder, load_joint_encoder, load_tagger
from vqe_core.encoders.base import AudioTextEncoder, JointEncoder, Tagger, VideoTextEncoder, embeds_clips
from vqe_core.encoders.checkpoints import find_checkpoint
from vqe_core.errors import InputError, ModelError

KINDS = {
    "encoder": (load_image_text_encoder, ImageTextEncoder),
    "audio_encoder": (load_audio_encoder, AudioTextEncoder),
    "tagger": (load_tagger, Tagger),
    "joint_encoder": (load_joint_encoder, JointEncoder),
}
REGISTERED = [(kind, name) for kind in KINDS for name in registry.names(kind) if registry.is_own(kind, name)]
TOLERANCE = 1e-5  # a batch's matrix products may add in another order
SECONDS = (0.03, 0.4, 0.9, 0.4)
TEXTS = ["a red cat", "the dog runs in a house", "ball"]
LONG = "the dog runs in a house " * 30


def variants(*kinds):
    """Parameters of a fixture: kind, name and variant of every registered family that is not refused."""
    found = [pair for pair in REGISTERED if pair[0] in kinds and pair not in REFUSED]
    return [
        pytest.param((*pair, variant), id=" ".join(filter(None, (*pair, variant))))
        for pair in found
        for variant in TINY.get(pair, {"": None})
    ]


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """Make a checkpoint once a session; families of several kinds share it."""
    made = {}

    def folder(kind, name, variant):
        if (kind, name) not in TINY:
            pytest.fail(f"{kind} {name!r} is registered without a tiny checkpoint; add one to tests/tiny_families.py")
        make = TINY[kind, name][variant]
        key = (getattr(make, "func", make), variant)
        if key not in made:
            made[key] = Path(make(tmp_path_factory.mktemp(name)))
        return made[key]

    return folder


def loaded(params, folder_of):
    kind, name, variant = params
    return KINDS[kind][0](str(folder_of(kind, name, variant)), device="cpu")


@pytest.fixture(scope="module", params=variants(*KINDS))
def any_one(request, folder_of):
    """Kind, folder and encoder of every family."""
    return request.param[0], folder_of(*request.param), loaded(request.param, folder_of)


@pytest.fixture(scope="module", params=variants("encoder"))
def image_encoder(request, folder_of):
    return loaded(request.param, folder_of)


@pytest.fixture(scope="module", params=variants("audio_encoder"))
def audio_encoder(request, folder_of):
    return loaded(request.param, folder_of)


@pytest.fixture(scope="module", params=variants("tagger"))
def tagger(request, folder_of):
    return loaded(request.param, folder_of)


@pytest.fixture(scope="module", params=variants("joint_encoder"))
def joint_encoder(request, folder_of):
    return loaded(request.param, folder_of)


def check_rows(rows, count, *, unit=True):
    assert rows.dtype == torch.float32 and rows.device.type == "cpu"
    assert rows.ndim == 2 and len(rows) == count
    assert torch.isfinite(rows).all()
    if unit:
        torch.testing.assert_close(rows.norm(dim=-1), torch.ones(count), atol=TOLERANCE, rtol=0)


def check_alone(embed, items, compare=None):
    """Check that each item alone, for any seed of numpy, gives its row of any batch."""
    compare = compare or (lambda one, other: torch.testing.assert_close(one, other, atol=TOLERANCE, rtol=0))
    together = embed(items, batch_size=len(items))
    compare(embed(items, batch_size=3), together)
    for i, item in enumerate(items):
        set_seed(i)
        compare(embed([item], batch_size=1)[0], together[i])
    return together


def waveforms_for(encoder):
    return tones(*(min(length, encoder.window) for length in SECONDS), rate=encoder.sampling_rate)


def test_it_is_of_its_kind_and_returned_as_it_is(any_one):
    kind, _, encoder = any_one
    load, protocol = KINDS[kind]
    assert isinstance(encoder, protocol)
    assert load(encoder) is encoder


def test_the_signature_is_plain_and_names_model_and_revision(any_one):
    _, folder, encoder = any_one
    signature, checkpoint = encoder.signature(), find_checkpoint(str(folder))
    assert json.loads(json.dumps(signature)) == signature
    assert all(isinstance(value, str) for value in signature.values())
    assert {checkpoint.title, checkpoint.revision} <= set(signature.values())


def test_equal_checkpoints_have_one_space_and_one_signature(any_one, tmp_path):
    kind, folder, encoder = any_one
    same = Path(shutil.copytree(folder, tmp_path / "same" / folder.name))
    again = KINDS[kind][0](str(same), device="cpu")
    assert again.signature() == encoder.signature()
    assert getattr(again, "space", None) == getattr(encoder, "space", None)
    other = declare(Path(shutil.copytree(folder, tmp_path / "other" / folder.name)), changed=True)
    changed = KINDS[kind][0](str(other), device="cpu")
    assert changed.signature() != encoder.signature()
    if kind in ("encoder", "audio_encoder"):  # the space of a joint encoder may be declared
        assert changed.space != encoder.space


def test_images_are_unit_rows_alone_and_in_a_batch(image_encoder):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 40, 50, 3), dtype=np.uint8)
    images = [image_encoder.prepare_image(image) for image in pixels]

    def embed(chosen, *, batch_size):
        parts = [chosen[start : start + batch_size] for start in range(0, len(chosen), batch_size)]
        return torch.cat([image_encoder.embed_images(torch.stack(part)) for part in parts])

    check_rows(check_alone(embed, images), 5)


def of_clips():
    """Parameters of every family that embeds clips."""
    return [param for param in variants("encoder") if embeds_clips(registry.load("encoder", param.values[0][1]))]


@pytest.fixture(scope="module", params=of_clips())
def video_encoder(request, folder_of):
    encoder = loaded(request.param, folder_of)
    assert isinstance(encoder, VideoTextEncoder)
    return encoder


def clips_for(encoder, count, frames=None):
    pixels = np.random.default_rng(1).integers(0, 256, (count, frames or encoder.clip_frames, 40, 50, 3), np.uint8)
    return [torch.stack([encoder.prepare_image(frame) for frame in clip]) for clip in pixels]


def test_clips_are_unit_rows_alone_and_in_a_batch(video_encoder):
    def embed(chosen, *, batch_size):
        parts = [chosen[start : start + batch_size] for start in range(0, len(chosen), batch_size)]
        return torch.cat([video_encoder.embed_videos(torch.stack(part)) for part in parts])

    check_rows(check_alone(embed, clips_for(video_encoder, 5)), 5)


def test_a_clip_is_seen_in_its_order_and_a_still_is_a_clip_without_motion(video_encoder):
    (clip,) = clips_for(video_encoder, 1)
    there, back = video_encoder.embed_videos(torch.stack([clip, clip.flip(0)]))
    assert float((there - back).norm()) > 1e-3
    still = clip[:1].expand(video_encoder.clip_frames, -1, -1, -1)
    (image,), (as_clip,) = video_encoder.embed_images(clip[:1]), video_encoder.embed_videos(still[None])
    torch.testing.assert_close(image, as_clip, atol=TOLERANCE, rtol=0)


def test_another_number_of_frames_is_refused_or_taken(video_encoder):
    (longer,) = clips_for(video_encoder, 1, video_encoder.clip_frames + 1)
    if video_encoder.any_length:
        check_rows(video_encoder.embed_videos(longer[None]), 1)
    else:
        with pytest.raises(InputError, match=rf"clips must be \(B, {video_encoder.clip_frames}, 3, h, w\)"):
            video_encoder.embed_videos(longer[None])
    assert video_encoder.signature()["clip_frames"] == (
        "any" if video_encoder.any_length else str(video_encoder.clip_frames)
    )
    assert not video_encoder.has_token_embeddings


def test_texts_are_unit_rows_alone_and_in_a_batch(image_encoder):
    texts = [*TEXTS, LONG]
    alone = [image_encoder.embed_texts([text], long_text="windows", batch_size=1)[0] for text in texts]
    check_rows(torch.stack([text.pooled for text in alone]), len(texts))
    for batch_size in (1, 2, 3, 64):
        batch = image_encoder.embed_texts(texts, long_text="windows", batch_size=batch_size)
        for one, other in zip(alone, batch, strict=True):
            assert one.token_ids == other.token_ids
            torch.testing.assert_close(one.pooled, other.pooled, atol=TOLERANCE, rtol=0)
            assert (one.tokens is not None) == image_encoder.has_token_embeddings
            if one.tokens is not None:
                check_rows(one.tokens, len(one.token_ids))
                torch.testing.assert_close(one.tokens, other.tokens, atol=TOLERANCE, rtol=0)


def test_the_text_side_reads_as_the_encoder_does(image_encoder):
    side = load_text_side(str(image_encoder.checkpoint.folder))
    assert side.end_id == image_encoder.end_id
    assert side.has_token_embeddings == image_encoder.has_token_embeddings
    for text in (*TEXTS, LONG):
        assert side.tokenizer.split(text) == image_encoder.tokenizer.split(text)


def test_audio_and_texts_are_unit_rows_alone_and_in_a_batch(audio_encoder):
    audio = check_alone(audio_encoder.embed_audio, waveforms_for(audio_encoder))
    texts = check_alone(audio_encoder.embed_texts, ["a", "a barking dog", "x" * 60, "rain"])
    for rows in (audio, texts):
        check_rows(rows, 4)
    assert audio.shape == texts.shape
    assert audio_encoder.logit_scale > 0
    assert 0 < audio_encoder.window <= audio_encoder.longest


def test_tags_are_probabilities_alone_and_in_a_batch(tagger):
    def tag(waveforms, *, batch_size):
        return tagger.tag(waveforms, batch_size=batch_size)

    tags = check_alone(tag, waveforms_for(tagger))
    check_rows(tags, 4, unit=False)
    assert tags.shape == (4, len(tagger.labels))
    assert ((tags >= 0) & (tags <= 1)).all()
    assert tagger.tag(waveforms_for(tagger), tagger.labels[1:3]).shape == (4, 2)
    assert "{label}" in tagger.photo_prompt


def test_windows_of_video_and_audio_are_alike_alone_and_in_a_batch(joint_encoder):
    audio = check_alone(joint_encoder.embed_audio, waveforms_for(joint_encoder), assert_same_direction)
    video = check_alone(joint_encoder.embed_video, random_videos(2, 3, 5, 3), assert_same_direction)
    for rows in (audio, video):
        check_rows(rows, 4, unit=False)
    assert audio.shape == video.shape
    logits = joint_encoder.logits(video[:3], audio)
    assert logits.shape == (3, 4) and torch.isfinite(logits).all()
    assert joint_encoder.frames_per_window >= 1


def test_every_entry_of_the_tiny_checkpoints_is_registered():
    assert {*TINY, *REFUSED} <= set(REGISTERED)


def test_a_family_without_a_checkpoint_fails(folder_of):
    with pytest.raises(pytest.fail.Exception, match="'newclip' is registered without a tiny checkpoint"):
        folder_of("encoder", "newclip", "")


@pytest.mark.parametrize(("kind", "name"), REFUSED)
def test_a_refused_family_says_so(kind, name, tmp_path):
    folder = declare(tiny_siglip(tmp_path), model_type=name)
    with pytest.raises(ModelError, match=REFUSED[kind, name]):
        KINDS[kind][0](str(folder), device="cpu")
