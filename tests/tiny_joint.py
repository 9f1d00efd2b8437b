"""Tiny checkpoints of the real classes whose sounds and videos share a space."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers

from tests.required import absent, required_package
from tests.tiny_audio import byte_tokenizer, randomise
from vqe_core.encoders.pe_av import OLDEST_TRANSFORMERS

PE_TOWER = {
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
PE_VISION = {
    "model_type": "timm_wrapper",
    "architecture": "vit_pe_core_large_patch14_336",
    "model_args": {
        "embed_dim": 32,
        "depth": 1,
        "num_heads": 2,
        "img_size": (28, 28),
        "global_pool": "map",
        "ref_feat_shape": (2, 2),
    },
    "do_pooling": True,
    "num_labels": 16,
    "global_pool": "map",
    "initializer_range": 0.02,
}
PE_TEXT = {
    "model_type": "modernbert",
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 300,  # what byte_tokenizer makes, and some
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "cls_token_id": 1,
    "sep_token_id": 2,
}


def tiny_pe_av(folder: Path, *, num_frames: int | None = None, seed: int = 0) -> Path:
    """A PE-AV checkpoint of 28 pixel frames; ``num_frames`` as in the ``-16-frame`` ones. Needs timm."""
    required_package("timm")
    if tuple(map(int, transformers.__version__.split(".")[:2])) < OLDEST_TRANSFORMERS:
        absent(f"transformers {transformers.__version__} is too old for PE-AV")
    dac = {
        "model_type": "dac",
        "encoder_hidden_size": 4,
        "downsampling_ratios": [2, 8, 10, 12],
        "decoder_hidden_size": 8,
        "n_codebooks": 2,
        "codebook_size": 16,
        "codebook_dim": 8,
    }
    both = {
        **PE_TOWER,
        "audio_config": {**PE_TOWER, "dac_config": dac},
        "video_config": {**PE_TOWER, "vision_config": PE_VISION},
    }
    config = transformers.PeAudioVideoConfig(text_config=PE_TEXT, audio_video_config=both)
    model = randomise(transformers.PeAudioVideoModel(config), seed)
    with torch.no_grad():
        model.audio_video_logit_scale.fill_(2.0)
        model.audio_video_logit_bias.fill_(-1.5)
    model.save_pretrained(folder)
    name_classes(folder, "audio_video_config", "video_config")
    video = transformers.PeVideoVideoProcessor(
        size={"height": 28, "width": 28},
        do_resize=True,
        do_rescale=True,
        do_normalize=True,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        do_sample_frames=num_frames is not None,
        num_frames=num_frames,
    )
    words = byte_tokenizer(["[PAD]", "[CLS]", "[SEP]"], pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]")
    transformers.PeAudioVideoProcessor(transformers.PeAudioFeatureExtractor(), video, words).save_pretrained(folder)
    return folder


def tiny_embedding_gemma2(folder: Path, *, dither: float = 0.0, seed: int = 0) -> Path:
    """An EmbeddingGemma 2 checkpoint, 24-dimensional."""
    roles = {
        "image_token": "<|image|>",
        "boi_token": "<|image>",
        "eoi_token": "<image|>",
        "audio_token": "<|audio|>",
        "boa_token": "<|audio>",
        "eoa_token": "<audio|>",
    }
    basic = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>"}
    special = [*basic.values(), *roles.values(), "<|video|>"]
    words = byte_tokenizer(special, frame=("<bos>", "<eos>"), **basic, extra_special_tokens=roles)
    text = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "global_head_dim": 16,
        "hidden_size_per_layer_input": 8,
        "embedding_dim": 24,
        "sliding_window_pattern": 2,
    }
    vision = {
        "model_type": "gemma4_vision",
        "hidden_size": 32,
        "intermediate_size": 37,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "patch_size": 4,
        "position_embedding_size": 256,
    }
    audio = {
        "model_type": "gemma4_audio",
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "output_proj_dims": 24,
        "subsampling_conv_channels": [128, 4],
    }
    names = {"image_token_id": "<|image|>", "video_token_id": "<|video|>", "audio_token_id": "<|audio|>"}
    ids = {name: words.convert_tokens_to_ids(token) for name, token in names.items()}
    if not hasattr(transformers, "EmbeddingGemma2Config"):
        absent(f"transformers {transformers.__version__} has no EmbeddingGemma 2")
    config = transformers.EmbeddingGemma2Config(text_config=text, vision_config=vision, audio_config=audio, **ids)
    randomise(transformers.EmbeddingGemma2Model(config), seed).save_pretrained(folder)
    transformers.EmbeddingGemma2Processor(
        feature_extractor=transformers.Gemma4AudioFeatureExtractor(dither=dither),
        image_processor=transformers.Gemma4ImageProcessor(patch_size=4, max_soft_tokens=70),
        tokenizer=words,
        video_processor=transformers.EmbeddingGemma2VideoProcessor(patch_size=4, max_soft_tokens=70),
    ).save_pretrained(folder)
    return folder


def name_classes(folder: Path, *path: str) -> None:
    """Write the image tower's number of classes, which saving loses, into the part of the configuration at ``path``."""
    file = folder / "config.json"
    config = json.loads(file.read_text())
    part = config
    for name in path:
        part = part[name]
    part["vision_config"]["num_labels"] = PE_VISION["num_labels"]
    file.write_text(json.dumps(config))
