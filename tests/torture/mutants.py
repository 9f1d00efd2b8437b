"""Damaged files by the thousand, read as rows are: ``python -m tests.torture.mutants --mutants 20000 --minutes 30``.

Each mutant is a file of the corpus with bytes changed, cut out, doubled or taken from another file; it follows from the
seed and its number alone. It is opened, sampled and heard by the readers in a decode worker, under a deadline. The run
fails if a process that reads the rows dies, a row takes longer than the deadline and two seconds, or a row ends without
a status or with ``internal_error``. A worker that crashes costs its row: it is counted, and named for a second look.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import queue
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.media.corpus.cases import all_cases
from tests.media.corpus.reading import value_of, warning_codes
from vqe_core.errors import row_error
from vqe_core.media import as_media_source
from vqe_core.workers import DecodeWorker, WorkerLimits, open_video_in, read_audio_in

LARGEST = 200_000  # bytes of a file that is worth changing
GRACE = 2.0  # seconds over the deadline
FRAMES = 8
WORTH_A_LOOK = ("internal_error", "worker_crash", "timeout", "out_of_memory", "no status")

SIZES = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x3FFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


# --- mutants ----------------------------------------------------------------------------------------------------------


def make_seeds(folder: Path) -> list[Path]:
    """Write the files of the corpus that are read from disk, by the names of their cases; always in the same order."""
    import av

    made = []
    for case in all_cases():
        if case.slow or any(codec not in av.codecs_available for codec in case.needs):
            continue
        place = folder / "made" / case.name.replace("/", "_")
        place.mkdir(parents=True)
        value = value_of(case, place)
        path = value["path"] if isinstance(value, dict) and "path" in value else value
        if not isinstance(path, str) or "\0" in path or not path.startswith(str(place)) or not os.path.isfile(path):
            continue
        if 0 < os.path.getsize(path) <= LARGEST:
            made.append(folder / case.name)
            os.rename(os.path.realpath(path), made[-1])
    return made


def mutant(seeds: list[Path], seed: int, number: int) -> tuple[str, bytes]:
    """Return the name (that of the file it was made of, with its suffix) and the bytes of one mutant."""
    rng = random.Random(f"{seed}:{number}")
    path = rng.choice(seeds)
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        change = rng.choice(CHANGES)
        data = bytearray(change(rng, data, seeds)) or bytearray(b"\0")
    return path.name, bytes(data)


def _place(rng: random.Random, data: bytearray) -> int:
    """A place in a file; headers are where the harm is done."""
    return rng.randrange(min(1600, len(data)) if rng.random() < 0.5 else len(data))


def flipped_bits(rng: random.Random, data: bytearray, seeds: list[Path]) -> bytearray:
    for _ in range(rng.choice((1, 4, 16, 64))):
        data[_place(rng, data)] ^= 1 << rng.randrange(8)
    return data


def odd_bytes(rng: random.Random, data: bytearray, seeds: list[Path]) -> bytearray:
    for _ in range(rng.choice((1, 2, 8))):
        data[_place(rng, data)] = rng.choice((0, 1, 0x40, 0x7F, 0x80, 0xFF))
    return data


def odd_sizes(rng: random.Random, data: bytearray, seeds: list[Path]) -> bytearray:
    for _ in range(rng.choice((1, 2, 4))):
        place, size = _place(rng, data), rng.choice(SIZES)
        width = rng.choice((2, 4, 4, 8))
        order = rng.choice(("big", "little"))
        data[place : place + width] = (size & (1 << 8 * width) - 1).to_bytes(width, order)
    return data


def cut_off(rng: random.Random, data: bytearray, seeds: list[Path]) -> bytearray:
    return data[: rng.randrange(1, len(data) + 1)]


def cut_out(rng: random.Random, data: bytearray, seeds: list[Path]) -> bytearray:
    place = _place(rng, data)
    del data[place : place + rng.randrange(1, max(2, len(data) // 4))]
    return data


def doubled(rng: random.Random, data: bytearray, seeds: list[Path]) -> bytearray:
    place = _place(rng, data)
    piece = data[place : place + rng.randrange(1, 2000)]
    data[place:place] = piece * rng.choice((1, 1, 3))
    return data


def zeroed(rng: random.Random, data: bytearray, seeds: list[Path]) -> bytearray:
    place, length = _place(rng, data), rng.randrange(1, max(2, len(data) // 4))
    length = min(length, len(data) - place)
    data[place : place + length] = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    return data


def spliced(rng: random.Random, data: bytearray, seeds: list[Path]) -> bytearray:
    """The first part of this file and the last of another one."""
    other = rng.choice(seeds).read_bytes()
    share = rng.random()
    return data[: int(len(data) * share)] + other[int(len(other) * share) :]


def swapped(rng: random.Random, data: bytearray, seeds: list[Path]) -> bytearray:
    """Two pieces of a file in each other's place."""
    first, second = sorted((_place(rng, data), _place(rng, data)))
    length = min(rng.randrange(1, 500), second - first, len(data) - second)
    one, two = data[first : first + length], data[second : second + length]
    data[first : first + length], data[second : second + length] = two, one
    return data


