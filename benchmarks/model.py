"""A CLIP of the shape of ViT-B/32 with random weights: as fast as the real one, and made anywhere."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from benchmarks.clips import Clip

_LEXICON = (
    "a the two three young old small large red blue green white man woman child dog cat horse car bird team people "
    "runs walks jumps plays cooks sits stands rides sings dances paints throws catches holds opens cuts on in under "
    "near across with into field street kitchen river beach stage garden room mountain while then slowly quickly "
    "another ball guitar bicycle boat door bread water camera crowd looks turns smiles waits behind beside above"
)
_WORDS = _LEXICON.split()
TEXT_WORDS = (8, 20)  # shortest and longest caption, in words; every word is one token


def captions(count: int, seed: int = 0) -> list[str]:
    """Make distinct word sequences of the length of usual captions."""
    generator = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found[" ".join(generator.choices(_WORDS, k=generator.randint(*TEXT_WORDS)))] = None
    return list(found)


def vit_b_32(folder: Path) -> Path:
    """Return the folder of the checkpoint, made once: ``CLIPConfig()`` of transformers, weights of seed 0."""
    return _saved(folder, {})


def tiny_clip(folder: Path) -> Path:
    """Return the same with two thin layers, for ``--quick``."""
    thin = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    return _saved(folder, {"text_config": thin, "vision_config": thin, "projection_dim": 32})


def clap(folder: Path) -> Path:
    """Return a CLAP of the shape of ``ClapConfig()`` of transformers, with weights of seed 0, made once."""
    return _saved_clap(folder, {})


def tiny_clap(folder: Path) -> Path:
    """Return the same with one thin block a stage, for ``--quick``."""
    return _saved_clap(folder, {"depths": [1, 1, 1, 1], "patch_embeds_hidden_size": 32, "hidden_size": 256})


def _saved_clap(folder: Path, audio: dict[str, Any]) -> Path:
    if (folder / "preprocessor_config.json").exists():
        return folder
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    print(f"making {folder}", flush=True)
    torch.manual_seed(0)
    thin = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = ClapConfig(audio_config=audio, text_config=thin)  # the texts are not measured
    ClapModel(config).save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(folder)
    return folder


def _saved(folder: Path, options: dict[str, Any]) -> Path:
    if (folder / "preprocessor_config.json").exists():
        return folder
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    print(f"making {folder}", flush=True)
    tokenizer = _tokenizer()
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = CLIPConfig(**{**options, "text_config": {**options.get("text_config", {}), **ids}})
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    """Make a tokenizer of CLIP's kind, whose vocabulary is the words above."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    alphabet = sorted(ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate([*alphabet, *(f"{letter}</w>" for letter in alphabet)])}
    merges: dict[tuple[str, str], None] = {}
    for word in _WORDS:
        whole = f"{word[-1]}</w>"
        for letter in reversed(word[:-1]):
            merges[letter, whole] = None
            whole = letter + whole
            vocab.setdefault(whole, len(vocab))
    for special in ("<|startoftext|>", "<|endoftext|>"):
        vocab[special] = len(vocab)
    return CLIPTokenizer(vocab=vocab, merges=list(merges), model_max_length=77)


def image_flops(config: Any) -> float:
    """Count the floating-point operations that one image's embedding needs, a multiplication and an addition each.

    Of the last layer only the class token is read, so its queries and its MLP count for one token.
    """
    vision = config.vision_config
    width, inner, layers = vision.hidden_size, vision.intermediate_size, vision.num_hidden_layers
    patches = (vision.image_size // vision.patch_size) ** 2
    tokens = patches + 1

    def layer(queries: int) -> int:
        keys_and_values = 2 * tokens * width**2
        attention = 2 * queries * tokens * width
        return keys_and_values + attention + queries * (2 * width**2 + 2 * width * inner)

    embedding = patches * 3 * vision.patch_size**2 * width
    return 2.0 * (embedding + (layers - 1) * layer(tokens) + layer(1) + width * config.projection_dim)


def scored_clips(quick: bool) -> list[Clip]:
    """Return the 20 clips that are scored end to end: usual sizes and codecs, long and short GOPs."""
    if quick:
        return [Clip("h264", 160, 120, 4, gop=(30, 250)[seed % 2], seed=seed) for seed in range(3)]
    clips = []
    for width, height, count in ((640, 360, 6), (1280, 720, 6), (1920, 1080, 4)):
        clips += [Clip("h264", width, height, 10, gop=(30, 250)[seed % 2], seed=seed) for seed in range(count)]
    clips += [Clip(codec, 1280, 720, 10, gop=120, seed=seed) for codec in ("hevc", "vp9") for seed in range(2)]
    return clips
