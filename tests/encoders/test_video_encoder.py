"""Encoders of clips: the numbers of the model's own classes, and what metrics make of them."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
import torch
import transformers
from torch.nn.functional import normalize

import vqe_core
from tests.clips import write_clip
from tests.tiny_families import TINY
from tests.tiny_joint import tiny_pe_av
from tests.tiny_video import FRAMES, tiny_pe_video, tiny_videoprism, tiny_xclip
from vqe_core.cli import main
from vqe_core.encoders import load_image_text_encoder
from vqe_core.encoders.pe_av import loadable_class
from vqe_core.errors import InputError, ModelError
from vqe_core.tables import read_table

MAKE = {"xclip": tiny_xclip, "videoprism": tiny_videoprism, "pe_video": tiny_pe_video, "pe_audio_video": tiny_pe_av}
TEXTS = ["a red cat", "the dog runs in a house", "ball"]
SAME = 1e-5  # the model's own path pads texts and batches otherwise
ONE_LEVEL = 0.02  # of pixels after normalisation: resizing rounds to grey levels


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Make a checkpoint when it is first asked for."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = MAKE[name](tmp_path_factory.mktemp(name) / "model")
        return made[name]

    return folder


@pytest.fixture(scope="module", params=MAKE)
def family(request, folders):
    return request.param, folders(request.param)


def clips_of(encoder, count=2, size=(32, 32)):
    frames = encoder.clip_frames if not encoder.any_length else 6
    return np.random.default_rng(0).integers(0, 256, (count, frames, *size, 3), np.uint8)


def embedded(encoder, clips):
    prepared = [torch.stack([encoder.prepare_image(frame) for frame in clip]) for clip in clips]
    return encoder.embed_videos(torch.stack(prepared))


def own_embeddings(name, folder, clips):
    """Unit embeddings of clips and ``TEXTS`` by the model's own processors and forward."""
    if name == "xclip":
        model = transformers.XCLIPModel.from_pretrained(folder).eval()
        processor = transformers.AutoImageProcessor.from_pretrained(folder)
        pixels = torch.cat([processor(list(clip), return_tensors="pt")["pixel_values"] for clip in clips])
        pixels = pixels.reshape(len(clips), clips.shape[1], *pixels.shape[-3:])
        words = transformers.AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
        video = model(pixel_values=pixels, **words).video_embeds
        return video, model.get_text_features(**words).pooler_output
    if name == "videoprism":
        model = transformers.VideoPrismClipModel.from_pretrained(folder).eval()
        processor = transformers.AutoProcessor.from_pretrained(folder)
        pixels = processor.video_processor(
            [torch.from_numpy(clip).permute(0, 3, 1, 2) for clip in clips], do_sample_frames=False, return_tensors="pt"
        )["pixel_values_videos"]
        words = processor.tokenizer(TEXTS, padding="max_length", max_length=16, return_tensors="pt")
        out = model(pixel_values_videos=pixels, input_ids=words.input_ids, attention_mask=words.attention_mask)
        return out.video_embeds, out.text_embeds
    kind = transformers.PeVideoModel if name == "pe_video" else loadable_class()
    model = kind.from_pretrained(folder).eval()
    model = model if name == "pe_video" else model.video_model
    processor = transformers.AutoVideoProcessor.from_pretrained(folder)
    pixels = processor(
        [torch.from_numpy(clip).permute(0, 3, 1, 2) for clip in clips], do_sample_frames=False, return_tensors="pt"
    )["pixel_values_videos"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    words = tokenizer(TEXTS, padding=True, return_tensors="pt")
    out = model(input_ids=words.input_ids, attention_mask=words.attention_mask, pixel_values_videos=pixels.float())
    return out.video_embeds, out.text_video_embeds


@torch.inference_mode()
def test_embeddings_are_those_of_the_model_itself(family):
    name, folder = family
    encoder = load_image_text_encoder(str(folder), device="cpu")
    edge = encoder.prepare_image(np.zeros((64, 64, 3), np.uint8)).shape[-1]
    clips = clips_of(encoder, size=(edge, edge))  # nothing to resize: what is compared is the model
    video, text = own_embeddings(name, folder, clips)
    torch.testing.assert_close(embedded(encoder, clips), normalize(video.float(), dim=-1), atol=SAME, rtol=0)
    pooled = torch.stack([one.pooled for one in encoder.embed_texts(TEXTS)])
    torch.testing.assert_close(pooled, normalize(text.float(), dim=-1), atol=SAME, rtol=0)


@torch.inference_mode()
def test_frames_are_resized_as_the_checkpoints_processor_does(family):
    name, folder = family
    encoder = load_image_text_encoder(str(folder), device="cpu")
    frame = np.kron(np.random.default_rng(0).integers(0, 256, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    ours = encoder.preprocessing.normalise(encoder.prepare_image(frame)[None], torch.float32)[0]
    if name == "xclip":
        theirs = transformers.AutoImageProcessor.from_pretrained(folder)(frame, return_tensors="pt")["pixel_values"]
    else:
        processor = transformers.AutoVideoProcessor.from_pretrained(folder)
        video = torch.from_numpy(frame).permute(2, 0, 1)[None]
        theirs = processor([video], do_sample_frames=False, return_tensors="pt")["pixel_values_videos"]
    torch.testing.assert_close(ours, theirs.reshape(ours.shape).float(), atol=ONE_LEVEL, rtol=0)


def videos(count=3):
    return [np.random.default_rng(i).integers(0, 256, (9, 40, 50, 3), np.uint8) for i in range(count)]


def test_the_global_score_is_the_cosine_of_caption_and_clip(family):
    _, folder = family
    encoder = load_image_text_encoder(str(folder), device="cpu")
    scorer = vqe_core.EMScore(clip_model_path=str(folder), metrics=["cogr"], per_sample=True, device="cpu")
    result = scorer.compute(predictions=TEXTS, videos=videos(), references=[["a dog"], ["a dog", "a cat"], "ball"])
    taken = [v[np.linspace(0, 8, encoder.clip_frames).astype(int)] for v in videos()]
    clips = embedded(encoder, np.stack(taken))
    texts = torch.stack([one.pooled for one in encoder.embed_texts(TEXTS)])
    samples = result["samples"]
    np.testing.assert_allclose(samples["EMScore(X,V)_cogr"], (clips * texts).sum(dim=-1).numpy(), atol=SAME)
    assert samples["EMScore(X,X*)_cogr"][2] == pytest.approx(1, abs=SAME)
    assert {key for key in result if key.startswith("EMScore")} == {
        f"EMScore({kind})_cogr" for kind in ("X,V", "X,X*", "X,V,X*")
    }
    assert result["signature"]["sampler"] == {"name": "uniform", "frame_num": encoder.clip_frames}


def test_word_by_word_scores_are_refused_with_the_way_out(family):
    _, folder = family
    for options in ({}, {"metrics": ["cogr", "figr_F"]}):
        scorer = vqe_core.EMScore(clip_model_path=str(folder), **options)
        words = "embeds whole clips and whole captions, so .*figr_F.* cannot be computed; use metrics=\\['cogr'\\]"
        with pytest.raises(ModelError, match=words):
            scorer.compute(predictions=TEXTS, videos=videos())


def test_clip_score_takes_clips_too(family):
    _, folder = family
    options = {"clip_model_path": str(folder), "per_sample": True}
    score = vqe_core.CLIPScore(**options).compute(predictions=TEXTS, videos=videos())["samples"]["clip_score"]
    cosines = vqe_core.EMScore(**options, metrics=["cogr"]).compute(predictions=TEXTS, videos=videos())["samples"]
    assert score == pytest.approx([2.5 * max(0, cosine) for cosine in cosines["EMScore(X,V)_cogr"]], abs=SAME)


def test_sounds_are_compared_with_clips_too(folders, tmp_path):
    for i, frames in enumerate(videos(2)):
        write_clip(tmp_path / f"{i}.mp4", frames, seconds_of_sound=1.0)
    scorer = vqe_core.VideoAudioSimilarity(
        hf_clip=str(folders("xclip")), method="description", per_sample=True, frame_num=FRAMES
    )
    result = scorer.compute(videos=[str(tmp_path / f"{i}.mp4") for i in range(2)], audio_descriptions=TEXTS[:2])
    by_caption = vqe_core.EMScore(
        clip_model_path=str(folders("xclip")), metrics=["cogr"], per_sample=True, frame_num=FRAMES
    ).compute(predictions=TEXTS[:2], videos=[str(tmp_path / f"{i}.mp4") for i in range(2)])
    cosines = by_caption["samples"]["EMScore(X,V)_cogr"]
    np.testing.assert_allclose(result["samples"]["similarity"], cosines, atol=SAME)


def test_the_command_scores_with_an_encoder_of_clips(folders, tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"video_path": f"{i}.mp4", "candidate": TEXTS[i]}) + "\n" for i in range(2))
    )
    for i, frames in enumerate(videos(2)):
        write_clip(tmp_path / f"{i}.mp4", frames)
    out = tmp_path / "scores.jsonl"
    command = ["score", "emscore", str(tmp_path / "rows.jsonl"), "--out", str(out), "--metrics", "cogr"]
    assert main([*command, "--clip-model-path", str(folders("xclip")), "--every-n-frames", "1"]) == 0
    assert "2 rows, 0 failed" in capsys.readouterr().out
    table = read_table(out)
    assert table["status"] == ["ok", "ok"] and all(-1 <= score <= 1 for score in table["EMScore(X,V)_cogr"])


