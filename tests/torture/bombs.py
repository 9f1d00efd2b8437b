"""Cost of each bomb, parent and workers together: ``python -m tests.torture.bombs``.

Each is scored in a fresh process that has scored a healthy clip before. Memory is the kernel's high-water mark
of resident memory, less what there was before: of this process, and of the decode worker.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.clips import coded_frames, write_clip
from tests.media import bombs

SIDE = 16_000
BOMBS: dict[str, Callable[[Path], bytes | Path]] = {
    "PNG in MOV, 16000 x 16000": lambda folder: bombs.images_in_mov(
        folder / "bomb.mov", [bombs.large_png(SIDE, SIDE)] * 3, "png"
    ),
    "JPEG in MOV, 16000 x 16000": lambda folder: bombs.images_in_mov(
        folder / "bomb.mov", [bombs.large_jpeg(SIDE, SIDE)] * 3, "mjpeg"
    ),
    "JPEG in MOV, large after ten small": lambda folder: bombs.images_in_mov(
        folder / "bomb.mov", [bombs.large_jpeg(64, 48)] * 10 + [bombs.large_jpeg(SIDE, SIDE)], "mjpeg"
    ),
    "sample table, 2^26 frames": lambda folder: bombs.sample_table(folder),
    "sample table, 1,900,000 frames": lambda folder: bombs.sample_table(folder, 1_900_000),
    "sample table, stz2": lambda folder: bombs.sample_table(folder, compact=True),
    "fragment, 2^26 frames": lambda folder: bombs.fragment(folder),
    "edit list, 2,000 edits of 90,000 frames": lambda folder: bombs.many_edits(folder),
    "compressed index, 2^26 frames": lambda folder: bombs.packed_movie(folder),
    "items of an image file, 2^26": lambda folder: bombs.item_table(folder),
    "GIF, 65535 x 65535": lambda folder: bombs.gif(65_535, 65_535),
    "GIF, 8192 x 4320, one frame": lambda folder: bombs.gif(8192, 4320),
    "GIF, 8192 x 4320, 280 frames": lambda folder: bombs.gif(8192, 4320, 280),
    "GIF, 4096 x 2304, 300 frames": lambda folder: bombs.gif(4096, 2304, 300),
    "GIF, 1920 x 1200, 100 frames": lambda folder: bombs.gif(1920, 1200, 100),
    "GIF, 2000 x 2000, 100,000 frames": lambda folder: bombs.gif(2000, 2000, 100_000),
    "APNG, 8192 x 4320": lambda folder: bombs.large_png(8192, 4320),
    "PNG in MOV, 8192 x 4320": lambda folder: bombs.images_in_mov(
        folder / "bomb.mov", [bombs.large_png(8192, 4320)] * 3, "png"
    ),
}
ENDINGS = {b"GIF8": ".gif", b"\x89PNG": ".apng"}


class Watch:
    """High-water marks of resident memory of this process and of each child, MB."""

    def __init__(self) -> None:
        self.children: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        reset_peak()
        self.before, self.began = memory("VmRSS"), time.monotonic()
        self.children_before = {pid: memory("VmRSS", pid) for pid in children()}
        for pid in self.children_before:
            reset_peak(pid)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.monotonic() - self.began
        self._ended.set()
        self._thread.join()
        self.parent = memory("VmHWM") - self.before
        self._note()

    @property
    def worker(self) -> float:
        """The most that a worker added. One that was started meanwhile counts from the size of those before."""
        usual = max(self.children_before.values(), default=0.0)
        return max((most - self.children_before.get(pid, usual) for pid, most in self.children.items()), default=0.0)

    def _look(self) -> None:
        while not self._ended.wait(0.003):
            self._note()

    def _note(self) -> None:
        for pid in children():
            self.children[pid] = max(self.children.get(pid, 0.0), memory("VmHWM", pid))


def children() -> list[int]:
    """Process ids of the children of this one."""
    found = []
    for task in os.listdir("/proc/self/task"):
        try:
            found += [int(pid) for pid in Path(f"/proc/self/task/{task}/children").read_text().split()]
        except OSError:
            continue
    return found


def memory(name: str, pid: int | str = "self") -> float:
    """A line of the kernel's status of a process, MB; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), 0.0)


def reset_peak(pid: int | str = "self") -> None:
    """Let the high-water mark of a process begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def measure(path: str, healthy: str, options: dict[str, Any]) -> dict[str, Any]:
    """Score a healthy clip and then the bomb, in this process."""
    from vqe_core import EMScore

    scorer = EMScore(clip_model_path="toy", progress=False, on_error="skip", per_sample=True, **options)
    scorer.compute(predictions=["a red square"], videos=[healthy])
    with Watch() as watch:
        result = scorer.compute(predictions=["a red square"], videos=[path])
    return {
        "status": result["samples"]["status"][0],
        "parent": watch.parent,
        "worker": watch.worker,
        "seconds": watch.seconds,
        "message": result["samples"]["message"][0],
    }


def main() -> None:
    """Measure each in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of a name")
    parser.add_argument("--options", default="{}", help="of the scorer, as JSON")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one, json.loads(arguments.options))))
        return
    print(f"{'bomb':42s} {'bytes':>8s} {'parent MB':>10s} {'worker MB':>10s} {'sum':>7s} {'seconds':>8s}  status")
    for name, make in BOMBS.items():
        if arguments.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            healthy = write_clip(Path(folder) / "clip.mp4", coded_frames(10))
            path = written(make(Path(folder)), Path(folder))
            command = [sys.executable, "-m", "tests.torture.bombs", "--options", arguments.options]
            done = subprocess.run(
                [*command, "--one", str(path), str(healthy)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                print(f"{name:42s} {path.stat().st_size:8d}  DIED {done.returncode}: {done.stderr[-300:]}")
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            both = found["parent"] + found["worker"]
            print(
                f"{name:42s} {path.stat().st_size:8d} {found['parent']:10.0f} {found['worker']:10.0f} {both:7.0f} "
                f"{found['seconds']:8.2f}  {found['status']} {found['message'][:60]}",
                flush=True,
            )


def written(made: bytes | Path, folder: Path) -> Path:
    """Path of a bomb, written where it is bytes."""
    if isinstance(made, Path):
        return made
    path = folder / f"bomb{ENDINGS.get(made[:4], '.mp4')}"
    path.write_bytes(made)
    return path


if __name__ == "__main__":
    main()
