"""The command line of a benchmark, and its variants in turn, each in a fresh process.

A benchmark names its variants and a function that runs one of them. The parent process starts ``A B C A B C``, so
that a machine that grows slower or busier does so for all; the child measures and prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

Job = dict[str, Any]


def parse(description: str, repeat: int, paths: Mapping[str, str] | None = None) -> argparse.Namespace:
    """Read ``--repeat``, ``--out``, ``--work`` and ``--quick``; and ``--child`` for the process of one variant.

    Args:
        description: of the benchmark.
        repeat: default number of repetitions, 1 with ``--quick``.
        paths: help of further options, by name, that name a file.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeat", type=int, help=f"repetitions (default {repeat}; 1 with --quick)")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"), help="folder of the JSON file")
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks"), help="folder of clips and models")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, not how fast")
    for name, text in (paths or {}).items():
        parser.add_argument(f"--{name}", type=Path, help=text)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.repeat = arguments.repeat or (1 if arguments.quick else repeat)
    if arguments.repeat < 1:
        parser.error(f"--repeat ({arguments.repeat}) must be at least 1")
    return arguments


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what of the command line changes the result."""
    return {"repeat": arguments.repeat, "quick": arguments.quick}


def answer(arguments: argparse.Namespace, run: Callable[[Job], dict[str, Any]]) -> bool:
    """Run a child's job, print the result, return True; in the parent return False."""
    if arguments.child is None:
        return False
    result = run(json.loads(arguments.child))
    print(json.dumps(result))
    return True


def in_turns(module: str, jobs: dict[str, Job], repeat: int) -> dict[str, list[dict[str, Any]]]:
    """Run each job in a child in turn; return what it printed by name, one entry a repetition."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in jobs}
    for turn, name in ((turn, name) for turn in range(repeat) for name in jobs):
        print(f"[{turn + 1}/{repeat}] {name}", file=sys.stderr, flush=True)
        results[name].append(in_fresh_process(module, jobs[name]))
    return results


def in_fresh_process(module: str, job: Job) -> dict[str, Any]:
    """Run one job of ``module`` in a child and return what it printed last.

    Args:
        module: with a ``--child``.
        job: for it; ``python`` and ``module`` in it name another interpreter and what it runs.

    Raises:
        RuntimeError: the child failed; with the end of what it said.
    """
    command = [job.get("python", sys.executable), "-m", job.get("module", module), "--child", json.dumps(job)]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode != 0:
        raise RuntimeError(f"{module} {job}: exit {ran.returncode}\n{ran.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result


def numbers(samples: Iterable[dict[str, Any]]) -> list[dict[str, float]]:
    """Keep only the measurements of each sample."""
    return [{key: value for key, value in sample.items() if isinstance(value, float | int)} for sample in samples]
