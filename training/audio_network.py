"""The tiny CLAP: an HTSAT audio tower, a RoBERTa text tower, and the tokenizer of the latter."""

from __future__ import annotations

import math

import torch
from transformers import ClapConfig, ClapModel, RobertaTokenizer

from training.audio_features import MELS
from training.tokenizer import byte_alphabet, merge_parts, world_words
from vqe_core.toy.world import SOUNDS

LABELS = tuple(f"a {name}" for name, _ in SOUNDS)
# One of the wordings of training, for the CLAP and for the CLIP alike.
PROMPT = "the sound of {label}"
MAX_LENGTH = 40  # tokens; the longest sound caption has 26
SPACE_SIGN = "\u0120"  # how a byte-level BPE writes the blank before a word
SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def build_audio_tokenizer() -> RobertaTokenizer:
    """Build the tokenizer of the CLAP; the same every time.

    Not the CLIP's: RoBERTa counts positions from the padding id on, which has to be small, and pools the start
    token. Every word of the toy world is one token, and any other text tokenises too.
    """
    merges = merge_parts([[SPACE_SIGN, *word] for word in world_words()])
    tokens = dict.fromkeys([*SPECIAL_TOKENS, *byte_alphabet(), *("".join(pair) for pair in merges)])
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return RobertaTokenizer(  # the first word of a text is written as any other
        vocab=vocabulary,
        merges=merges,  # type: ignore[arg-type]
        add_prefix_space=True,
        model_max_length=MAX_LENGTH,
    )


def make_audio_model(tokenizer: RobertaTokenizer, dimensions: int, seed: int) -> ClapModel:
    """Make the untrained model of ``dimensions`` shared dimensions; the same seed gives the same weights."""
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": MAX_LENGTH + SPECIAL_TOKENS.index("<pad>") + 1,
        "type_vocab_size": 1,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "projection_dim": dimensions,
    }
    audio = {
        "spec_size": 64,  # the 63 columns are stretched to it
        "num_mel_bins": MELS,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "window_size": 4,
        "patch_embeds_hidden_size": 32,
        "hidden_size": 128,
        "depths": [2, 2, 2],
        "num_attention_heads": [2, 4, 8],
        "num_hidden_layers": 3,
        "mlp_ratio": 3.0,
        "hidden_dropout_prob": 0.0,
        "enable_fusion": False,
        "num_classes": len(LABELS),
        "projection_dim": dimensions,
    }
    config = ClapConfig(text_config=text, audio_config=audio, projection_dim=dimensions)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ClapModel(config)
    for scale in (model.logit_scale_a, model.logit_scale_t):
        scale.data.fill_(math.log(10.0))
    return model.eval()