def test_a_backend_of_image_towers_is_refused(folders):
    with pytest.raises(
        InputError, match=re.escape("is of type 'xclip', which embeds whole clips; use backend='torch'")
    ):
        load_image_text_encoder(str(folders("xclip")), device="cpu", backend="compile")


def test_a_checkpoint_says_how_many_frames_it_takes(folders, tmp_path):
    assert load_image_text_encoder(str(folders("xclip")), "cpu").clip_frames == FRAMES
    more = load_image_text_encoder(str(tiny_xclip(tmp_path / "x", num_frames=6)), "cpu")
    assert (more.clip_frames, more.any_length) == (6, False)
    fixed = load_image_text_encoder(str(tiny_pe_video(tmp_path / "p", num_frames=5)), "cpu")
    assert (fixed.clip_frames, fixed.any_length) == (5, False)
    free = load_image_text_encoder(str(folders("pe_video")), "cpu")
    assert (free.clip_frames, free.any_length) == (16, True)


def test_a_long_position_table_is_read_to_its_end(tmp_path):
    folder = TINY["encoder", "clip"]["long"](tmp_path / "long")
    usual = TINY["encoder", "clip"][""](tmp_path / "usual")
    long, short = (load_image_text_encoder(str(path), "cpu") for path in (folder, usual))
    text = " ".join(["a red cat and the dog"] * 12)
    ids = long.tokenizer.inner(text)["input_ids"]
    assert 77 < len(ids) <= 248
    one, other = long.embed_texts([text])[0], short.embed_texts([text])[0]
    assert (one.notes, one.token_ids) == ((), tuple(ids))
    assert [note.code for note in other.notes] == ["caption_in_windows"]
    model = transformers.CLIPModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        own = model.get_text_features(input_ids=torch.tensor([ids])).pooler_output[0]
    torch.testing.assert_close(one.pooled, normalize(own, dim=-1), atol=SAME, rtol=0)
    assert long.signature()["context"] == "248" and "context" not in short.signature()
    longer = long.embed_texts([" ".join(["a red cat and the dog"] * 60)])[0]
    assert longer.notes and math.isclose(float(longer.pooled.norm()), 1, abs_tol=1e-5)
