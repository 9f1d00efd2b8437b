"""Tiny captioning models with random weights, of the real classes, and a tokenizer made by code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertLMHeadModel,
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    GitConfig,
    GitForCausalLM,
    PreTrainedTokenizerFast,
    VisionEncoderDecoderModel,
)

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}


def word_tokenizer(captions: Iterable[str]) -> PreTrainedTokenizerFast:
    """Each word of the captions a token, [CLS] and [SEP] around."""
    words = sorted({word for caption in captions for word in caption.split()})
    vocab = {token: i for i, token in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *words])}
    inner = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    names = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, **names, model_max_length=32, clean_up_tokenization_spaces=False
    )


def image_processor(size: int = 32) -> CLIPImageProcessor:
    return CLIPImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size})


def vision_encoder_decoder(tokenizer: Any, *, max_new_tokens: int = 8, seed: int = 0) -> VisionEncoderDecoderModel:
    """One frame in, a caption out."""
    torch.manual_seed(seed)
    # Not ViT: a checkpoint names its layers otherwise, so a trainer of transformers 5.23 does not load them back.
    encoder = CLIPVisionModel(CLIPVisionConfig(**SMALL, image_size=32, patch_size=16))
    decoder = BertLMHeadModel(
        BertConfig(
            **SMALL, vocab_size=len(tokenizer), max_position_embeddings=64, is_decoder=True, add_cross_attention=True
        )
    )
    model = VisionEncoderDecoderModel(encoder=encoder, decoder=decoder)
    ids = {"decoder_start_token_id": 1, "pad_token_id": 0, "eos_token_id": 2}
    for config in (model.config, model.generation_config):
        for name, value in ids.items():
            setattr(config, name, value)
    model.generation_config.max_new_tokens = max_new_tokens
    return model.eval()


def git(tokenizer: Any, *, frames: int = 3, max_new_tokens: int = 8) -> GitForCausalLM:
    """Several frames in, a caption out."""
    torch.manual_seed(0)
    config = GitConfig(
        vision_config={**SMALL, "image_size": 32, "patch_size": 16},
        **SMALL,
        vocab_size=len(tokenizer),
        max_position_embeddings=64,
        num_image_with_embedding=frames,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    model = GitForCausalLM(config)
    model.generation_config.max_new_tokens = max_new_tokens
    return model.eval()
