"""Tiny checkpoints of the real classes that embed clips and texts, saved as a hub folder is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers

from tests.required import absent, required_package
from tests.tiny import SMALL, WORDS, _random_weights, clip_tokenizer
from tests.tiny_audio import byte_tokenizer, randomise
from tests.tiny_joint import PE_TEXT, PE_TOWER, PE_VISION, name_classes

FRAMES = 4  # of a clip


def known(name: str) -> Any:
    """A class of transformers; the test skips where it is too old to have it."""
    if not hasattr(transformers, name):
        absent(f"transformers {transformers.__version__} has no {name}")
    return getattr(transformers, name)


def tiny_xclip(folder: str | Path, *, num_frames: int = FRAMES) -> Path:
    """X-CLIP: CLIP's towers, messages between frames, and what the hub's checkpoints have as image processor."""
    required_package("torchvision")
    tokenizer = clip_tokenizer()
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {**SMALL, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 77}
    vision = {**SMALL, "image_size": 32, "patch_size": 8, "num_frames": num_frames}
    mit = {"mit_hidden_size": 32, "mit_intermediate_size": 64, "mit_num_attention_heads": 4}
    config = known("XCLIPConfig")(
        text_config=text, vision_config={**vision, **mit}, projection_dim=32, prompt_num_attention_heads=4
    )
    _random_weights(known("XCLIPModel")(config), seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    transformers.VideoMAEImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)
    return Path(folder)


def tiny_videoprism(folder: str | Path) -> Path:
    """VideoPrism LvT: no start and no end token, frames of one exact size."""
    required_package("torchvision")
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(f"▁{word}", -3.0) for word in WORDS] + [(letter, -6.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
    tokenizer = known("VideoPrismTokenizer")(vocab=pieces, extra_ids=0)
    text = {**SMALL, "vocab_size": len(tokenizer), "max_position_embeddings": 16}
    vision = {
        **{name: value for name, value in SMALL.items() if name != "num_hidden_layers"},
        "image_size": 32,
        "tubelet_size": [1, 8, 8],
        "num_frames": FRAMES,
        "num_spatial_layers": 1,
        "num_temporal_layers": 1,
        "num_auxiliary_layers": 1,
    }
    config = known("VideoPrismConfig")(text_config=text, vision_config=vision)
    _random_weights(known("VideoPrismClipModel")(config), seed=0).save_pretrained(folder)
    video = known("LlavaOnevisionVideoProcessor")(size={"height": 32, "width": 32}, do_normalize=False)
    known("VideoPrismProcessor")(video, tokenizer).save_pretrained(folder)
    return Path(folder)


def tiny_pe_video(folder: Path, *, num_frames: int | None = None) -> Path:
    """PE-Video of 28 pixel frames; ``num_frames`` as in checkpoints that see a fixed number. Needs timm."""
    required_package("timm")
    video_config = {**PE_TOWER, "vision_config": PE_VISION}
    config = known("PeVideoConfig")(text_config=PE_TEXT, video_config=video_config)
    randomise(known("PeVideoModel")(config), seed=0).save_pretrained(folder)
    name_classes(folder, "video_config")
    words = byte_tokenizer(
        ["[PAD]", "[CLS]", "[SEP]"],
        frame=("[CLS]", "[SEP]"),
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )
    video = known("PeVideoVideoProcessor")(
        size={"height": 28, "width": 28},
        do_resize=True,
        do_rescale=True,
        do_normalize=True,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        do_sample_frames=num_frames is not None,
        num_frames=num_frames,
    )
    known("PeVideoProcessor")(video, words).save_pretrained(folder)
    return folder
