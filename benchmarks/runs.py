"""Runs beside one call: ``python -m benchmarks.runs``.

The same rows are scored in one call of the scorer, as a run of one worker, and as runs of two, by the local engine and
by Ray; no cache, one thread a worker, so that two workers have the threads of the one call. Then rows of text as a run,
as they grow, and how near ``vqe plan`` came to what the run took. Each variant is a fresh process.
"""

from __future__ import annotations

import json
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.clips import Clip, made
from benchmarks.model import captions
from benchmarks.record import Group, Record, Target
from benchmarks.turns import Job, answer, in_turns, numbers, parse, settings

CLIPS, QUICK_CLIPS = 500, 6
TEXTS, QUICK_TEXTS = (20_000, 200_000), (50, 100)
ONE_CALL, ONE, TWO, RAY, PLAN = "one call", "run, 1 worker", "run, 2 workers", "run, 2 workers of Ray", "estimate"


def main() -> None:
    """Run all variants in turn and write ``runs.json``."""
    arguments = parse(__doc__.splitlines()[0], repeat=3)
    if answer(arguments, run_job):
        return
    clips, texts = (QUICK_CLIPS, QUICK_TEXTS) if arguments.quick else (CLIPS, TEXTS)
    folder = arguments.work / "clips" / "runs"
    made([Clip("h264", 320, 240, 3.0, seed=seed) for seed in range(clips)], folder)
    job = {"folder": str(folder), "count": clips}
    jobs: dict[str, Job] = {
        ONE_CALL: {**job, "how": "call"},
        ONE: {**job, "how": "run", "workers": 1, "threads": 2},
        TWO: {**job, "how": "run", "workers": 2, "threads": 1},
        PLAN: {**job, "how": "plan"},
    }
    if find_spec("ray") is not None:
        jobs[RAY] = {**job, "how": "run", "workers": 2, "threads": 1, "engine": "ray"}
    of_text: dict[str, Job] = {text_name(count): {"how": "texts", "count": count} for count in texts}
    results = in_turns("benchmarks.runs", {**jobs, **of_text}, arguments.repeat)
    samples = {name: numbers(found) for name, found in results.items()}
    group = Group(f"Toy model, {clips} clips", {n: samples[n] for n in jobs}, ONE_CALL, "wall_s")
    text_group = Group(
        "Rows of text", {n: samples[n] for n in of_text}, text_name(texts[0]), "cpu_ms_per_row", grows=True
    )
    Record(
        "runs",
        "Runs: parts and workers beside one call",
        settings(arguments),
        [group, text_group],
        [] if arguments.quick else goals(group, text_group, texts),
        {"rows without a score": sum(sample["failed"] for found in results.values() for sample in found)},
    ).write(arguments.out)


def text_name(count: int) -> str:
    """Return the name of a variant of rows of text."""
    return f"{count:,} rows of text"


def run_job(job: Job) -> dict[str, Any]:
    """Score as ``job["how"]`` says, in this process."""
    with tempfile.TemporaryDirectory() as name:
        if job["how"] == "texts":
            return run_texts(job["count"], Path(name))
        return {"call": run_call, "run": run_run, "plan": run_plan}[job["how"]](job, Path(name))


def table(job: Job, folder: Path) -> Path:
    """Write a table of the clips, a caption each."""
    videos = [str(path.absolute()) for path in sorted(Path(job["folder"]).glob("*.mp4"))[: job["count"]]]
    texts = captions(len(videos))
    path = folder / "rows.jsonl"
    rows = zip(videos, texts, strict=True)
    path.write_text("".join(json.dumps({"video_path": v, "candidate": t}) + "\n" for v, t in rows))
    return path


def warmed(folder: Path, videos: bool) -> None:
    """Load the model in this process, and start what decodes."""
    from vqe_core import EMScore
    from vqe_core.toy.clips import make_clip, write_clip

    clip = [str(write_clip(make_clip(0), folder / "warm.mp4"))] if videos else None
    EMScore(clip_model_path="toy").score(predictions=["a dog"], videos=clip, references=None if videos else ["a dog"])


