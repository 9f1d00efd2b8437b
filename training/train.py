"""Train the teaching models from scratch: ``python -m training.train --out DIR``.

First the CLIP, in two stages, then an audio model in its space; ``--only-audio`` takes the CLIP that is in DIR.
Steps are counted, not minutes, and everything random is seeded: on one machine, with one version
of torch and one number of threads, two runs give the same bytes.
"""

import argparse
import ctypes
import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import transformers
from transformers import CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

from training.network import make_model
from training.tokenizer import build_tokenizer
from training.train_audio import AudioRecipe, train_audio
from training.train_contrastive import train_contrastive
from training.train_vision import train_vision
from training.training_data import PIXELS, make_training_set

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """The options of a training run; the defaults are those of the shipped model."""

    seed: int = 0
    clips: int = 12000
    vision_steps: int = 2000
    contrastive_steps: int = 1000
    vision_batch: int = 256
    contrastive_batch: int = 128


def train(recipe: Recipe, out: Path, vision_checkpoint: Path | None = None) -> CLIPModel:
    """Train a CLIP and save it to ``out`` as ``from_pretrained`` reads it.

    Args:
        recipe: options.
        out: folder, made if absent.
        vision_checkpoint: file of the weights after the first stage. Read instead of training that
            stage where it exists, otherwise written.
    """
    begin = time.monotonic()
    data = make_training_set(recipe.seed, recipe.clips, processes=torch.get_num_threads())
    tokenizer = build_tokenizer()
    model = make_model(tokenizer, recipe.seed)
    if vision_checkpoint is not None and vision_checkpoint.exists():
        model.load_state_dict(torch.load(vision_checkpoint, weights_only=True))
    else:
        train_vision(model, data, steps=recipe.vision_steps, seed=recipe.seed, batch=recipe.vision_batch)
        if vision_checkpoint is not None:
            torch.save(model.state_dict(), vision_checkpoint)
    figures = train_contrastive(
        model, tokenizer, data, steps=recipe.contrastive_steps, seed=recipe.seed, batch=recipe.contrastive_batch
    )
    save(model, tokenizer, out)
    minutes = round((time.monotonic() - begin) / 60, 1)
    record = {"recipe": asdict(recipe), "minutes": minutes, "threads": torch.get_num_threads(), "losses": figures}
    record |= {"torch": torch.__version__, "transformers": transformers.__version__}
    (out / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    return model


def save(model: CLIPModel, tokenizer: CLIPTokenizer, out: Path) -> None:
    """Save model, tokenizer and image processor to one folder, readable by everybody."""
    size = {"height": PIXELS, "width": PIXELS}
    images = CLIPImageProcessor(size={"shortest_edge": PIXELS}, crop_size=size)
    model.save_pretrained(out)
    CLIPProcessor(images, tokenizer).save_pretrained(out)
    for file in (path for path in out.iterdir() if path.is_file()):
        file.chmod(0o644)  # weights come out as 0600, which no packaging tool expects


def keep_freed_memory() -> None:
    """Tell glibc to reuse freed memory: returning it after every step makes training 3 times slower."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return
    trim_threshold, mmap_threshold = -1, -3  # from malloc.h
    for option in (trim_threshold, mmap_threshold):
        mallopt(option, 2**31 - 1)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description="Train the teaching models of the toy world from scratch.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the models to")
    parser.add_argument("--only-audio", action="store_true", help="train the audio model of the CLIP in that folder")
    parser.add_argument("--vision-checkpoint", type=Path, help="file to keep the first stage in, or to start from")
    parser.add_argument("--threads", type=int, default=2)
    for name, value in {**asdict(Recipe()), **asdict(AudioRecipe())}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    options = vars(parser.parse_args())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.pop("threads"))
    keep_freed_memory()
    out, checkpoint = options.pop("out"), options.pop("vision_checkpoint")
    only_audio = options.pop("only_audio")
    audio_recipe = AudioRecipe(**{name: options.pop(name) for name in asdict(AudioRecipe())})
    out.mkdir(parents=True, exist_ok=True)
    if not only_audio:
        train(Recipe(**options), out, checkpoint)
    train_audio(audio_recipe, out)


if __name__ == "__main__":
    main()
