"""Cost a row as rows grow: ``python -m benchmarks.rows``.

Every row has a file and a caption of its own, so that nothing is shared between rows; the small teaching model
encodes, so that what grows with the rows is not hidden behind a large model. Each count runs in a fresh process.
Rows of text alone, a caption and a reference each, follow: with one thread of torch and with as many as it takes.
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
TEXT_ROWS = 20_000


def main() -> None:
    """Run all counts in turn and write ``rows.json``."""
    arguments = parse(__doc__.splitlines()[0], repeat=3)
    if answer(arguments, run_job):
        return
    counts = QUICK_COUNTS if arguments.quick else COUNTS
    texts = text_jobs(QUICK_COUNTS[-1] if arguments.quick else TEXT_ROWS)
    results = in_turns("benchmarks.rows", {**jobs(counts, arguments.work), **texts}, arguments.repeat)
    samples = {name: numbers(found) for name, found in results.items()}
    with_videos = {name: found for name, found in samples.items() if name not in texts}
    group = Group("Toy model, two frames a row", with_videos, row_name(counts[-2]), "ms_per_row", grows=True)
    of_text = {name: samples[name] for name in texts}
    text_group = Group("Toy model, text alone", of_text, next(iter(of_text)), "cpu_ms_per_row", grows=True)
    Record(
        "rows",
        "Rows: cost a row as rows grow",
        settings(arguments),
        [group, text_group],
        [] if arguments.quick else [*goals(group), *text_goals(text_group)],
        {"rows without a score": sum(sample["failed"] for found in results.values() for sample in found)},
    ).write(arguments.out)


def jobs(counts: tuple[int, ...], work: Path) -> dict[str, Job]:
    """Return a job a count; make the clips where they are not there."""
    clips = [Clip("h264", 64, 48, 0.5, fps=16, seed=seed, grain=False) for seed in range(max(counts))]
    made(clips, work / "clips" / "rows")
    return {row_name(count): {"count": count, "folder": str(work / "clips" / "rows")} for count in counts}


def text_jobs(count: int) -> dict[str, Job]:
    """Return a job of ``count`` rows of text a number of threads."""
    from benchmarks.machine import cores

    return {
        f"{count:,} rows of text, threads: {threads}": {"texts": count, "threads": threads}
        for threads in dict.fromkeys((1, cores()))
    }


def row_name(count: int) -> str:
    """Return the name of a row in the table."""
    return f"{count:,} rows"


def run_job(job: Job) -> dict[str, Any]:
    """Score ``job["count"]`` rows in this process, or ``job["texts"]`` rows of text."""
    from benchmarks.usage import measured
    from vqe_core import EMScore

    if "texts" in job:
        return run_texts(job["texts"], job["threads"])
    videos = [str(path) for path in sorted(Path(job["folder"]).glob("*.mp4"))[: job["count"]]]
    if len(videos) != job["count"]:
        raise RuntimeError(f"{job['folder']} holds {len(videos)} clips, {job['count']} are needed")
    texts = captions(job["count"])
    scorer = EMScore(clip_model_path="toy", frame_num=FRAMES, progress=False)
    scorer.score(predictions=captions(1, seed=1), videos=[{"path": videos[0], "start": 0.1}])
    report, cost = measured(lambda: scorer.score(predictions=texts, videos=videos))
    return {**cost, "ms_per_row": cost["wall_s"] * 1e3 / job["count"], "failed": report.num_failed}


def run_texts(count: int, threads: int) -> dict[str, Any]:
    """Score ``count`` rows of a caption and a reference, every text a new one."""
    import torch

    from benchmarks.usage import measured
    from vqe_core import EMScore

    torch.set_num_threads(threads)
    texts = captions(2 * count)
    scorer = EMScore(clip_model_path="toy", progress=False)
    scorer.score(predictions=captions(1, seed=1), references=captions(1, seed=2))
    report, cost = measured(lambda: scorer.score(predictions=texts[:count], references=texts[count:]))
    per_row = {"ms_per_row": cost["wall_s"] * 1e3 / count, "cpu_ms_per_row": cost["cpu_s"] * 1e3 / count}
    return {**cost, **per_row, "failed": report.num_failed}


def text_goals(group: Group) -> list[Target]:
    """Return the targets of rows of text."""
    return [
        Target(f"CPU s of {name}", median(group.values(name, "cpu_s")), at_most=40.0 * TEXT_ROWS / 20_000)
        for name in group.samples
    ]


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