def run_call(job: Job, folder: Path) -> dict[str, Any]:
    """Score all rows by one call of the scorer."""
    import torch

    from benchmarks.usage import measured
    from vqe_core import EMScore
    from vqe_core.tables import read_table

    torch.set_num_threads(2)
    columns = read_table(table(job, folder))
    warmed(folder, videos=True)
    scorer = EMScore(clip_model_path="toy", progress=False)
    report, cost = measured(lambda: scorer.score(predictions=columns["candidate"], videos=columns["video_path"]))
    return {**cost, "failed": report.num_failed}


def run_run(job: Job, folder: Path) -> dict[str, Any]:
    """Score them as a run; the start of workers is told by itself, from a run of two rows."""
    from benchmarks.usage import measured
    from vqe_core.run import score_run

    rows = table(job, folder)
    how = {name: job[name] for name in ("workers", "threads", "engine") if name in job}
    if job["workers"] == 1:
        warmed(folder, videos=True)
        start = 0.0
    else:
        few = folder / "few.jsonl"
        few.write_text("".join(rows.read_text().splitlines(keepends=True)[:2]))
        began = time.perf_counter()
        score_run(few, folder / "few.parquet", rows_per_part=1, clip_model_path="toy", **how)
        start = time.perf_counter() - began
    summary, cost = measured(lambda: score_run(rows, folder / "out.parquet", clip_model_path="toy", **how))
    return {**cost, "start_s": start, "after_start_s": cost["wall_s"] - start, "failed": summary.num_failed}


def run_plan(job: Job, folder: Path) -> dict[str, Any]:
    """Estimate the run, in the place of its seconds."""
    from benchmarks.usage import measured
    from vqe_core.run.estimate import estimate_run

    rows = table(job, folder)
    estimate, cost = measured(lambda: estimate_run(rows, clip_model_path="toy"))
    return {**cost, "wall_s": estimate.seconds, "took_s": cost["wall_s"], "failed": estimate.failed}


def run_texts(count: int, folder: Path) -> dict[str, Any]:
    """Score rows of a caption and a reference as a run of one worker."""
    from benchmarks.usage import measured
    from vqe_core.run import score_run

    texts = captions(2 * 1000)
    path = folder / "texts.jsonl"
    with path.open("w") as file:
        for n in range(count):
            file.write(json.dumps({"id": n, "candidate": texts[n % 1000], "reference": texts[1000 + n % 1000]}) + "\n")
    warmed(folder, videos=False)
    summary, cost = measured(lambda: score_run(path, folder / "out.parquet", clip_model_path="toy"))
    return {**cost, "cpu_ms_per_row": cost["cpu_s"] * 1e3 / count, "failed": summary.num_failed}


def goals(group: Group, text_group: Group, texts: tuple[int, ...]) -> list[Target]:
    """Return the targets of this benchmark."""
    few, many = map(text_name, texts)
    ratio = median(group.ratios(PLAN, over=ONE, measure="wall_s"))
    return [
        Target(f"time of {ONE} over that of {ONE_CALL}", median(group.ratios(ONE, over=ONE_CALL)), at_most=1.15),
        Target(
            f"time of {TWO} without its start over that of {ONE_CALL}",
            median(group.values(TWO, "after_start_s")) / median(group.values(ONE_CALL, "wall_s")),
            at_most=1.15,
        ),
        Target("estimate over the run, or the reverse", max(ratio, 1 / ratio), at_most=1.25),
        Target(f"CPU s of {few}", median(text_group.values(few, "cpu_s")), at_most=40.0),
        Target(
            f"peak memory of {many} over that of {few}",
            median(text_group.ratios(many, over=few, measure="total_mib")),
            at_most=1.1,
        ),
    ]


if __name__ == "__main__":
    main()
