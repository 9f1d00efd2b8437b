"""Runs beside one call: ``python -m benchmarks.runs``.

The same rows are scored in one call of the scorer and as runs: by one worker and two, by the local engine, by Ray and
by two jobs that share a folder, without a cache; two workers have a thread each, so that they have the threads of the
one call. Then rows of text and of no cost as they grow, one long video among short clips, and how near ``vqe plan``
came to what the run took. Each variant is a fresh process. ``--texts N`` sets the longer table of texts.
"""

from __future__ import annotations

import json
import sys
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

CLIPS, QUICK_CLIPS = 1000, 6
TEXTS, QUICK_TEXTS = (20_000, 200_000), (50, 100)
EMPTY, QUICK_EMPTY = 100_000, 2_000  # rows of no cost
SHORT, QUICK_SHORT = 500, 8  # clips beside a long video
MINUTES, QUICK_MINUTES = 30.0, 0.5
ONE_CALL, PLAN, CACHED = "one call", "estimate", "run from a cache of other threads"
ONE, ALONE, TWO = "run, 1 worker", "run, 1 worker of 1 thread", "run, 2 workers"
RAY_ONE, RAY, SHARDS = "run, 1 worker of Ray", "run, 2 workers of Ray", "2 jobs of a folder"
EQUAL_THREADS = (ALONE, TWO, RAY_ONE, RAY, SHARDS)
LOCAL_EMPTY, RAY_EMPTY = "rows of no cost", "rows of no cost, Ray"
LONG = "a long video among clips, 2 workers"


def main() -> None:
    """Run all variants in turn and write ``runs.json``."""
    texts = QUICK_TEXTS if "--quick" in sys.argv else TEXTS
    if "--texts" in sys.argv:
        place = sys.argv.index("--texts")
        texts = texts[0], int(sys.argv[place + 1])
        del sys.argv[place : place + 2]
    arguments = parse(__doc__.splitlines()[0], repeat=3)
    if answer(arguments, run_job):
        return
    jobs, groups = variants(arguments, texts)
    results = in_turns("benchmarks.runs", jobs, arguments.repeat)
    samples = {name: numbers(found) for name, found in results.items()}
    baselines = {"Toy model": (ONE_CALL, "wall_s"), "Rows of text": (text_name(texts[0]), "cpu_ms_per_row")}
    made_groups = {
        title: Group(title, {n: samples[n] for n in names}, *baselines.get(title, (names[0], "wall_s")),
                     grows=title != "Toy model")
        for title, names in groups.items()
    }  # fmt: skip
    Record(
        "runs",
        "Runs: parts and workers beside one call",
        settings(arguments),
        list(made_groups.values()),
        [] if arguments.quick else goals(made_groups, texts),
        {
            "rows without a score": sum(sample["failed"] for found in results.values() for sample in found),
            "largest difference of scores at equal threads": max(
                deviation(results[ALONE][0], found) for name in EQUAL_THREADS for found in results.get(name, ())
            ),
            "and from a cache of other threads": deviation(results[ALONE][0], results[CACHED][0]),
        },
    ).write(arguments.out)


def variants(arguments: Any, texts: tuple[int, ...]) -> tuple[dict[str, Job], dict[str, list[str]]]:
    """Return the jobs by name, and which of them are compared with each other."""
    quick = arguments.quick
    clips, empty = (QUICK_CLIPS, QUICK_EMPTY) if quick else (CLIPS, EMPTY)
    folder = arguments.work / "clips" / "runs"
    made([Clip("h264", 320, 240, 3.0, seed=seed) for seed in range(clips)], folder)
    long = Clip("h264", 160, 120, 60 * (QUICK_MINUTES if quick else MINUTES), fps=10)
    (film,) = made([long], folder.with_name("long"))
    job = {"folder": str(folder), "count": clips, "how": "run", "threads": 1}
    jobs: dict[str, Job] = {
        ONE_CALL: {**job, "how": "call"},
        ONE: {**job, "workers": 1, "threads": 2},
        ALONE: {**job, "workers": 1},
        TWO: {**job, "workers": 2},
        SHARDS: {**job, "how": "shards"},
        CACHED: {**job, "how": "cached"},
        PLAN: {**job, "how": "plan"},
        **{text_name(count): {"how": "texts", "count": count} for count in texts},
        LOCAL_EMPTY: {"how": "empty", "count": empty, "engine": "local", "workers": 1},
        LONG: {**job, "how": "long", "count": QUICK_SHORT if quick else SHORT, "long": str(film)},
    }
    if find_spec("ray") is not None:
        jobs[RAY_ONE] = {**job, "workers": 1, "engine": "ray"}
        jobs[RAY] = {**job, "workers": 2, "engine": "ray"}
        jobs[RAY_EMPTY] = {"how": "empty", "count": empty, "engine": "ray", "workers": 2}
    groups = {
        "Toy model": [name for name in jobs if jobs[name].get("folder") and name != LONG],
        "Rows of text": [name for name in jobs if jobs[name]["how"] == "texts"],
        "Rows of no cost": [name for name in jobs if jobs[name]["how"] == "empty"],
        "Skew": [LONG],
    }
    return jobs, groups


