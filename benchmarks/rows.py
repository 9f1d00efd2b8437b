"""Cost a row as rows grow: ``python -m benchmarks.rows``.

Every row has a file and a caption of its own, so that nothing is shared between rows; the small teaching model
encodes, so that what grows with the rows is not hidden behind a large model. Each count runs in a fresh process.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.clips import Clip, made
from benchmarks.model import captions
from benchmarks.record import Group, Record, Target
from benchmarks.turns import Job, answer, in_turns, numbers, parse, settings

COUNTS = (10, 100, 1_000, 10_000)
QUICK_COUNTS = (4, 8)
REFERENCE = 1_000  # what the largest count is compared with
FRAMES = 2  # of each clip


def main() -> None:
    """Run all counts in turn and write ``rows.json``."""
    arguments = parse(__doc__.splitlines()[0], repeat=3)
    if answer(arguments, run_job):
        return
    counts = QUICK_COUNTS if arguments.quick else COUNTS
    results = in_turns("benchmarks.rows", jobs(counts, arguments.work), arguments.repeat)
    samples = {name: numbers(found) for name, found in results.items()}
    group = Group("Toy model, two frames a row", samples, row_name(counts[-2]), "ms_per_row", grows=True)
    Record(
        "rows",
        "Rows: cost a row as rows grow",
        settings(arguments),
        [group],
        [] if arguments.quick else goals(group),
        {"rows without a score": sum(sample["failed"] for found in results.values() for sample in found)},
    ).write(arguments.out)


def jobs(counts: tuple[int, ...], work: Path) -> dict[str, Job]:
    """Return a job a count; make the clips where they are not there."""
    clips = [Clip("h264", 64, 48, 0.5, fps=16, seed=seed, grain=False) for seed in range(max(counts))]
    made(clips, work / "clips" / "rows")
    return {row_name(count): {"count": count, "folder": str(work / "clips" / "rows")} for count in counts}


def row_name(count: int) -> str:
    """Return the name of a row in the table."""
    return f"{count:,} rows"


def run_job(job: Job) -> dict[str, Any]:
    """Score ``job["count"]`` rows in this process."""
    from benchmarks.usage import measured
    from vqe_core import EMScore

    videos = [str(path) for path in sorted(Path(job["folder"]).glob("*.mp4"))[: job["count"]]]
    if len(videos) != job["count"]:
        raise RuntimeError(f"{job['folder']} holds {len(videos)} clips, {job['count']} are needed")
    texts = captions(job["count"])
    scorer = EMScore(clip_model_path="toy", frame_num=FRAMES, progress=False)
    scorer.score(predictions=captions(1, seed=1), videos=[{"path": videos[0], "start": 0.1}])
    report, cost = measured(lambda: scorer.score(predictions=texts, videos=videos))
    return {**cost, "ms_per_row": cost["wall_s"] * 1e3 / job["count"], "failed": report.num_failed}


def goals(group: Group) -> list[Target]:
    """Return the targets of this benchmark."""
    most, fewer = row_name(COUNTS[-1]), row_name(REFERENCE)
    found = []
    for measure, what in (("ms_per_row", "time a row"), ("total_mib", "peak memory")):
        growth = group.ratios(most, over=fewer, measure=measure)
        found.append(Target(f"{what} of {most} over that of {fewer}", median(growth), at_most=1.1))
    return found


if __name__ == "__main__":
    main()
