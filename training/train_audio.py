"""Stage three: audio meets its captions, and the images of the finished CLIP.

The audio tower learns two things at once by InfoNCE: which caption describes a sound, so that the model can tag, and
where the CLIP puts the video that the sound goes with, so that audio and images share a space. The CLIP is not
changed. (Learning an image model's space from audio alone is the idea of Wu et al., "Wav2CLIP", ICASSP 2022.)
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from torch import Tensor
from transformers import ClapModel, ClapProcessor, CLIPModel, RobertaTokenizer

from training.audio_features import make_extractor
from training.audio_network import LABELS, PROMPT, build_audio_tokenizer, make_audio_model
from training.audio_training_data import SoundSet, audible, describe_sound, make_sound_set
from training.optimisation import RunningMeans, learning_rate, make_optimiser, take_step
from vqe_core.toy.claims import compatible

FOLDER = "audio"  # inside the folder of the CLIP
PEAK_RATE = 1.5e-3
LOUDNESS = 4.0  # decibels, deviation of the volume of a training sound
SHIFT = 2  # columns of a log-mel spectrogram, 48 ms each
PULL_WEIGHT = 0.5
MAX_SCALE = 100.0
NEVER = -1e4  # logit of a pair that takes no part


@dataclass(frozen=True)
class AudioRecipe:
    """The options of the third stage; the defaults are those of the shipped model."""

    audio_seed: int = 0
    audio_clips: int = 10000
    audio_steps: int = 800
    audio_batch: int = 128


def train_audio(recipe: AudioRecipe, out: Path) -> ClapModel:
    """Train an audio model for the CLIP in ``out`` and save it there, in a folder of its own.

    Args:
        recipe: options.
        out: folder of a CLIP; its weights are read, its config.json is told of the audio model.
    """
    begin = time.monotonic()
    clip = CLIPModel.from_pretrained(out, dtype=torch.float32).eval()
    data = make_sound_set(clip, recipe.audio_seed, recipe.audio_clips, processes=torch.get_num_threads())
    tokenizer = build_audio_tokenizer()
    model = make_audio_model(tokenizer, clip.config.projection_dim, recipe.audio_seed)
    losses = align(model, tokenizer, data, recipe)
    save_audio(model, tokenizer, out)
    minutes = round((time.monotonic() - begin) / 60, 1)
    record = {"recipe": asdict(recipe), "minutes": minutes, "threads": torch.get_num_threads(), "losses": losses}
    record |= {"torch": torch.__version__, "transformers": transformers.__version__}
    (out / FOLDER / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    return model


def align(model: ClapModel, tokenizer: RobertaTokenizer, data: SoundSet, recipe: AudioRecipe) -> dict[str, float]:
    """Train both towers of ``model`` in place; return smoothed figures."""
    rng = np.random.default_rng([recipe.audio_seed, 103])
    heard = audible(data.attributes)
    optimiser = make_optimiser(model.parameters())
    means = RunningMeans()
    model.train()
    for step in range(recipe.audio_steps):
        rows = rng.integers(len(data), size=recipe.audio_batch)
        described = [describe_sound(data.attributes[row], rng) for row in rows]
        texts, claims = [text for text, _ in described], np.stack([claim for _, claim in described])
        sounds = embed_mels(model, augment(data.mels[rows], rng))
        loss, figures = _loss(
            model,
            sounds,
            embed_sound_texts(model, tokenizer, texts),
            data.videos[rows],
            _not_own(compatible(claims, heard[rows])),
            _not_own((heard[rows][:, None] == heard[rows][None]).all((2, 3))),
        )
        take_step(optimiser, loss, learning_rate(step, recipe.audio_steps, PEAK_RATE))
        means.update(**figures)
        means.report(step + 1, recipe.audio_steps)
    model.eval()
    return means.means


def augment(mels: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Change volume and start of log-mel spectrograms (B, 63, 64): float32 (B, 1, 63, 64), as the tower takes them."""
    louder = LOUDNESS * rng.standard_normal((len(mels), 1, 1), np.float32)
    shifted = np.roll(mels + louder, int(rng.integers(-SHIFT, SHIFT + 1)), axis=1)
    return torch.from_numpy(shifted)[:, None]


def embed_mels(model: ClapModel, mels: Tensor) -> Tensor:
    """Embed log-mel spectrograms float32 (B, 1, 63, 64) as unit rows (B, D)."""
    return F.normalize(model.audio_projection(model.audio_model(input_features=mels).pooler_output), dim=-1)


def embed_sound_texts(model: ClapModel, tokenizer: RobertaTokenizer, texts: list[str]) -> Tensor:
    """Embed B texts as unit rows (B, D)."""
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    states = model.text_model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    return F.normalize(model.text_projection(states.pooler_output), dim=-1)


def save_audio(model: ClapModel, tokenizer: RobertaTokenizer, out: Path) -> None:
    """Save the model to a folder inside that of its CLIP, and declare both to be one space."""
    folder = out / FOLDER
    model.save_pretrained(folder)
    ClapProcessor(make_extractor(), tokenizer).save_pretrained(folder)
    space = space_of(out)
    _declare(out, vqe_space=space, vqe_audio_model=FOLDER)
    _declare(folder, vqe_space=space, vqe_labels=LABELS, vqe_sound_prompt=PROMPT, vqe_photo_prompt=PROMPT)
    for file in folder.iterdir():
        file.chmod(0o644)  # weights come out as 0600, which no packaging tool expects


def space_of(folder: Path) -> str:
    """Name the space of a CLIP after its weights, so that an audio model made for other weights is refused."""
    return f"toy-{hashlib.sha256((folder / 'model.safetensors').read_bytes()).hexdigest()[:12]}"


def _declare(folder: Path, **fields: object) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(dict(sorted((config | fields).items())), indent=2) + "\n", encoding="utf-8")


def _loss(
    model: ClapModel, sounds: Tensor, texts: Tensor, videos: Tensor, true_texts: Tensor, alike: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Compute InfoNCE of audio with captions and with videos, all (B, D); masks (B, B) exclude pairs."""
    scale, text_scale = (s.exp().clamp(max=MAX_SCALE) for s in (model.logit_scale_a, model.logit_scale_t))
    own = torch.arange(len(sounds))
    told = (texts @ sounds.T).masked_fill(true_texts, NEVER)
    seen = (videos @ sounds.T).masked_fill(alike, NEVER) * scale
    # The scale of sounds is the one that a tagger's softmax over labels uses.
    text_loss = 0.5 * (F.cross_entropy(told * text_scale, own) + F.cross_entropy(told.T * scale, own))
    video_loss = 0.5 * (F.cross_entropy(seen, own) + F.cross_entropy(seen.T, own))
    cosine = (sounds * videos).sum(dim=1).mean()
    figures = {"text": text_loss.item(), "video": video_loss.item(), "cosine": cosine.item(), "scale": scale.item()}
    return text_loss + video_loss + PULL_WEIGHT * (1 - cosine), figures


def _not_own(true: np.ndarray) -> Tensor:
    """Return the pairs (B, B) that are true without belonging together."""
    true = true.copy()
    np.fill_diagonal(true, False)
    return torch.from_numpy(true)
