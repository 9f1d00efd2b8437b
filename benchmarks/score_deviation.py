"""Deviation of the scores of every dtype and backend, and of int8, from float32 by torch.

    python benchmarks/score_deviation.py [--clips 24] [--models toy vit-b-32] [--json file]

Two models: the toy model, which is trained, and ViT-B/32 with the random weights of a fixed seed, which is the
full-size computation but judges nothing. Prints JSON, then the tables as Markdown.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer, CLIPConfig, CLIPImageProcessor, CLIPModel

from vqe_core import EMScore
from vqe_core.encoders import load_image_text_encoder, unload_encoders
from vqe_core.encoders.backends.towers import PlainVisionTower
from vqe_core.errors import VqeError
from vqe_core.functional.emscore import METRICS
from vqe_core.scorers.emscore.score_types import SCORE_TYPES
from vqe_core.toy import model_folder
from vqe_core.toy.clips import ToyClip, make_clip

SEED = 0
FRAMES = 4
COMPUTATIONS = [
    ("transformers", "float32"),
    ("int8", "float32"),
    *[(backend, dtype) for dtype in ("float32", "bfloat16", "float16") for backend in ("torch", "compile", "openvino")],
]


def save_random_vit_b_32(folder: str | Path) -> str:
    """Save ViT-B/32 as transformers initialises it from ``SEED``, with the toy model's tokenizer."""
    torch.manual_seed(SEED)
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    CLIPModel(CLIPConfig(text_config={"vocab_size": len(tokenizer), **ids})).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    return str(folder)


def load_encoder(model: str, backend: str, dtype: str) -> Any:
    """Load the encoder of one computation; ``transformers`` is the library's own forward, all of it."""
    if backend == "int8":
        return load_image_text_encoder(model, "cpu", dtype, quantize="int8")
    encoder: Any = load_image_text_encoder(model, "cpu", dtype, "torch" if backend == "transformers" else backend)
    if backend == "transformers":
        own = AutoModel.from_pretrained(encoder.checkpoint.folder).eval()
        encoder = replace(encoder, model=own, vision_tower=PlainVisionTower(own, encoder.preprocessing))
    return encoder


def measure(encoder: Any, clips: list[ToyClip]) -> dict[str, np.ndarray]:
    """Return scores of each metric, all score types and rows, and the unit embeddings of images and tokens."""
    captions, rewordings = zip(*(clip.captions(2) for clip in clips), strict=True)
    # Each clip's caption and the next one's are candidates, so that good and bad fits both count.
    videos = [clip.frames for clip in clips] * 2
    candidates = [*captions, *captions[1:], captions[0]]
    references = [[reworded] for reworded in rewordings] * 2
    scorer = EMScore(clip_model_path=encoder, frame_num=FRAMES, per_sample=True)
    result = scorer.compute(predictions=candidates, videos=videos, references=references)
    values = {metric: np.array([result["samples"][f"{kind}_{metric}"] for kind in SCORE_TYPES]) for metric in METRICS}
    images = [encoder.prepare_image(clip.frames[i]) for clip in clips for i in (0, -1)]
    values["image embeddings"] = encoder.embed_images(torch.stack(images)).numpy()
    values["token embeddings"] = torch.cat([text.tokens for text in encoder.embed_texts(captions)]).numpy()
    return values


def deviations(model: str, clips: list[ToyClip]) -> dict[str, dict[str, Any]]:
    """Return each computation's largest and mean absolute difference to float32 by torch, or why there is none."""
    found: dict[str, dict[str, Any]] = {}
    exact = measure(load_encoder(model, "torch", "float32"), clips)
    for backend, dtype in COMPUTATIONS:
        try:
            values = measure(load_encoder(model, backend, dtype), clips)
        except VqeError as error:
            found[f"{backend} {dtype}"] = {"absent": str(error)}
            continue
        found[f"{backend} {dtype}"] = {
            key: {
                "max": float(np.abs(values[key] - exact[key]).max()),
                "mean": float(np.abs(values[key] - exact[key]).mean()),
                "rank": rank_correlation(values[key], exact[key]),
            }
            for key in exact
        }
        unload_encoders()
    return found


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's coefficient of all values; ties, which float numbers hardly have, are not averaged."""
    ranks = [values.ravel().argsort().argsort() for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def markdown(found: dict[str, dict[str, Any]]) -> str:
    """Format one table: a row a metric, a column a computation, each cell max / mean; then rank correlations."""
    columns = [name for name, cells in found.items() if "absent" not in cells and name != "torch float32"]
    lines = ["| max / mean | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for key in found["torch float32"]:
        cells = [f"{found[name][key]['max']:.1e} / {found[name][key]['mean']:.1e}" for name in columns]
        lines.append(f"| {key} | " + " | ".join(cells) + " |")
    for key in ("full_F", "cogr"):
        cells = [f"{found[name][key]['rank']:.5f}" for name in columns]
        lines.append(f"| rank correlation of {key} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print JSON and tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--models", nargs="+", choices=["toy", "vit-b-32"], default=["toy", "vit-b-32"])
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    options = parser.parse_args()
    clips = [make_clip(seed) for seed in range(options.clips)]
    report: dict[str, Any] = {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "clips": len(clips),
        "seed": SEED,
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            report[name] = deviations("toy" if name == "toy" else save_random_vit_b_32(folder), clips)
    text = json.dumps(report, indent=1)
    if options.json:
        options.json.write_text(text, encoding="utf-8")
    print(text)
    for name in options.models:
        print(f"\n{name}\n\n{markdown(report[name])}")


if __name__ == "__main__":
    sys.exit(main())
