"""Tiny checkpoints with fixed random weights, of the real classes, saved as a hub folder is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AltCLIPConfig,
    AltCLIPModel,
    ChineseCLIPConfig,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    MetaClip2Config,
    MetaClip2Model,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
)

WORDS = (
    "a an the red blue green cat dog man woman runs sits cooks plays in on with big small house tree ball".split()  # noqa: SIM905
)


SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}


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
    return _clip(folder, SMALL, {**VISION, "image_size": image_size}, 16, seed, processor)


def tiny_long_clip(folder: str | Path) -> Path:
    """A CLIP whose table has 248 positions, as Long-CLIP has, beside the usual tokenizer, which says 77."""
    return _clip(folder, SMALL, VISION, 16, 0, {}, positions=248)


def wide_clip(folder: str | Path) -> Path:
    """A CLIP of one layer with the widths of ViT-B/32: kernels choose their order of sums by the size of a product."""
    text = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 1, "num_attention_heads": 8}
    vision = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 1, "num_attention_heads": 12}
    return _clip(folder, text, {**vision, "image_size": 224, "patch_size": 32}, 512, 0, {})


def _clip(
    folder: str | Path, text: Any, vision: Any, space: int, seed: int, processor: dict[str, Any], positions: int = 77
) -> Path:
    tokenizer = clip_tokenizer()
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = CLIPConfig(
        text_config={**text, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": positions},
        vision_config=vision,
        projection_dim=space,
    )
    image_size = vision["image_size"]
    model = _random_weights(CLIPModel(config), seed)
    model.save_pretrained(folder)
    size = {"shortest_edge": image_size}
    crop = {"height": image_size, "width": image_size}
    image_processor = CLIPImageProcessor(size=size, crop_size=crop, **processor)
    CLIPProcessor(image_processor, tokenizer).save_pretrained(folder)
    return Path(folder)


def _random_weights(model: Any, seed: int) -> Any:
    """The default initialisation is so small that all inputs look alike."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.1)
    return model.eval()


def _word_tokenizer(start: str, end: str, pad: str, max_length: int, *, side: str = "right") -> PreTrainedTokenizerFast:
    """Words as single tokens, ``start`` and ``end`` around each text where they are given."""
    specials = list(dict.fromkeys([pad, *([start] if start else []), end, "[UNK]"]))
    vocab = {token: i for i, token in enumerate([*specials, *WORDS])}
    inner = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    around = f"{start} $A {end}" if start else f"$A {end}"
    inner.post_processor = processors.TemplateProcessing(
        single=around, special_tokens=[(t, vocab[t]) for t in dict.fromkeys([start, end]) if t]
    )
    names = {"pad_token": pad, "unk_token": "[UNK]", "eos_token": end, **({"bos_token": start} if start else {})}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        **names,
        model_max_length=max_length,
        padding_side=side,
        clean_up_tokenization_spaces=False,
    )


def _save(folder: str | Path, model: Any, tokenizer: Any) -> Path:
    _random_weights(model, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    crop = {"height": 32, "width": 32}
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=crop).save_pretrained(folder)
    return Path(folder)


def tiny_chinese_clip(folder: str | Path) -> Path:
    """Chinese-CLIP: BERT text tower, class token first."""
    tokenizer = _word_tokenizer("[CLS]", "[SEP]", "[PAD]", 52)
    text = {
        **SMALL,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 64,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = ChineseCLIPConfig(text_config=text, vision_config=VISION, projection_dim=16)
    return _save(folder, ChineseCLIPModel(config), tokenizer)


def tiny_altclip(folder: str | Path) -> Path:
    """AltCLIP: XLM-RoBERTa text tower, positions counted from the padding id on."""
    tokenizer = _word_tokenizer("<s>", "</s>", "<pad>", 77)
    ids = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": 1, "eos_token_id": 2}
    text = {**SMALL, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 80, "project_dim": 16}
    config = AltCLIPConfig(text_config=text, vision_config=VISION, projection_dim=16)
    return _save(folder, AltCLIPModel(config), tokenizer)


def tiny_metaclip_2(folder: str | Path) -> Path:
    """MetaCLIP 2: CLIP's towers with a multilingual vocabulary."""
    tokenizer = _word_tokenizer("<s>", "</s>", "<pad>", 77)
    ids = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": 1, "eos_token_id": tokenizer.eos_token_id}
    text = {**SMALL, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 77}
    config = MetaClip2Config(text_config=text, vision_config=VISION, projection_dim=16)
    return _save(folder, MetaClip2Model(config), tokenizer)


def tiny_siglip(folder: str | Path) -> Path:
    """SigLIP: no token-level space, always 64 positions."""
    tokenizer = _word_tokenizer("", "</s>", "<pad>", 64)
    text = {**SMALL, "vocab_size": len(tokenizer), "max_position_embeddings": 64, "projection_size": 32}
    config = SiglipConfig(text_config=text, vision_config=VISION)
    return _save(folder, SiglipModel(config), tokenizer)
