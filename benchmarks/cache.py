"""The same rows with no cache, a cold one and a warm one: ``python -m benchmarks.cache``.

The rows of ``benchmarks.end_to_end``, in float32. Each way runs in a fresh process: cold with an empty folder, warm
with the folder that the cold one of the same turn has filled. Loading the model is not in the times.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.end_to_end import largest_difference, score_ours, scored_rows
from benchmarks.record import Group, Record, Target
from benchmarks.turns import Job, answer, in_turns, numbers, parse, settings

WITHOUT, COLD, WARM = "no cache", "cold cache", "warm cache"
ROUNDING = 1e-6  # of float32, by another kernel


def main() -> None:
    """Run the three in turn and write ``cache.json``."""
    arguments = parse(__doc__.splitlines()[0], repeat=3)
    if answer(arguments, run_job):
        return
    rows = scored_rows(arguments)
    folder = str((arguments.work / "embeddings").resolve())
    jobs: dict[str, Job] = {
        WITHOUT: {**rows, "options": {}},
        COLD: {**rows, "options": {"cache_dir": folder}, "empty": True},
        WARM: {**rows, "options": {"cache_dir": folder}},
    }
    results = in_turns("benchmarks.cache", jobs, arguments.repeat)
    shutil.rmtree(folder, ignore_errors=True)
    samples = {name: numbers(found) for name, found in results.items()}
    group = Group(f"{len(rows['videos'])} captions of {len(set(rows['videos']))} clips", samples, COLD)
    Record(
        "cache",
        "Cache: the same rows again",
        settings(arguments),
        [group],
        [] if arguments.quick else goals(group),
        equal_scores(results),
    ).write(arguments.out)


def run_job(job: Job) -> dict[str, Any]:
    """Score the rows in this process."""
    if job.get("empty"):
        shutil.rmtree(job["options"]["cache_dir"], ignore_errors=True)
        Path(job["options"]["cache_dir"]).mkdir(parents=True)
    return score_ours(job)


def equal_scores(results: dict[str, Any]) -> dict[str, Any]:
    """Check that stored embeddings gave the scores of the run that stored them, and measure other processes.

    A process chooses its kernels by measuring, and kernels differ in the last bits.

    Raises:
        RuntimeError: a warm score is not the cold one to the last bit, or another process is off by more than rounding.
    """
    if any(cold["scores"] != warm["scores"] for cold, warm in zip(results[COLD], results[WARM], strict=True)):
        raise RuntimeError("scores from stored embeddings differ from those of the run that stored them")
    first, runs = results[WITHOUT][0]["scores"], [sample["scores"] for found in results.values() for sample in found]
    largest = max(largest_difference(scores, first) for scores in runs)
    if not largest <= ROUNDING:
        raise RuntimeError(f"scores of two processes differ by {largest}, more than {ROUNDING}")
    return {"warm scores are the cold ones to the last bit": True, "largest difference between processes": largest}


def goals(group: Group) -> list[Target]:
    """Return the targets of this benchmark."""
    return [Target("warm cache over cold", median(group.ratios(WARM)), at_least=50.0)]


if __name__ == "__main__":
    main()
