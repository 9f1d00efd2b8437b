"""Build the banks that ship with the teaching model: ``python -m training.banks [--model DIR]``.

Clips of seeds of their own are written as mp4 files, and ``vqe_core.run.bank`` makes banks of their sounds, by each way
to compare, and of their captions, as ``vqe bank build`` does for any table.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from vqe_core.run.bank import build_bank
from vqe_core.scorers.caption_bank import save_captions
from vqe_core.tables import write_table
from vqe_core.toy import model_folder
from vqe_core.toy.clips import make_clip, write_clip

FIRST_SEED, SIZE = 60_000_000, 100  # far from the seeds of training, evaluation, examples and tests
WORDINGS = 4  # of each clip, all equally true
CAPTIONS = "bank_captions.json"
SOUNDS = "bank_{method}.safetensors"


def build_banks(model: Path, out: Path) -> list[Path]:
    """Write all banks of a model into a folder; return their paths."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = _write_rows(folder)
        written = []
        for method in ("tags", "joint", "description"):
            path = out / SOUNDS.format(method=method)
            build_bank("video_audio_similarity", rows, path, {"hf_clip": str(model), "method": method})
            written.append(path)
        emscore = build_bank("emscore", rows, out / CAPTIONS, {"clip_model_path": str(model)}).bank
        clip_score = build_bank("clip_score", rows, folder / "clip_score.json", {"clip_model_path": str(model)}).bank
        save_captions(replace(emscore, margins={**emscore.margins, **clip_score.margins}), out / CAPTIONS)
        return [*written, out / CAPTIONS]


def _write_rows(folder: Path) -> Path:
    clips = [make_clip(FIRST_SEED + i) for i in range(SIZE)]
    captions = [clip.captions(WORDINGS) for clip in clips]
    columns: dict[str, list[Any]] = {
        "video_path": [write_clip(clip, folder / f"{i}.mp4").name for i, clip in enumerate(clips)],
        "candidate": [texts[0] for texts in captions],
        "reference": [texts[1:] for texts in captions],
        "audio_description": [clip.sound_caption() for clip in clips],
    }
    write_table(folder / "rows.jsonl", columns)
    return folder / "rows.jsonl"


def main() -> None:
    """Read the command line and write the banks."""
    parser = argparse.ArgumentParser(description="Build the banks of the teaching model.")
    parser.add_argument("--model", type=Path, default=model_folder(), help="folder of the model (default: the shipped)")
    model = parser.parse_args().model
    for path in build_banks(model, model):
        print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