def text_name(count: int) -> str:
    """Return the name of a variant of rows of text."""
    return f"{count:,} rows of text"


def deviation(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Return the largest difference of two results."""
    return max(abs(a - b) for a, b in zip(one["scores"], other["scores"], strict=True))


def run_job(job: Job) -> dict[str, Any]:
    """Score as ``job["how"]`` says, in this process."""
    how = {"call": run_call, "run": run_run, "shards": run_shards, "cached": run_cached, "plan": run_plan,
           "texts": run_texts, "empty": run_empty, "long": run_long}  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        found: dict[str, Any] = how[job["how"]](job, Path(name))
        return found


def table(job: Job, folder: Path, first: tuple[str, ...] = ()) -> Path:
    """Write a table of the clips, a caption each, a few of its rows before them."""
    found = sorted(Path(job["folder"]).glob("*.mp4"))[: job["count"]]
    videos = [*first, *(str(path.absolute()) for path in found)]
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


def scores_of(path: Path) -> list[float]:
    """Return all scores of a table, in order."""
    from vqe_core.tables import read_table

    columns = read_table(path)
    return [value for name, values in columns.items() if name.startswith("EMScore") for value in values]


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
    """Score them as a run; the start of workers is told by itself, from a run of a row for each."""
    from benchmarks.usage import measured
    from vqe_core.run import score_run

    rows = table(job, folder)
    how: dict[str, Any] = {name: job[name] for name in ("workers", "threads", "engine") if name in job}
    warmed(folder, videos=True)
    start = 0.0
    if job["workers"] > 1 or "engine" in job:
        start = seconds_of_start(rows, folder, how)
    out = folder / "out.parquet"
    summary, cost = measured(lambda: score_run(rows, out, clip_model_path="toy", **how))
    times = {"start_s": start, "after_start_s": cost["wall_s"] - start}
    return {**cost, **times, "failed": summary.num_failed, "scores": scores_of(out)}


def seconds_of_start(rows: Path, folder: Path, how: dict[str, Any]) -> float:
    """Return what a run takes that scores a row a worker."""
    from vqe_core.run import score_run

    few = folder / "few.jsonl"
    few.write_text("".join(rows.read_text().splitlines(keepends=True)[:2]))
    began = time.perf_counter()
    score_run(few, folder / "few.parquet", rows_per_part=1, clip_model_path="toy", **how)
    return time.perf_counter() - began


def run_shards(job: Job, folder: Path) -> dict[str, Any]:
    """Score every other part, then the rest, and put them together, as jobs of a scheduler would."""
    from benchmarks.usage import measured
    from vqe_core.run import finish_run, score_run

    rows = table(job, folder)
    how: dict[str, Any] = {"threads": job["threads"], "clip_model_path": "toy", "rows_per_part": 3}
    warmed(folder, videos=True)

    def both() -> Any:
        for shard in ("1/2", "0/2"):
            score_run(rows, folder / "run", shard=shard, **how)
        return finish_run(folder / "run", folder / "out.parquet")

    summary, cost = measured(both)
    return {**cost, "failed": summary.num_failed, "scores": scores_of(folder / "out.parquet")}


def run_cached(job: Job, folder: Path) -> dict[str, Any]:
    """Score from a cache that two threads filled."""
    from benchmarks.usage import measured
    from vqe_core.run import score_run

    rows = table(job, folder)
    how: dict[str, Any] = {"clip_model_path": "toy", "cache_dir": str(folder / "cache")}
    score_run(rows, folder / "first.parquet", threads=2, **how)
    out = folder / "out.parquet"
    summary, cost = measured(lambda: score_run(rows, out, threads=job["threads"], **how))
    return {**cost, "failed": summary.num_failed, "scores": scores_of(out)}


def run_plan(job: Job, folder: Path) -> dict[str, Any]:
    """Estimate the run, in the place of its seconds."""
    import torch

    from benchmarks.usage import measured
    from vqe_core.run.estimate import estimate_run

    torch.set_num_threads(2)
    rows = table(job, folder)
    estimate, cost = measured(lambda: estimate_run(rows, cache=False, clip_model_path="toy"))
    return {**cost, "wall_s": estimate.seconds, "took_s": cost["wall_s"], "failed": estimate.failed}


def run_texts(job: Job, folder: Path) -> dict[str, Any]:
    """Score rows of a caption and a reference as a run of one worker."""
    from benchmarks.usage import measured
    from vqe_core.run import score_run

    path = text_rows(folder, job["count"])
    warmed(folder, videos=False)
    summary, cost = measured(lambda: score_run(path, folder / "out.parquet", clip_model_path="toy"))
    return {**cost, "cpu_ms_per_row": cost["cpu_s"] * 1e3 / job["count"], "failed": summary.num_failed}


def text_rows(folder: Path, count: int) -> Path:
    """Write a table of captions and references, of which a thousand differ."""
    texts = captions(2 * 1000)
    path = folder / "texts.jsonl"
    with path.open("w") as file:
        for n in range(count):
            file.write(json.dumps({"id": n, "candidate": texts[n % 1000], "reference": texts[1000 + n % 1000]}) + "\n")
    return path


def run_empty(job: Job, folder: Path) -> dict[str, Any]:
    """Run a metric that costs nothing; the memory of this process is looked at with every part."""
    from benchmarks.no_cost import NoCost
    from benchmarks.usage import measured
    from vqe_core.run import score_run

    how = {"engine": job["engine"], "workers": job["workers"], "threads": 1}
    few = text_rows(folder, 2 * job["workers"])
    _, start = measured(lambda: score_run(few, folder / "few.parquet", NoCost(), rows_per_part=2, **how))
    path = text_rows(folder, job["count"])
    marks: list[int] = []
    summary, cost = measured(
        lambda: score_run(path, folder / "out.parquet", NoCost(), watch=lambda event: marks.append(resident()), **how)
    )
    quarter = max(1, len(marks) // 4)
    return {
        **cost,
        "wall_us_per_row": 1e6 * (cost["wall_s"] - start["wall_s"]) / job["count"],
        "cpu_us_per_row": 1e6 * (cost["cpu_s"] - start["cpu_s"]) / job["count"],
        "last_over_first_quarter": max(marks[-quarter:]) / max(marks[:quarter]),
        "failed": summary.num_failed,
    }


def resident() -> int:
    """Return the memory of this process, pages."""
    return int(Path("/proc/self/statm").read_text().split()[1])


def run_long(job: Job, folder: Path) -> dict[str, Any]:
    """Score clips and one long video, a frame a second, by two workers; compare with the best that two can do."""
    from benchmarks.usage import measured
    from vqe_core.run import score_run

    rows = table(job, folder, (str(Path(job["long"]).absolute()),))
    events: list[tuple[float, dict[str, Any]]] = []
    options: dict[str, Any] = {
        "every_n_seconds": 1.0,
        "max_frames": 4000,
        "clip_model_path": "toy",
        "workers": 2,
        "threads": 1,
    }
    summary, cost = measured(
        lambda: score_run(
            rows, folder / "out.parquet", watch=lambda event: events.append((time.perf_counter(), event)), **options
        )
    )
    done = [(when, event) for when, event in events if "number" in event]
    seconds = [event["seconds"] for _, event in done]
    # The first part of each worker holds the loading of its model too.
    began = min(when - event["seconds"] for when, event in done)
    ideal = max(max(seconds), sum(seconds) / 2)
    took = max(when for when, _ in done) - began
    return {**cost, "parts_s": took, "ideal_s": ideal, "over_ideal": took / ideal, "failed": summary.num_failed}


def goals(groups: dict[str, Group], texts: tuple[int, ...]) -> list[Target]:
    """Return the targets of this benchmark."""
    group, text_group, empty, skew = groups.values()
    few, many = map(text_name, texts)
    ratio = median(group.ratios(PLAN, over=ONE, measure="wall_s"))
    two = median(group.values(TWO, "after_start_s")) / median(group.values(ONE_CALL, "wall_s"))
    targets = [
        Target(f"time of {ONE} over that of {ONE_CALL}", median(group.ratios(ONE_CALL, over=ONE)), at_most=1.15),
        Target(f"time of {TWO} without its start over that of {ONE_CALL}", two, at_most=1.15),
        Target("estimate over the run, or the reverse", max(ratio, 1 / ratio), at_most=1.25),
        Target(f"CPU s of {few}", median(text_group.values(few, "cpu_s")), at_most=40.0),
        Target(
            f"peak memory of {many} over that of {few}",
            median(text_group.ratios(many, over=few, measure="total_mib")),
            at_most=1.1,
        ),
        Target("CPU µs a row of no cost", median(empty.values(LOCAL_EMPTY, "cpu_us_per_row")), at_most=50.0),
        Target(
            "memory of the last quarter over that of the first, rows of no cost",
            median(empty.values(LOCAL_EMPTY, "last_over_first_quarter")),
            at_most=1.1,
        ),
        Target(f"time of {LONG} over the best", median(skew.values(LONG, "over_ideal")), at_most=1.2),
    ]
    if RAY_EMPTY in empty.samples:
        ray = median(empty.values(RAY_EMPTY, "cpu_us_per_row"))
        targets.append(Target("CPU µs a row of no cost, Ray, after its start", ray, at_most=200.0))
    return targets


if __name__ == "__main__":
    main()
