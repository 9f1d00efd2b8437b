"""Evaluate the teaching model: ``python -m training.evaluate [--model DIR]``.

Clips are new seeds whose first event has a (colour, shape) pair that no training image or caption
had; they are written as 128-pixel mp4 files and decoded again. The figures go to
``evaluation.json`` and into the model card of the folder. The audio model that the folder brings
along is measured on the same clips; ``--only-audio`` leaves the rest as it is.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from training.audio_card import audio_table, missed_audio_bars, write_audio_section
from training.audio_evaluate import evaluate_audio
from training.audio_measures import Listener
from training.card import missed_bars, results_table, write_card
from training.measures import FOILS, LIMITS, lowest_cosine, measure, pair_accuracy, recall_at_one
from vqe_core.toy import model_folder
from vqe_core.toy.claims import full_claims
from vqe_core.toy.clips import ToyClip, make_clip, write_clip
from vqe_core.toy.judge import Judge
from vqe_core.toy.world import Heldout, sample_attributes

# Far above what notebooks and tests use; training clips have a random stream of their own.
HELDOUT_SEED, SEEN_SEED = 10_000_000, 20_000_000
ROBUSTNESS = {  # name of the row: (pixels, crf or None for frames that were never coded)
    "64 px, not coded": (64, None),
    "128 px, not coded": (128, None),
    "224 px, not coded": (224, None),
    "128 px, H.264 crf 32": (128, 32),
}


def evaluate(judge: Judge, num_clips: int = 256) -> dict[str, object]:
    """Take all measures; ``num_clips`` is a multiple of 64."""
    heldout = make_clips(HELDOUT_SEED, num_clips, heldout="only")
    videos = judge.embed_videos([decoded(clip).frames for clip in heldout])
    results: dict[str, object] = {"clips": num_clips, "held_out": measure(judge, heldout, videos)}
    results["lowest_cosine"] = round(lowest_cosine(judge, heldout, videos), 3)
    seen = make_clips(SEEN_SEED, num_clips, heldout="exclude")
    results["seen"] = measure(judge, seen, judge.embed_videos([decoded(clip).frames for clip in seen]))
    control = judge.untrained()
    results["untrained"] = measure(control, heldout, control.embed_videos([decoded(c).frames for c in heldout]))
    results["limits"] = {kind: _limit(judge, kind, num_clips) for kind in LIMITS}
    results["robustness"] = {name: _robustness(judge, *setting) for name, setting in ROBUSTNESS.items()}
    return results


def make_clips(first_seed: int, count: int, *, heldout: Heldout, size: int = 128) -> list[ToyClip]:
    """Make ``count`` clips of consecutive seeds."""
    return [make_clip(first_seed + index, size=size, heldout=heldout) for index in range(count)]


def decoded(clip: ToyClip, crf: int = 23) -> ToyClip:
    """Return the clip with its frames as they come out of an mp4 file."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_clip(clip, Path(folder) / "clip.mp4", crf=crf)
        with av.open(str(path)) as container:
            frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    return replace(clip, frames=frames)


def _limit(judge: Judge, kind: str, num_clips: int) -> dict[str, float]:
    """Measure a limit on pairs the model has seen, and on clips that all have what it is about."""
    clips: list[ToyClip] = []
    seed = SEEN_SEED
    while len(clips) < num_clips:
        attributes = sample_attributes(np.random.default_rng([seed, 0]), heldout="exclude")
        if FOILS[kind](attributes, full_claims(attributes), np.random.default_rng(seed)) is not None:
            clips.append(make_clip(seed, size=64, attributes=attributes))
        seed += 1
    return pair_accuracy(judge, clips, judge.embed_videos([clip.frames for clip in clips]), kind)


def _robustness(judge: Judge, size: int, crf: int | None) -> dict[str, object]:
    clips = make_clips(HELDOUT_SEED, 64, heldout="only", size=size)
    videos = judge.embed_videos([(clip if crf is None else decoded(clip, crf)).frames for clip in clips])
    kinds = ("colour", "shape", "count", "direction")
    return {
        "pairs": {kind: pair_accuracy(judge, clips, videos, kind) for kind in kinds},
        "recall_at_1_of_64": recall_at_one(judge, clips, videos),
    }


def evaluate_image_model(folder: Path, num_clips: int) -> dict[str, object]:
    """Evaluate the CLIP of a folder and write the figures there; the audio model's stay."""
    results = evaluate(Judge.load(folder), num_clips)
    file = folder / "evaluation.json"
    old = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    _record(folder, results | {key: old[key] for key in ("audio",) if key in old})
    write_card(folder, results)
    return results


def evaluate_audio_model(folder: Path, num_clips: int) -> dict[str, object]:
    """Evaluate the audio model of a folder and write the figures there; the CLIP's stay."""
    heldout = make_clips(HELDOUT_SEED, num_clips, heldout="only")
    seen = make_clips(SEEN_SEED, num_clips, heldout="exclude")
    results = evaluate_audio(Listener.load(str(folder)), heldout, seen)
    recorded = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    _record(folder, recorded | {"audio": results})
    write_audio_section(folder, results)
    return results


def main() -> None:
    """Read the command line, evaluate, print and write."""
    parser = argparse.ArgumentParser(description="Evaluate the teaching models and rewrite their card.")
    parser.add_argument("--model", type=Path, default=model_folder(), help="folder of the models")
    parser.add_argument("--clips", type=int, default=256, help="clips of each kind, a multiple of 64")
    parser.add_argument("--only-audio", action="store_true", help="evaluate the audio model alone")
    options = parser.parse_args()
    missed = []
    if not options.only_audio:
        results = evaluate_image_model(options.model, options.clips)
        print(results_table(results))
        missed += missed_bars(results)
    if (options.model / "audio").is_dir():
        results = evaluate_audio_model(options.model, options.clips)
        print(audio_table(results))
        missed += missed_audio_bars(results)
    print("bars missed:", ", ".join(missed) or "none")


def _record(folder: Path, results: dict[str, object]) -> None:
    (folder / "evaluation.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
