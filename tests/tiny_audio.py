"""Tiny checkpoints of the real audio classes with fixed random weights, saved as a hub folder is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast


def byte_tokenizer(special: list[str], *, frame: tuple[str, str] | None = None, **roles: str) -> Any:
    """A tokenizer of single bytes after ``special`` tokens, put between the two of ``frame``."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*special, *alphabet])}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    if frame is not None:
        ends = [(token, vocabulary[token]) for token in frame]
        inner.post_processor = processors.TemplateProcessing(single=f"{frame[0]} $A {frame[1]}", special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=inner, **roles)


def randomise(model: torch.nn.Module, seed: int) -> Any:
    """Weights large enough that inputs do not all look alike."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3 / max(1, parameter.shape[-1] / 32) ** 0.5, generator=generator)
    return model.eval()


def declare(folder: Path, **fields: Any) -> Path:
    """Write further fields into a checkpoint's config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return folder


def tiny_clap(folder: Path, *, fused: bool = False, seed: int = 0, rate: int = 16_000, seconds: int = 1) -> Path:
    """A CLAP checkpoint: 16-dimensional space, 16 kHz, windows of 1 s."""
    tokenizer = byte_tokenizer(
        ["<s>", "<pad>", "</s>", "<unk>"],
        frame=("<s>", "</s>"),
        bos_token="<s>",
        cls_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
        model_max_length=75,
    )
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "intermediate_size": 37,
        "projection_dim": 16,
        "pad_token_id": 1,
        "max_position_embeddings": 77,
    }
    audio = {
        "window_size": 4,
        "num_mel_bins": 64,
        "spec_size": 64,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "num_classes": 10,
        "hidden_size": 64,
        "projection_dim": 16,
        "depths": [1, 1, 1],
        "num_attention_heads": [2, 2, 2],
        "patch_embeds_hidden_size": 16,
        "enable_fusion": fused,
        "aff_block_r": 1,
    }
    config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=16)
    randomise(transformers.ClapModel(config), seed).save_pretrained(folder)
    extractor = transformers.ClapFeatureExtractor(
        sampling_rate=rate,
        hop_length=rate * seconds // 62,
        max_length_s=seconds,
        frequency_max=rate // 2,
        truncation="fusion" if fused else "rand_trunc",
        padding="repeatpad",
    )
    transformers.ClapProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder


def tiny_ast(folder: Path, *, seed: int = 0) -> Path:
    """An audio spectrogram transformer with five classes."""
    labels = ["Speech", "Dog", "Rain", "Silence", "Engine"]
    config = transformers.ASTConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_length=128,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    randomise(transformers.ASTForAudioClassification(config), seed).save_pretrained(folder)
    transformers.ASTFeatureExtractor(max_length=128).save_pretrained(folder)
    return folder


CHAT = (
    "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for c in m.content %}"
    "{% if c.type == 'text' %}{{ c.text }}{% elif c.type == 'audio' %}<|audio_bos|><|AUDIO|><|audio_eos|>{% endif %}"
    "{% endfor %}{% endif %}{% endfor %}"
)


def tiny_qwen2_audio(folder: Path, *, seed: int = 0) -> Path:
    """A Qwen2-Audio checkpoint, a chat model that hears, for a server to load."""
    words = byte_tokenizer(
        ["<|pad|>", "<|im_end|>", "<|audio_bos|>", "<|audio_eos|>", "<|AUDIO|>"],
        pad_token="<|pad|>",
        eos_token="<|im_end|>",
        extra_special_tokens=["<|audio_bos|>", "<|audio_eos|>", "<|AUDIO|>"],
    )
    ends = {"eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    audio = {
        "model_type": "qwen2_audio_encoder",
        "d_model": 32,
        "encoder_layers": 1,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "num_mel_bins": 80,
        "max_source_positions": 1500,
    }
    text = {
        "model_type": "qwen2",
        "vocab_size": len(words),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "bos_token_id": None,
        **ends,
    }
    token = words.convert_tokens_to_ids("<|AUDIO|>")
    config = transformers.Qwen2AudioConfig(audio_config=audio, text_config=text, audio_token_index=token)
    model = randomise(transformers.Qwen2AudioForConditionalGeneration(config), seed)
    model.generation_config.update(**ends)
    model.save_pretrained(folder)
    extractor = transformers.WhisperFeatureExtractor(feature_size=80)
    transformers.Qwen2AudioProcessor(extractor, words, chat_template=CHAT).save_pretrained(folder)
    return folder


def set_seed(seed: int) -> np.ndarray:
    """Seed numpy's global generator, which some feature extractors draw from; returns its state."""
    np.random.seed(seed)  # noqa: NPY002
    return global_state()


def global_state() -> np.ndarray:
    """State of numpy's global generator."""
    return np.array(np.random.get_state()[1])  # noqa: NPY002


def assert_same_direction(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Rows agree to ``tolerance`` once they have unit length: raw ones of random weights may be long."""
    unit = torch.nn.functional.normalize
    torch.testing.assert_close(unit(found, dim=-1), unit(expected, dim=-1), atol=tolerance, rtol=0)


def tones(*seconds: float, rate: int = 16_000, seed: int = 0) -> list[np.ndarray]:
    """Sounds of the given lengths, each another pitch with a little noise: float32 (T,)."""
    rng = np.random.default_rng(seed)
    return [
        (
            0.3 * np.sin(2 * np.pi * (200 + 170 * i) * np.arange(round(length * rate)) / rate)
            + 0.05 * rng.standard_normal(round(length * rate))
        ).astype(np.float32)
        for i, length in enumerate(seconds)
    ]


def random_videos(*counts: int, height: int = 30, width: int = 40, seed: int = 0) -> list[np.ndarray]:
    """Stretches of random video of the given numbers of frames: uint8 (N, height, width, 3)."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8) for count in counts]
