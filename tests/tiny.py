"""Tiny checkpoints with fixed random weights, of the real classes, saved as a hub folder is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
)

WORDS = (
    "a an the red blue green cat dog man woman runs sits cooks plays in on with big small house tree ball".split()  # noqa: SIM905
)


def clip_tokenizer(max_length: int = 77) -> CLIPTokenizer:
    """A CLIP tokenizer whose vocabulary is single characters and a few merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate(["!", *[c for c in alphabet if c != "!"]])}
    for char in alphabet:
        vocab.setdefault(char + "</w>", len(vocab))
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        pieces = [*word[:-1], word[-1] + "</w>"]
        while len(pieces) > 1:
            pair = (pieces[-2], pieces[-1])
            if pair not in merges:
                merges.append(pair)
            vocab.setdefault("".join(pair), len(vocab))
            pieces[-2:] = ["".join(pair)]
    for special in ("<|startoftext|>", "<|endoftext|>"):
        vocab[special] = len(vocab)
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=max_length)


def tiny_clip(folder: str | Path, *, image_size: int = 32, seed: int = 0, **processor: Any) -> Path:
    """A CLIP checkpoint folder: random weights of a fixed seed, 16-dimensional space."""
    tokenizer = clip_tokenizer()
    torch.manual_seed(seed)
    shared = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = CLIPConfig(
        text_config={**shared, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 77},
        vision_config={**shared, "image_size": image_size, "patch_size": 8},
        projection_dim=16,
    )
    model = CLIPModel(config).eval()
    with torch.no_grad():  # the default initialisation is so small that all texts look alike
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    model.save_pretrained(folder)
    size = {"shortest_edge": image_size}
    crop = {"height": image_size, "width": image_size}
    image_processor = CLIPImageProcessor(size=size, crop_size=crop, **processor)
    CLIPProcessor(image_processor, tokenizer).save_pretrained(folder)
    return Path(folder)
