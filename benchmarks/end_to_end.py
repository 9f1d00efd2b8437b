"""Files and captions to scores: ``python -m benchmarks.end_to_end``.

20 clips with 2 captions each, a frame every 2 s, ViT-B/32's shape with random weights. Loading the model and one
warm-up batch are not in the times; reading the files, the captions and starting worker processes are.
"""

from __future__ import annotations

from typing import Any

from benchmarks import floors
from benchmarks.model import captions, scored_clips, tiny_clip, vit_b_32
from benchmarks.record import Group, Record, Target
from benchmarks.turns import Job, answer, in_turns, numbers, parse, settings
from benchmarks.variants import EVERY, WAYS, possible

SAMPLED, OPERATOR = "sampled baseline", "operator's way"
CAPTIONS_A_CLIP = 2
FRAMES_A_CLIP = 5  # of 10 s, every 2 s
# Scores of the baseline and of ours may differ by this much: PIL and torchvision round a few pixels to another of
# 256 levels, and sums are added in another order.
TOLERANCE = 2e-4
TOLERANCE_8_BITS = 1e-2  # bfloat16, int8
LIMITS = {"exact float32": (2.2, 7.0), "bfloat16": (3.0, None), "OpenVINO bfloat16": (3.5, None)}


def main() -> None:
    """Run all ways in turn and write ``end_to_end.json``."""
    arguments = parse(__doc__.splitlines()[0], repeat=3)
    if answer(arguments, run_job):
        return
    ways = {name: options for name, options in WAYS.items() if possible(options)}
    left_out = [f"Left out here: {name}." for name in WAYS if name not in ways]
    rows = scored_rows(arguments)
    jobs: dict[str, Job] = {
        "floors": {**rows, "way": "floors"},
        SAMPLED: {**rows, "way": SAMPLED},
        OPERATOR: {**rows, "way": OPERATOR},
        **{name: {**rows, "way": "ours", "options": options} for name, options in ways.items()},
    }
    results = in_turns("benchmarks.end_to_end", jobs, arguments.repeat)
    floors.add_sums(results, ways, rows["model"])
    samples = {name: numbers(found) for name, found in results.items() if name != "floors"}
    group = Group(f"{len(rows['videos'])} captions of {len(set(rows['videos']))} clips", samples, SAMPLED)
    Record(
        "end_to_end",
        "End to end: files and captions to scores",
        {**settings(arguments), "every_n_seconds": EVERY, "tolerance": TOLERANCE},
        [group, Group("Parts by themselves", {"all ways": numbers(results["floors"])})],
        [] if arguments.quick else targets(group, ways),
        deviations(results, ways),
        left_out,
    ).write(arguments.out)


def scored_rows(arguments: Any) -> Job:
    """Return model folder, captions and videos of the rows; make the clips and the model where they are not there."""
    from benchmarks.clips import made

    clips = made(scored_clips(arguments.quick), arguments.work / "clips")
    model = (tiny_clip if arguments.quick else vit_b_32)(arguments.work / ("thin_clip" if arguments.quick else "clip"))
    videos = [str(path) for path in clips for _ in range(CAPTIONS_A_CLIP)]
    return {"model": str(model), "videos": videos, "captions": captions(len(videos))}


def run_job(job: Job) -> dict[str, Any]:
    """Score one way, in this process."""
    if job["way"] == "floors":
        return floors.measure(job["model"], job["videos"])
    return {**score_ours(job), **parts(job)} if job["way"] == "ours" else score_baseline(job)


def parts(job: Job) -> dict[str, float]:
    """Time the encoder of ``job["options"]`` by itself, right after scoring with it."""
    from benchmarks.variants import scorer

    return floors.encoder_speed(scorer(job["model"], job["options"]), job["captions"])


