"""The parts of scoring by themselves: a lower bound of end to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.gemm import best_rates
from benchmarks.machine import cores
from benchmarks.model import image_flops
from benchmarks.usage import cpu_seconds
from benchmarks.variants import BATCH, EVERY
from vqe_core import EMScore
from vqe_core.encoders import load_image_text_encoder
from vqe_core.media import as_media_source, open_video
from vqe_core.samplers.time_based import EveryNSecondsSampler


def measure(model: str, videos: list[str]) -> dict[str, Any]:
    """Measure the CPU seconds of decoding and resizing exactly the needed frames, with one thread; and GEMM peaks."""
    rates = best_rates("cuda" if torch.cuda.is_available() else "cpu", quick="thin" in model)
    encoder = load_image_text_encoder(model)
    torch.set_num_threads(1)
    start, images = cpu_seconds(), 0
    for path in dict.fromkeys(videos):
        video = open_video(as_media_source(path))
        for frame in video.frames(EveryNSecondsSampler(EVERY).select(video.table)):
            encoder.prepare_image(frame.pixels)
            images += 1
    decode = {"decode_cpu_s": cpu_seconds() - start, "images": images}
    return {**decode, "gemm_float32": rates["float32"], "gemm_bfloat16": rates["bfloat16"]}


def encoder_speed(scorer: EMScore, texts: list[str]) -> dict[str, float]:
    """Return the best time, and the least CPU, of an image in batches of 32 (ms), and of all distinct ``texts`` (s)."""
    encoder = scorer.load_encoder()
    images = torch.randint(0, 256, (BATCH, 3, 224, 224), dtype=torch.uint8)
    distinct, batch, long_text = list(dict.fromkeys(texts)), scorer.batch_size or BATCH, scorer.long_text

    def embed_images() -> Any:
        return encoder.embed_images(images)

    def embed_texts() -> Any:
        return encoder.embed_texts(distinct, long_text=long_text, batch_size=batch)

    return {
        "ms_per_image": best(embed_images) * 1e3 / BATCH,
        "text_s": best(embed_texts),
        "cpu_ms_per_image": best(embed_images, clock=time.process_time) * 1e3 / BATCH,
        "text_cpu_s": best(embed_texts, clock=time.process_time),
    }


def best(work: Callable[[], Any], calls: int = 5, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds of the quickest of ``calls`` calls by ``clock``, after a warm-up."""
    work()
    times = []
    for _ in range(calls):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


def add_sums(results: dict[str, list[dict[str, Any]]], ways: dict[str, Any], model: str) -> None:
    """Give each measurement of ours the sum of its parts, ``floor_s``, and how far it is above it.

    Decoding is spread over the cores, encoding uses them all at once. ``cpu_over_floor`` is the same of CPU seconds,
    which other jobs of the machine sway less. ``gemm_floor_s`` takes the needed operations at the best rate of a matrix
    product instead of the measured encoder.
    """
    from transformers import CLIPConfig

    flops = image_flops(CLIPConfig.from_pretrained(model))
    for name, options in ways.items():
        rate = "gemm_bfloat16" if options.get("dtype") == "bfloat16" else "gemm_float32"
        for ours, parts in zip(results[name], results["floors"], strict=True):
            rest = parts["decode_cpu_s"] / cores() + ours["text_s"]
            ours["floor_s"] = rest + parts["images"] * ours["ms_per_image"] / 1e3
            ours["over_floor"] = ours["wall_s"] / ours["floor_s"]
            encoding = parts["images"] * ours["cpu_ms_per_image"] / 1e3 + ours["text_cpu_s"]
            ours["cpu_over_floor"] = ours["cpu_s"] / (parts["decode_cpu_s"] + encoding)
            ours["gemm_floor_s"] = rest + parts["images"] * flops / parts[rate] / 1e9
