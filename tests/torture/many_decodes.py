"""Many decodes, half of them of bad files, and what is left of them: ``python -m tests.torture.many_decodes``.

Prints resident memory, open descriptors, threads and child processes of this process, and the resident memory of its
decode workers, as it goes.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.clips import coded_frames, write_clip
from tests.media import bombs
from tests.sounds import noise, write_sound
from tests.torture.bombs import children, memory
from vqe_core.errors import MediaError
from vqe_core.media import as_media_source
from vqe_core.workers import DecodeWorker, WorkerPool, one_row, open_video_in, read_audio_in


@dataclass(frozen=True)
class Usage:
    """Memory (MB), descriptors and threads of this process."""

    memory: float
    descriptors: int
    threads: int
    workers: int
    workers_memory: float

    @classmethod
    def now(cls) -> Usage:
        """Look, once garbage is gone."""
        gc.collect()
        pids = children()
        return cls(
            memory("VmRSS"),
            len(os.listdir("/proc/self/fd")),
            len(os.listdir("/proc/self/task")),
            len(pids),
            sum(memory("VmRSS", pid) for pid in pids),
        )

    def __str__(self) -> str:
        return (
            f"{self.memory:7.1f} MB, {self.descriptors} descriptors, {self.threads} threads; "
            f"{self.workers} workers of {self.workers_memory:.1f} MB"
        )


def files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Good files, and bad ones of many kinds."""
    good = [
        write_clip(folder / "clip.mp4", coded_frames(20), seconds_of_sound=2.0),
        write_clip(folder / "clip.mkv", coded_frames(20), seconds_of_sound=2.0),
        write_clip(folder / "clip.ts", coded_frames(20), seconds_of_sound=2.0),
        write_sound(folder / "sound.wav", noise(2.0)),
    ]
    content = good[0].read_bytes()
    damaged = bytearray(content)
    for place in random.Random(0).sample(range(len(damaged)), 60):
        damaged[place] ^= 0xFF
    bad = {
        "empty.mp4": b"",
        "noise.mp4": np.random.default_rng(0).bytes(5000),
        "cut.mp4": content[: len(content) // 2],
        "damaged.mp4": bytes(damaged),
        "text.mp4": b"no video at all\n" * 50,
        "table.mp4": bombs.sample_table(folder),
        "fragment.mp4": bombs.fragment(folder),
        "large.gif": bombs.gif(8192, 4320),
        "cut.ts": good[2].read_bytes()[100:3000],
        "cut.wav": good[3].read_bytes()[:30],
    }
    for name, body in bad.items():
        (folder / name).write_bytes(body)
    large = bombs.images_in_mov(folder / "large.mov", [bombs.large_png(16_000, 16_000)], "png")
    return good, [*(folder / name for name in bad), large, folder / "missing.mp4"]


def decode(path: Path, worker: DecodeWorker | None) -> str:
    """Read three frames and the sound of a file; return its status."""
    source = as_media_source(path)
    try:
        with one_row(worker):
            if path.suffix != ".wav":
                _frames(worker, source)
            read_audio_in(worker, source)
    except MediaError as error:
        return error.code
    return "ok"


def _frames(worker: DecodeWorker | None, source: object) -> None:
    video = open_video_in(worker, source)  # type: ignore[arg-type]
    video.read(lambda video: [None for _ in video.frames(np.arange(min(3, len(video.table))))])


def run(count: int, folder: Path, *, isolated: bool, every: int = 1000, warm: int = 50) -> tuple[Usage, Usage, Counter]:
    """Decode ``count`` files, every second one bad, and return what was held after the first few and at the end."""
    good, bad = files(folder)
    statuses: Counter[str] = Counter()
    before = Usage.now()
    begun = time.monotonic()
    with WorkerPool(isolated) as pool:
        for number in range(count):
            with pool.worker() as worker:
                path = good[number // 2 % len(good)] if number % 2 == 0 else bad[number // 2 % len(bad)]
                statuses[decode(path, worker)] += 1
            if number + 1 == warm:
                before = Usage.now()
            if (number + 1) % every == 0:
                print(f"{number + 1:6d} decodes in {time.monotonic() - begun:6.1f} s: {Usage.now()}", flush=True)
        return before, Usage.now(), statuses


def main() -> None:
    """Decode, in workers and in this process, and print what grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="decodes (default: 10000)")
    parser.add_argument("--here", action="store_true", help="in this process, without workers")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before, after, statuses = run(arguments.count, Path(folder), isolated=not arguments.here)
    print(f"before: {before}\nafter:  {after}")
    print(
        f"grown: {after.memory - before.memory:+.1f} MB, {after.descriptors - before.descriptors:+d} descriptors, "
        f"{after.threads - before.threads:+d} threads; workers {after.workers_memory - before.workers_memory:+.1f} MB"
    )
    print(", ".join(f"{status} {count}" for status, count in statuses.most_common()))


if __name__ == "__main__":
    main()
