"""Peak memory by the number of rows and by the length of a video: ``python -m benchmarks.memory``.

The kernel's high-water mark of a fresh process that has scored with the small teaching model, and of its worker
processes. Interpreter, torch and the model are in it: the first row of each table is nearly nothing but these.
"""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks import rows
from benchmarks.clips import Clip, made
from benchmarks.record import Group, Record, Target
from benchmarks.turns import Job, answer, in_turns, parse, settings

# Small frames: what grows with a video's length is what is held of each of its frames.
LENGTHS = {"10 s": 10, "10 min": 600, "2 h": 7200}
COUNTS = {"1,000 frames": 1_000, "36,000 frames": 36_000}
QUICK_LENGTHS = {"1 s": 1, "10 s": 10}
QUICK_COUNTS = {"10 frames": 10, "100 frames": 100}
FPS = 25
SAMPLINGS: dict[str, dict[str, Any]] = {
    "every 2 s": {"every_n_seconds": 2.0},
    "all, thinned to 512": {"frame_sampling_method": "all"},
    "scene, which looks at every frame": {"frame_sampling_method": "scene"},
}


def main() -> None:
    """Run all sizes in turn and write ``memory.json``."""
    arguments = parse(__doc__.splitlines()[0], repeat=1)
    if answer(arguments, run_job):
        return
    lengths = QUICK_LENGTHS if arguments.quick else LENGTHS
    counts = QUICK_COUNTS if arguments.quick else COUNTS
    by_rows = rows.jobs(rows.QUICK_COUNTS if arguments.quick else rows.COUNTS, arguments.work)
    tables = {
        "Rows, each with a file of its own": by_rows,
        "One video, a frame every 2 s": {
            name: job(seconds, "every 2 s", arguments) for name, seconds in lengths.items()
        },
        **{
            f"One video, {sampling}": {name: job(n / FPS, sampling, arguments) for name, n in counts.items()}
            for sampling in list(SAMPLINGS)[1:]
        },
    }
    groups = []
    for title, jobs in tables.items():
        results = in_turns("benchmarks.memory", jobs, arguments.repeat)
        samples = {name: [memory_of(sample) for sample in found] for name, found in results.items()}
        groups.append(Group(title, samples, next(iter(samples)), "total_mib", grows=True))
    Record(
        "memory",
        "Memory: by rows and by length",
        {**settings(arguments), "frames_per_second": FPS},
        groups,
        [] if arguments.quick else goals(groups),
    ).write(arguments.out)


def memory_of(sample: dict[str, float]) -> dict[str, float]:
    """Keep the memory alone: these processes load their model inside the clock."""
    return {name: sample[name] for name in ("peak_mib", "workers_mib", "total_mib")}


def job(seconds: float, sampling: str, arguments: Any) -> Job:
    """Return the job of one video of that length; make the video where it is not there."""
    clip = Clip("h264", 96, 64, seconds, gop=250, fps=FPS, grain=False)
    return {"video": str(made([clip], arguments.work / "clips")[0]), "options": SAMPLINGS[sampling]}


def run_job(job: Job) -> dict[str, Any]:
    """Score one size, in this process."""
    if "video" not in job:
        return rows.run_job(job)
    from benchmarks.usage import measured
    from vqe_core import EMScore

    scorer = EMScore(clip_model_path="toy", progress=False, **job["options"])
    return measured(lambda: scorer.score(predictions=["a red square"], videos=[job["video"]]))[1]


def goals(groups: list[Group]) -> list[Target]:
    """Return the targets of this benchmark."""
    by_rows = groups[0]
    most, fewer = rows.row_name(rows.COUNTS[-1]), rows.row_name(rows.REFERENCE)
    growth = by_rows.ratios(most, over=fewer)
    return [Target(f"peak memory of {most} over that of {fewer}", median(growth), at_most=1.1)]


if __name__ == "__main__":
    main()
