"""CPU a sound costs, by how sounds share the threads: ``python -m benchmarks.sounds``.

Sounds of 3 s are embedded by the teaching model and by a CLAP of the usual shape with random weights: as the encoder
does it, each on one thread and several side by side; one at a time, and in batches, on all threads of torch; and one at
a time with the spectrograms of transformers' own feature extractor. Then clips of the toy world are scored, by tags
and in a joint space.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.model import clap, tiny_clap
from benchmarks.record import Group, Record
from benchmarks.turns import Job, answer, in_turns, numbers, parse, settings

SECONDS = 3
TOY, SHAPE = "teaching model", "shape of CLAP"
SOUNDS = {TOY: 64, SHAPE: 8}
CLIPS = 300
QUICK = 3
AS_TRANSFORMERS = "one by one, all threads, spectrograms of transformers"
ONE_BY_ONE, BATCH = "one by one, all threads", "batches of 16, all threads"
SIDE_BY_SIDE = "one thread each, side by side"
METHODS = ("tags", "joint")


def main() -> None:
    """Run all variants in turn and write ``sounds.json``."""
    arguments = parse(__doc__.splitlines()[0], repeat=3)
    if answer(arguments, run_job):
        return
    counts = dict.fromkeys(SOUNDS, QUICK) if arguments.quick else SOUNDS
    folder = (tiny_clap if arguments.quick else clap)(arguments.work / ("thin_clap" if arguments.quick else "clap"))
    models = {TOY: "toy", SHAPE: str(folder)}
    jobs: dict[str, Job] = {
        f"{model}: {how}": {"how": how, "model": models[model], "count": count}
        for model, count in counts.items()
        for how in (AS_TRANSFORMERS, ONE_BY_ONE, BATCH, SIDE_BY_SIDE)
    }
    clips = toy_clips(QUICK if arguments.quick else CLIPS, arguments.work / "clips" / "toy")
    jobs |= {f"clips by {method}": {"method": method, "clips": clips} for method in METHODS}
    results = in_turns("benchmarks.sounds", jobs, arguments.repeat)
    samples = {name: numbers(found) for name, found in results.items()}
    groups = [
        Group(
            f"{model}, {count} sounds of {SECONDS} s",
            {name.removeprefix(f"{model}: "): found for name, found in samples.items() if name.startswith(model)},
            AS_TRANSFORMERS,
            "cpu_ms_per_sound",
        )
        for model, count in counts.items()
    ]
    scored = {name: found for name, found in samples.items() if name.startswith("clips")}
    groups.append(Group(f"{len(clips)} clips of {SECONDS} s, scored by the teaching model", scored))
    failed = sum(sample.get("failed", 0) for found in results.values() for sample in found)
    Record(
        "sounds",
        "Sounds: CPU of one, by how threads are shared",
        settings(arguments),
        groups,
        [],
        {"clips without a score": failed},
    ).write(arguments.out)


def toy_clips(count: int, folder: Path) -> list[str]:
    """Return the files of ``count`` clips with a sound, made where they are not there."""
    from vqe_core.toy.clips import make_clip, write_clip

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{seed:03}.mp4" for seed in range(count)]
    for seed, path in enumerate(paths):
        if not path.exists():
            write_clip(make_clip(seed, seconds=SECONDS), path)
    return [str(path) for path in paths]


def run_job(job: Job) -> dict[str, Any]:
    """Embed the sounds as ``job["how"]`` says, or score the clips by ``job["method"]``, in this process."""
    if "method" in job:
        return run_clips(job["method"], job["clips"])
    import torch

    from benchmarks.usage import measured
    from vqe_core.encoders.audio_loading import load_tagger

    encoder: Any = load_tagger(job["model"])
    if job["how"] == AS_TRANSFORMERS:
        object.__setattr__(encoder, "spectrogram", None)
    rate, generator = encoder.sampling_rate, np.random.default_rng(0)
    sounds = [0.1 * generator.standard_normal(SECONDS * rate).astype(np.float32) for _ in range(job["count"])]

    def embed(some: list[np.ndarray]) -> Any:
        if job["how"] == SIDE_BY_SIDE:
            return encoder.embed_audio(some)
        size = 16 if job["how"] == BATCH else 1
        parts = [some[start : start + size] for start in range(0, len(some), size)]
        return torch.cat([encoder._embed_features(encoder._features(part)) for part in parts])

    embed(sounds[:2])
    _, cost = measured(lambda: embed(sounds))
    each = {"ms_per_sound": cost["wall_s"] * 1e3 / len(sounds), "cpu_ms_per_sound": cost["cpu_s"] * 1e3 / len(sounds)}
    return {**cost, **each}


def run_clips(method: str, clips: list[str]) -> dict[str, Any]:
    """Score clips with their own sounds."""
    from benchmarks.usage import measured
    from vqe_core import VideoAudioSimilarity

    scorer = VideoAudioSimilarity(hf_clip="toy", method=method, progress=False)  # type: ignore[arg-type]
    scorer.score(videos=[{"path": clips[0], "start": 0.0, "end": 2.0}])
    report, cost = measured(lambda: scorer.score(videos=clips))
    each = {"ms_per_clip": cost["wall_s"] * 1e3 / len(clips), "cpu_ms_per_clip": cost["cpu_s"] * 1e3 / len(clips)}
    return {**cost, **each, "failed": report.num_failed}


if __name__ == "__main__":
    main()