def joined(rng: random.Random, data: bytearray, seeds: list[Path]) -> bytearray:
    return data + rng.choice(seeds).read_bytes()


CHANGES = (flipped_bits, odd_bytes, odd_sizes, cut_off, cut_out, doubled, zeroed, spliced, swapped, joined)


# --- one process that reads rows --------------------------------------------------------------------------------------


def read_row(worker: DecodeWorker | None, path: str) -> list[str]:
    """Read frames and sound of one file, and return the codes of its warnings.

    Raises:
        VqeError: the status of the row is its code.
    """
    source = as_media_source(path)
    failures = []
    codes = []
    for read in (_frames, _sound):
        try:
            codes += read(worker, source)
        except Exception as error:
            failures.append(row_error(error))
    # A row without pictures or without sound may do; one that has neither has failed.
    broken = [error for error in failures if error.code in WORTH_A_LOOK]
    if broken or len(failures) == 2:
        raise (broken or failures)[0]
    return codes


def _frames(worker: DecodeWorker | None, source: Any) -> list[str]:
    def sampled(video: Any) -> Any:
        wanted = np.unique(np.linspace(0, len(video.table) - 1, FRAMES).astype(int))
        shapes = [frame.pixels.shape for frame in video.frames(wanted)]
        if len(shapes) != len(wanted):
            raise AssertionError(f"{len(shapes)} frames, and {len(wanted)} were wanted")
        return video.table.warnings

    return warning_codes(open_video_in(worker, source).read(sampled))


def _sound(worker: DecodeWorker | None, source: Any) -> list[str]:
    return warning_codes(read_audio_in(worker, source).warnings)


def read_slice(options: argparse.Namespace, seeds: list[Path], folder: Path) -> Iterator[dict[str, Any]]:
    """Read mutants one after the other, and yield what came of each."""
    with DecodeWorker(WorkerLimits(row_seconds=options.deadline)) as isolated:
        worker, before = None if options.in_process else isolated, 0
        for number in range(*options.slice):
            name, data = mutant(seeds, options.seed, number)
            path = folder / name
            path.write_bytes(data)
            begun = time.monotonic()
            try:
                codes, status, words = read_row(worker, str(path)), "ok", ""
            except Exception as error:
                failure = row_error(error)
                codes, status, words = [], failure.code, str(failure)
            seconds = time.monotonic() - begun
            path.unlink()
            parent = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            before = before or parent
            yield {
                "number": number,
                "file": name,
                "status": status,
                "words": words.replace(str(folder), "")[:600] if status in WORTH_A_LOOK else "",
                "seconds": round(seconds, 3),
                "warnings": sorted(set(codes)),
                "worker": _peak(isolated.pid),
                "parent": parent - before,
            }