def score_ours(job: Job) -> dict[str, Any]:
    """Return scores and cost of this package with ``job["options"]``."""
    import numpy as np

    from benchmarks.usage import measured
    from benchmarks.variants import BATCH, scorer

    ours = scorer(job["model"], job["options"])
    images = np.random.default_rng(0).integers(0, 256, (BATCH, 240, 320, 3), dtype=np.uint8)
    others = captions(2 * BATCH, seed=1)
    ours.score(predictions=others, videos=[{"frames": images, "fps": 1 / EVERY}] * len(others))
    report, cost = measured(lambda: ours.score(predictions=job["captions"], videos=job["videos"]))
    columns = [report.rows[f"EMScore(X,V)_{metric}"] for metric in _metrics()]
    scores = [list(row) for row in zip(*columns, strict=True)]
    return {**cost, "scores": scores}


def score_baseline(job: Job) -> dict[str, Any]:
    """Return scores and cost of a baseline."""
    import torch

    from benchmarks import baselines
    from benchmarks.usage import measured

    clip = baselines.Clip.load(job["model"])
    batch = 1 if job["way"] == OPERATOR else baselines.IMAGE_BATCH
    clip.images(list(torch.rand(batch, 3, 224, 224)))
    clip.texts(captions(batch, seed=1))
    inputs = (clip, job["captions"], job["videos"], EVERY)
    if job["way"] == OPERATOR:
        scores, cost = measured(lambda: baselines.operators_way(*inputs))
        _, counting = measured(lambda: baselines.operators_idf(clip, job["captions"], FRAMES_A_CLIP))
        return {**cost, "idf_s": counting["wall_s"], "scores": scores}
    (scores, (texts, frames)), cost = measured(lambda: baselines.sampled(*inputs))
    by_frame = [baselines.mean_of_frames(text, frames[video]) for text, video in zip(texts, job["videos"], strict=True)]
    return {**cost, "scores": scores, "by_frame": by_frame}


def deviations(results: dict[str, Any], ways: dict[str, Any]) -> dict[str, float]:
    """Return the largest difference of any score between ways that must agree.

    Raises:
        RuntimeError: they do not, so that times would compare different work.
    """
    first = results[SAMPLED][0]
    pairs = {
        **{f"{name} against the {SAMPLED}": (results[name][0]["scores"], first["scores"]) for name in ways},
        f"{OPERATOR} against the mean of frames of the {SAMPLED}": (results[OPERATOR][0]["scores"], first["by_frame"]),
    }
    found = {name: largest_difference(*pair) for name, pair in pairs.items()}
    for name, difference in found.items():
        limit = TOLERANCE_8_BITS if "bfloat16" in name or "int8" in name else TOLERANCE
        if not difference <= limit:
            raise RuntimeError(f"{name}: scores differ by {difference}, more than {limit}; the times mean nothing")
    return found


def targets(group: Group, ways: dict[str, Any]) -> list[Target]:
    """Return the targets of this benchmark."""
    from statistics import median

    found = []
    for name, (over_sampled, over_operator) in LIMITS.items():
        if name in ways:
            found.append(Target(f"{name} over the {SAMPLED}", median(group.ratios(name)), over_sampled))
        if name in ways and over_operator is not None:
            wall = group.values(OPERATOR, "wall_s")
            with_idf = [a + b for a, b in zip(wall, group.values(OPERATOR, "idf_s"), strict=True)]
            for title, seconds in (("", wall), (" and its count of idf", with_idf)):
                ratio = median(a / b for a, b in zip(seconds, group.values(name, "wall_s"), strict=True))
                found.append(Target(f"{name} over the {OPERATOR}{title}", ratio, over_operator))
    for name in (name for name, options in ways.items() if "isolate" not in options):
        over = median(group.values(name, "over_floor"))
        found.append(Target(f"{name}: time over the sum of its parts", over, at_most=1.1))
    return found


def _metrics() -> tuple[str, ...]:
    from benchmarks.baselines import METRICS

    return METRICS


def largest_difference(one: list[list[float]], other: list[list[float]]) -> float:
    """Return the largest difference of two tables of scores."""
    return max(abs(a - b) for row, others in zip(one, other, strict=True) for a, b in zip(row, others, strict=True))


if __name__ == "__main__":
    main()
