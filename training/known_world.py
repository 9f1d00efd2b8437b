"""Measure what the teaching model knows: ``python -m training.known_world [--model DIR]``.

Limits are taken from drawn clips in several sizes and codings, and tried on others: how often a drawn clip is called
strange. They go beside the model, into ``known_world.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vqe_core.encoders import load_image_text_encoder
from vqe_core.toy import model_folder
from vqe_core.toy.clips import make_clip, write_clip
from vqe_core.toy.known_world import FILE, Ground, KnownWorld, ground_of

FIRST_SEED, TRIED_SEED = 70_000_000, 80_000_000
CODINGS = ((64, 23), (128, 23), (256, 23), (128, 32))  # pixels, crf
FRAMES = 10  # of a clip
OUTSIDE = 0.0005  # share of the frames beyond each end of a limit
SLACK = 0.02  # of the width of a limit, beyond what was measured


def grounds(first_seed: int, count: int) -> Iterator[list[Ground]]:
    """Yield the grounds of the sampled frames of each of ``count`` clips, as the model sees them."""
    encoder = load_image_text_encoder("toy")
    with tempfile.TemporaryDirectory() as name:
        for i in range(count):
            size, crf = CODINGS[i % len(CODINGS)]
            path = write_clip(make_clip(first_seed + i, size=size), Path(name) / "clip.mp4", crf=crf)
            yield [ground_of(encoder.prepare_image(frame)) for frame in decoded(path)]


def decoded(path: Path, count: int = FRAMES) -> list[np.ndarray]:
    """Return evenly spaced frames of a file."""
    import av

    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [frames[i] for i in np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))]


def measure(revision: str, count: int, tried: int) -> dict[str, Any]:
    """Take limits from ``count`` clips, and count false alarms among ``tried`` others."""
    frames = torch.tensor([ground for clip in grounds(FIRST_SEED, count) for ground in clip], dtype=torch.float64)
    limits = {}
    for column, name in enumerate(Ground._fields):
        low, high = frames[:, column].quantile(torch.tensor([OUTSIDE, 1 - OUTSIDE], dtype=torch.float64)).tolist()
        slack = SLACK * (high - low)
        limits[name] = (round(low - slack, 3), round(high + slack, 3))
    known = KnownWorld(limits, revision)
    strange = [[known.is_ground_strange(ground) for ground in clip] for clip in grounds(TRIED_SEED, tried)]
    return {
        "revision": revision,
        "limits": limits,
        "measured_on": {"clips": count, "frames": len(frames)},
        "false_alarms": {
            "clips": sum(bool(known.clip_notes(clip)) for clip in strange),
            "of_clips": tried,
            "frames": sum(map(sum, strange)),
            "of_frames": sum(map(len, strange)),
        },
    }


def main() -> None:
    """Read the command line, measure, and write the file."""
    parser = argparse.ArgumentParser(description="Measure what the teaching model knows.")
    parser.add_argument("--model", type=Path, default=model_folder(), help="folder of the model (default: the shipped)")
    parser.add_argument("--clips", type=int, default=500)
    parser.add_argument("--tried", type=int, default=1000)
    asked = parser.parse_args()
    from vqe_core.encoders.checkpoints import find_checkpoint

    found = measure(find_checkpoint(str(asked.model)).revision, asked.clips, asked.tried)
    (asked.model / FILE).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found["false_alarms"]))


if __name__ == "__main__":
    main()
