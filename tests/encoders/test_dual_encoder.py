"""Every family through its real classes, with tiny random weights, against the model's own outputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize
from transformers import AutoModel

from tests import tiny
from vqe_core.encoders import load_image_text_encoder, unload_encoders
from vqe_core.errors import InputError, ModelError, ModelNotFoundError
from vqe_core.scorers.emscore.scorer import EMScore

FAMILIES = {
    "clip": tiny.tiny_clip,
    "metaclip_2": tiny.tiny_metaclip_2,
    "chinese_clip": tiny.tiny_chinese_clip,
    "altclip": tiny.tiny_altclip,
    "siglip": tiny.tiny_siglip,
}
TEXTS = ["a red cat", "the dog runs in a house", "ball"]
LONG = "the dog runs in a house " * 30


@pytest.fixture(scope="module", params=FAMILIES)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = FAMILIES[request.param](tmp_path_factory.mktemp(request.param))
    return load_image_text_encoder(str(folder), device="cpu")


def random_images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 40, 50, 3), dtype=np.uint8)


def test_pooled_text_is_the_models_own(encoder):
    for embedding in encoder.embed_texts(TEXTS):
        size = 64 if not encoder.has_token_embeddings else len(embedding.token_ids)
        padding = [encoder.tokenizer.inner.pad_token_id] * (size - len(embedding.token_ids))
        ids = torch.tensor([[*embedding.token_ids, *padding]])
        with torch.inference_mode():
            own = encoder.model.get_text_features(input_ids=ids).pooler_output
        assert torch.allclose(embedding.pooled, normalize(own[0], dim=-1), atol=1e-6)


def test_images_are_the_models_own(encoder):
    images = torch.stack([encoder.prepare_image(image) for image in random_images(2)])
    model = AutoModel.from_pretrained(encoder.checkpoint.folder).eval()
    with torch.inference_mode():
        pixel_values = encoder.preprocessing.normalise(images, torch.float32)
        own = model.get_image_features(pixel_values=pixel_values).pooler_output
    assert torch.allclose(encoder.embed_images(images), normalize(own, dim=-1), atol=1e-6)


def test_a_row_is_bit_equal_at_the_same_padded_batch_size(encoder):
    images = torch.stack([encoder.prepare_image(image) for image in random_images(4)])
    others = images.flip(0)
    others[1] = images[1]
    assert torch.equal(encoder.embed_images(images)[1], encoder.embed_images(others)[1])


def test_windows_take_part_with_all_their_tokens_and_their_mean(encoder):
    (embedding,) = encoder.embed_texts([LONG])
    split = encoder.tokenizer.split(LONG)
    assert embedding.token_ids == tuple(i for window in split.windows for i in window)
    assert all(len(window) <= encoder.tokenizer.context for window in split.windows)
    content = [w[len(encoder.tokenizer.prefix) : -len(encoder.tokenizer.suffix)] for w in split.windows]
    words = [encoder.tokenizer.inner.decode(list(ids)) for ids in content]
    wholes = torch.stack([e.pooled for e in encoder.embed_texts(words)])
    assert torch.allclose(embedding.pooled, normalize(wholes.mean(0), dim=-1), atol=1e-5)
    assert embedding.notes == (split.note,)


def test_every_family_scores(encoder):
    clip = random_images(3)
    options: dict[str, Any] = {"clip_model_path": encoder, "frame_num": 2}
    if not encoder.has_token_embeddings:
        with pytest.raises(ModelError, match=re.escape("use metrics=['cogr'], or a CLIP-type model")):
            EMScore(**options).compute(predictions=["a cat"], videos=[clip])
        options["metrics"] = ["cogr"]
    result = EMScore(**options).compute(
        predictions=["a cat"],
        videos=[clip],
        references=["a dog"],
    )
    assert all(-1 <= value <= 1 for key, value in result.items() if key.startswith("EMScore"))


def test_half_precision_is_near_and_named(clip_folder):
    full, half = (load_image_text_encoder(clip_folder, dtype=dtype) for dtype in ("float32", "bfloat16"))
    images = torch.stack([full.prepare_image(image) for image in random_images(3)])
    assert torch.allclose(full.embed_images(images), half.embed_images(images), atol=0.05)
    assert half.embed_images(images).dtype == torch.float32
    assert (full.signature()["dtype"], half.signature()["dtype"]) == ("float32", "bfloat16")


def test_a_half_precision_checkpoint_runs_in_float32(tmp_path, clip_folder):
    from transformers import CLIPModel, CLIPProcessor

    CLIPModel.from_pretrained(clip_folder, dtype=torch.float16).save_pretrained(tmp_path)
    CLIPProcessor.from_pretrained(clip_folder).save_pretrained(tmp_path)
    assert load_image_text_encoder(str(tmp_path), device="cpu").model.dtype == torch.float32


def test_an_encoder_is_loaded_once(clip_folder):
    first = load_image_text_encoder(clip_folder)
    assert load_image_text_encoder(clip_folder) is first
    unload_encoders()
    assert load_image_text_encoder(clip_folder) is not first


def test_other_families_and_half_saved_models_are_refused(tmp_path, clip_folder):
    import json
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(clip_folder, tmp_path / "bert")
    config = json.loads((tmp_path / "bert" / "config.json").read_text())
    (tmp_path / "bert" / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(ModelError, match=re.escape("is of type 'bert'; image-text families are clip, metaclip_2")):
        load_image_text_encoder(str(tmp_path / "bert"))
    half = Path(shutil.copytree(clip_folder, tmp_path / "half"))
    weights = load_file(half / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if "text_projection" not in k}, half / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelError, match=re.escape("lacks 1 weights of its model (text_projection.weight")):
        load_image_text_encoder(str(half))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "has no vocabulary (tokenizer.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "is no JSON"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"cut off"), "cannot be loaded"),
    ],
)
def test_incomplete_and_damaged_folders_are_told_plainly(tmp_path, clip_folder, change, words):
    import shutil

    folder = Path(shutil.copytree(clip_folder, tmp_path / "model"))
    change(folder)
    with pytest.raises((ModelError, ModelNotFoundError), match=re.escape(words)):
        load_image_text_encoder(str(folder))


@pytest.mark.parametrize(("option", "words"), [({"device": "cuda:99"}, "device ('cuda:99') cannot be used here")])
def test_devices_that_are_not_there(clip_folder, option, words):
    with pytest.raises(InputError, match=re.escape(words)):
        load_image_text_encoder(clip_folder, **option)


def test_a_text_has_the_same_bits_alone_and_beside_any_others(wide_folder):
    encoder: Any = load_image_text_encoder(wide_folder, device="cpu")
    words = "a red cat runs in the big house on a small green ball and sits".split()  # noqa: SIM905
    texts = [" ".join(words[:n]) for n in range(1, len(words) + 1)] + ["a dog " * 60]
    together = encoder.embed_texts(texts, batch_size=32)
    for text, other in zip(texts, together, strict=True):
        (alone,) = encoder.embed_texts([text], batch_size=32)
        assert torch.equal(alone.tokens, other.tokens)
        assert torch.equal(alone.pooled, other.pooled)
        (plain,) = encoder._embed_windows([encoder.tokenizer.split(text).windows[0]])
        assert (plain[0] - other.tokens[: len(plain[0])]).abs().max() < 1e-6


def test_a_batch_of_texts_has_rows_by_its_length_and_never_more_than_asked(clip_folder):
    encoder: Any = load_image_text_encoder(clip_folder, device="cpu")
    windows = [(1,) * n for n in (3, 4, 5, 12, 13, 77)]
    assert encoder.model.config.text_config.hidden_size == 32  # so a batch has 16 times the tokens of one 512 wide
    assert [(chosen, rows) for chosen, rows in encoder._text_batches(windows, 256)] == [
        ([0, 1], 256), ([2], 256), ([3], 168), ([4], 128), ([5], 24)
    ]  # fmt: skip
    assert {rows for _, rows in encoder._text_batches(windows, 6)} == {4}
    assert {rows for _, rows in encoder._text_batches(windows, 3)} == {3}
    assert encoder._padded_length(77) == 77


def test_resizing_by_pillow_shares_the_weights_and_has_its_own_name(clip_folder, tmp_path):
    usual, exact = (load_image_text_encoder(clip_folder, device="cpu", resize=by) for by in ("torchvision", "pil"))
    assert exact.model is usual.model and usual.signature()["resize"] == "torchvision"
    assert {**usual.signature(), "resize": "pil"} == exact.signature()
    image = random_images(1)[0]
    assert not torch.equal(usual.prepare_image(image), exact.prepare_image(image))
    scores = []
    for resize in ("torchvision", "pil", "torchvision"):  # each finds what is its own in one cache
        scorer = EMScore(clip_model_path=clip_folder, resize=resize, cache_dir=tmp_path, frame_num=2)
        scores.append(scorer.score(predictions=TEXTS[:1], videos=[random_images(4)]).scores)
    assert scores[0] == scores[2] != scores[1]


def test_an_encoder_of_ones_own_resizes_as_it_does():
    class Own:
        has_token_embeddings, space, end_id, tokenizer = False, "own", -1, None
        signature = prepare_image = embed_images = embed_texts = len

    assert load_image_text_encoder(Own()).space == "own"
    with pytest.raises(InputError, match=r"resize \('pil'\) says nothing about an encoder of type Own"):
        load_image_text_encoder(Own(), resize="pil")
    with pytest.raises(InputError, match=r"resize \('cv2'\) must be one of auto, torchvision, pil"):
        load_image_text_encoder("toy", resize="cv2")
