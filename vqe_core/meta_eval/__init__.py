"""Published benchmarks of metrics: how well does a score agree with people?

A benchmark a file: its layout, its protocol, its published numbers. ``run_benchmark`` reads what the user downloaded
and puts our figure, with an interval, beside the published ones.
"""

from __future__ import annotations

from vqe_core.meta_eval.base import Benchmark, IdfCorpus, Item, Observations, Part, Published, Release
from vqe_core.meta_eval.harness import MetaEvalReport, rows_of, run_benchmark

__all__ = [
    "Benchmark",
    "IdfCorpus",
    "Item",
    "MetaEvalReport",
    "Observations",
    "Part",
    "Published",
    "Release",
    "rows_of",
    "run_benchmark",
]
