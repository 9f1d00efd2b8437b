"""Images and captions to embeddings: ``python -m benchmarks.encode``.

Each way loads its model in a fresh process and is timed by itself; normalising the pixels is in the times. The peak
of the same turn is the best rate of a matrix product, over shapes and libraries.
"""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.model import captions, image_flops, tiny_clip, vit_b_32
from benchmarks.record import Group, Record, Target
from benchmarks.turns import Job, answer, in_turns, numbers, parse, settings
from benchmarks.variants import WAYS, possible, torch_uses_a_gpu

BASELINE = "transformers float32"
BATCHES = (1, 8, 32)
LARGE_BATCH = 256  # on a GPU, which smaller ones do not fill
TEXTS = 64


def main() -> None:
    """Run all ways in turn and write ``encode.json``."""
    arguments = parse(__doc__.splitlines()[0], repeat=3)
    if answer(arguments, run_job):
        return
    encoders = {name: options for name, options in WAYS.items() if not {"isolate", "decoder"} & set(options)}
    ways = {name: options for name, options in encoders.items() if possible(options)}
    left_out = [f"Left out here: {name}." for name in encoders if name not in ways]
    model = (tiny_clip if arguments.quick else vit_b_32)(arguments.work / ("thin_clip" if arguments.quick else "clip"))
    shared: Job = {"model": str(model), "quick": arguments.quick}
    jobs = {"peak": {**shared, "way": "peak"}, BASELINE: {**shared, "way": BASELINE}}
    jobs.update({name: {**shared, "way": "ours", "options": options} for name, options in ways.items()})
    results = in_turns("benchmarks.encode", jobs, arguments.repeat)
    peaks = results.pop("peak")
    add_shares(results, peaks, ways, shared["model"])
    groups = [
        Group("Images, ms each", picked(results, "image"), BASELINE, "batch_32_ms"),
        Group(f"{TEXTS} captions, ms each", picked(results, "text"), BASELINE, "caption_ms"),
        Group("Peak of matrix products, GFLOP/s", {"best shape and library": numbers(peaks)}),
    ]
    checks = {f"{name}: largest difference of an image's embedding": difference(results, name) for name in ways}
    Record(
        "encode",
        "Encode: images and captions to embeddings",
        settings(arguments),
        groups,
        [] if arguments.quick else goals(results),
        checks,
        left_out,
    ).write(arguments.out)


def run_job(job: Job) -> dict[str, Any]:
    """Encode one way, in this process."""
    import torch

    if job["way"] == "peak":
        from benchmarks.gemm import best_rates

        return best_rates("cuda" if torch.cuda.is_available() else "cpu", job["quick"])
    return timed(*(_baseline(job) if job["way"] == BASELINE else _ours(job)), job["quick"])


def timed(embed_images: Any, embed_texts: Any, quick: bool) -> dict[str, Any]:
    """Return best times of calls with uint8 images (B, 3, 224, 224) and with captions; some embeddings to compare."""
    import torch

    from benchmarks.floors import best

    generator = torch.Generator().manual_seed(0)
    batches = (*BATCHES, LARGE_BATCH) if torch_uses_a_gpu() else BATCHES
    images = torch.randint(0, 256, (max(batches), 3, 224, 224), dtype=torch.uint8, generator=generator)
    sentences = captions(TEXTS)
    result: dict[str, Any] = {}
    for batch in batches[:2] if quick else batches:
        chosen = images[:batch]
        result[f"batch_{batch}_ms"] = best(lambda: embed_images(chosen), 5) * 1e3 / batch  # noqa: B023
    if quick:
        result["batch_32_ms"] = result["batch_8_ms"]
    result["caption_ms"] = best(lambda: embed_texts(sentences), 3) * 1e3 / TEXTS
    result["embeddings"] = [[round(x, 7) for x in row] for row in embed_images(images[:2]).tolist()]
    return result


def _baseline(job: Job) -> tuple[Any, Any]:
    from benchmarks.baselines import MEAN, STD, Clip

    clip = Clip.load(job["model"])
    return (lambda images: clip.images(list((images.float() / 255 - MEAN) / STD))), clip.texts


def _ours(job: Job) -> tuple[Any, Any]:
    from benchmarks.variants import scorer

    encoder = scorer(job["model"], job["options"]).load_encoder()
    return encoder.embed_images, lambda texts: encoder.embed_texts(texts, long_text="windows", batch_size=TEXTS)


def add_shares(results: dict[str, Any], peaks: list[dict[str, float]], ways: dict[str, Any], model: str) -> None:
    """Add the useful GFLOP/s at the largest batches, and their share of the same turn's peak at the way's precision."""
    from transformers import CLIPConfig

    flops = image_flops(CLIPConfig.from_pretrained(model))
    for name, found in results.items():
        peak = ways.get(name, {}).get("dtype", "float32")
        for sample, rates in zip(found, peaks, strict=True):
            fastest = sample.get(f"batch_{LARGE_BATCH}_ms", sample["batch_32_ms"])
            sample["gflops"] = flops / fastest / 1e6
            sample["share_of_gemm"] = sample["gflops"] / rates[peak]


def picked(results: dict[str, Any], kind: str) -> dict[str, list[dict[str, float]]]:
    """Pick the measurements of images, or of captions."""
    return {
        name: [
            {k: v for k, v in sample.items() if (k == "caption_ms") == (kind == "text")} for sample in numbers(found)
        ]
        for name, found in results.items()
    }


def difference(results: dict[str, Any], name: str) -> float:
    """Return the largest difference of any number of a unit embedding from the baseline's."""
    pairs = zip(results[name][0]["embeddings"], results[BASELINE][0]["embeddings"], strict=True)
    return max(abs(a - b) for mine, other in pairs for a, b in zip(mine, other, strict=True))


def goals(results: dict[str, Any]) -> list[Target]:
    """Return the targets of this benchmark."""
    share = median(sample["share_of_gemm"] for sample in results["exact float32"])
    return [Target("exact float32, batches of 32: share of the best float32 matrix product", share, at_least=0.9)]


if __name__ == "__main__":
    main()
