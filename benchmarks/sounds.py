"""CPU a sound costs, by how sounds share the threads: ``python -m benchmarks.sounds``.

Sounds of 3 s are embedded by the teaching model: as the encoder does it, each on one thread and several side by side;
and as one batch, and one at a time, on all threads of torch. Spectrograms are made in all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.record import Group, Record
from benchmarks.turns import Job, answer, in_turns, numbers, parse, settings

SECONDS, SOUNDS, QUICK_SOUNDS = 3, 64, 3
SIDE_BY_SIDE, BATCH, ONE_BY_ONE = (
    "one thread each, side by side",
    "batches of 16, all threads",
    "one by one, all threads",
)


def main() -> None:
    """Run all variants in turn and write ``sounds.json``."""
    arguments = parse(__doc__.splitlines()[0], repeat=3)
    if answer(arguments, run_job):
        return
    count = QUICK_SOUNDS if arguments.quick else SOUNDS
    jobs: dict[str, Job] = {name: {"how": name, "count": count} for name in (ONE_BY_ONE, BATCH, SIDE_BY_SIDE)}
    results = in_turns("benchmarks.sounds", jobs, arguments.repeat)
    samples = {name: numbers(found) for name, found in results.items()}
    group = Group(f"Teaching model, {count} sounds of {SECONDS} s", samples, ONE_BY_ONE, "cpu_ms_per_sound")
    Record("sounds", "Sounds: CPU of one, by how threads are shared", settings(arguments), [group], [], {}).write(
        arguments.out
    )


def run_job(job: Job) -> dict[str, Any]:
    """Embed the sounds as ``job["how"]`` says, in this process."""
    import torch

    from benchmarks.usage import measured
    from vqe_core.encoders.audio_loading import load_tagger

    encoder: Any = load_tagger("toy")
    rate, generator = encoder.sampling_rate, np.random.default_rng(0)
    sounds = [0.1 * generator.standard_normal(SECONDS * rate).astype(np.float32) for _ in range(job["count"])]

    def embed(some: list[np.ndarray]) -> Any:
        if job["how"] == SIDE_BY_SIDE:
            return encoder.embed_audio(some)
        size = 1 if job["how"] == ONE_BY_ONE else 16
        parts = [some[start : start + size] for start in range(0, len(some), size)]
        return torch.cat([encoder._embed_features(encoder._features(part)) for part in parts])

    embed(sounds[:2])
    _, cost = measured(lambda: embed(sounds))
    each = {"ms_per_sound": cost["wall_s"] * 1e3 / len(sounds), "cpu_ms_per_sound": cost["cpu_s"] * 1e3 / len(sounds)}
    return {**cost, **each}


if __name__ == "__main__":
    main()