def _peak(pid: int | None) -> int:
    """Peak resident memory of a process, MB; 0 where that is not known."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _serve(options: argparse.Namespace) -> None:
    """Read the slice that another process asks for; a line of JSON for each mutant."""
    seeds = [Path(line) for line in Path(options.seeds).read_text().splitlines()]
    faulthandler.enable()
    with tempfile.TemporaryDirectory(prefix="vqe-mutants-") as folder:
        for row in read_slice(options, seeds, Path(folder)):
            print(json.dumps(row), flush=True)


# --- all of them ------------------------------------------------------------------------------------------------------


class Torture:
    """A run over many mutants, in several processes at a time.

    Attributes:
        rows: what came of each.
        deaths: mutants at which a process that reads rows has died, with what it left.
    """

    def __init__(self, options: argparse.Namespace, seeds: Path) -> None:
        self.options, self.seeds = options, seeds
        self.rows: list[dict[str, Any]] = []
        self.deaths: list[tuple[int, str]] = []
        self._slices: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self._until = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
        last = options.first + options.mutants
        for first in range(options.first, last, options.rows):
            self._slices.put((first, min(first + options.rows, last)))

    def run(self) -> None:
        """Read them all, or as many as the time allows."""
        threads = [threading.Thread(target=self._work) for _ in range(self.options.jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.rows.sort(key=lambda row: row["number"])

    def _work(self) -> None:
        while time.monotonic() < self._until:
            try:
                first, last = self._slices.get_nowait()
            except queue.Empty:
                return
            while first < last:
                reached = self._read(first, last)
                first = reached + 1

    def _read(self, first: int, last: int) -> int:
        """Let a process read a slice; return the last mutant that it came to."""
        command = [sys.executable, "-m", "tests.torture.mutants", "--seed", str(self.options.seed)]
        command += ["--deadline", str(self.options.deadline), "--seeds", str(self.seeds)]
        command += ["--slice", str(first), str(last), *(["--in-process"] if self.options.in_process else [])]
        reached = first - 1
        with tempfile.TemporaryFile() as errors:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
            # A process that hangs would keep this one for ever.
            guard = threading.Timer((last - first) * self.options.deadline * 2 + 120, child.kill)
            guard.start()
            for line in child.stdout or ():
                row = json.loads(line)
                self.rows.append(row)
                reached = row["number"]
            status = child.wait()
            guard.cancel()
            if status != 0:
                errors.seek(0)
                words = errors.read().decode(errors="replace")[-2000:]
                self.deaths.append((reached + 1, f"exit status {status}: {words}"))
                return reached + 1
        return last - 1

    def report(self) -> tuple[str, bool]:
        """Return what came of it in words, and whether all is as it must be."""
        deadline = self.options.deadline
        counts = Counter(row["status"] for row in self.rows)
        warned = Counter(code for row in self.rows for code in row["warnings"])
        hangs = [row for row in self.rows if row["seconds"] > deadline + GRACE]
        faults = [row for row in self.rows if row["status"] in ("internal_error", "no status", "error")]
        lines = [f"{len(self.rows)} mutants of seed {self.options.seed}, deadline {deadline:g} s"]
        lines += [f"  {count:7} {status}" for status, count in counts.most_common()]
        lines += ["warnings: " + ", ".join(f"{code} {count}" for code, count in warned.most_common(12))]
        slowest = sorted(self.rows, key=lambda row: -row["seconds"])[:5]
        lines += ["slowest: " + ", ".join(f"{row['seconds']} s ({row['number']} {row['file']})" for row in slowest)]
        peak = {kind: max((row[kind] for row in self.rows), default=0) for kind in ("parent", "worker")}
        lines += [f"memory: a parent grew by up to {peak['parent']} MB, a worker took up to {peak['worker']} MB"]
        for row in self.rows:
            if row["status"] in WORTH_A_LOOK:
                lines.append(f"look at {row['number']} ({row['file']}): {row['status']}: {row['words'][:300]}")
        lines += [f"DIED at {number}: {words}" for number, words in self.deaths]
        lines += [f"HANGS: {row['number']} ({row['file']}), {row['seconds']} s" for row in hangs]
        lines += [f"deaths {len(self.deaths)}, hangs {len(hangs)}, internal errors {len(faults)}"]
        return "\n".join(lines), not (self.deaths or hangs or faults) and bool(self.rows)


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after so many; 0: read them all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    parser.add_argument("--deadline", type=float, default=20.0, help="seconds a row may take")
    parser.add_argument("--rows", type=int, default=250, help="mutants that one process reads")
    parser.add_argument("--jobs", type=int, default=max(1, len(os.sched_getaffinity(0))))
    parser.add_argument("--out", default="build/torture", help="folder of the report")
    parser.add_argument(
        "--write", type=int, metavar="NUMBER", help="write one mutant into the folder, and read nothing"
    )
    parser.add_argument("--in-process", action="store_true", help="without decode workers: to find what crashes them")
    parser.add_argument("--slice", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--seeds", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> bool:
    """Run, print and write the report; True if all is as it must be."""
    options = options_of(arguments)
    if options.slice:
        _serve(options)
        return True
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vqe-seeds-") as folder:
        seeds = make_seeds(Path(folder))
        if options.write is not None:
            name, data = mutant(seeds, options.seed, options.write)
            (out / f"{options.seed}_{options.write}_{name}").write_bytes(data)
            return True
        listed = Path(folder) / "seeds.txt"
        listed.write_text("\n".join(map(str, seeds)))
        torture = Torture(options, listed)
        torture.run()
    words, good = torture.report()
    print(words)
    (out / "mutants.json").write_text(json.dumps({"rows": torture.rows, "deaths": torture.deaths}))
    return good


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
