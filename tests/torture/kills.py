"""Runs that are killed again and again until they finish: ``python -m tests.torture.kills --kills 200``.

The driver, a worker or a decode worker ends by SIGKILL, SIGTERM or SIGINT at a random moment, and the same command is
given again. Checked after each end of the driver: no process of it lives 5 s later, nothing is new in /dev/shm, and
after the next start no finished part was begun again; of each finished run: every row is there once with the scores of
an uninterrupted run, and its folder holds nothing but what a run writes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from vqe_core import registry
from vqe_core.run.folder import RunFolder
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.tables import read_table, write_table
from vqe_core.toy.clips import make_clip, write_clip

ROOT = Path(__file__).parents[2]
TOKEN, LOG = "VQE_KILLS_TOKEN", "VQE_KILLS_LOG"
CLIPS, PER_PART = 8, 2
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
GONE_SECONDS = 5.0
WORKER, DECODER, ACTOR = b"vqe_core.run.worker", b"vqe_core.workers.server", b"ray::PartActor"


@dataclass(frozen=True)
class LoggedScore(EMScore):
    """EMScore that notes which rows it begins to score, in whatever process."""

    name: ClassVar[str] = "logged"

    def score_batch(self, batch: Any, *arguments: Any, **options: Any) -> Any:
        """Note the first of the rows, and score them."""
        row = int(batch["candidate"][0].rpartition(" ")[2])
        with open(os.environ[LOG], "a") as file:
            file.write(f"{row}\n")
        return super().score_batch(batch, *arguments, **options)


def drive(arguments: Sequence[str]) -> NoReturn:
    """Run ``vqe`` with the logged metric; what is killed."""
    from vqe_core.cli import program

    registry.register("scorer", LoggedScore.name, "tests.torture.kills:LoggedScore")
    program(arguments)


@dataclass
class Findings:
    """Counts of what was done, and what broke a promise."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    starts: int = 0
    again: int = 0
    gave_up: int = 0
    longest_end: float = 0.0
    work_seconds: float = 6.0  # of a run from its first part on, as the reference took
    broken: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return them for a terminal."""
        counted = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        return [
            f"{sum(self.kills.values())} kills in {self.runs} runs of {self.starts} starts: {counted}",
            f"parts begun again: {self.again}; three ends at one part: {self.gave_up}; "
            f"slowest end by SIGTERM or SIGINT: {self.longest_end:.1f} s",
            f"broken promises: {len(self.broken)}",
            *self.broken,
        ]


def rows_of(folder: Path, count: int) -> Path:
    """Write clips, and a table of rows about them; one clip is not there."""
    names = [write_clip(make_clip(n, size=64, num_frames=12), folder / f"{n}.mp4").name for n in range(CLIPS - 1)]
    names.append("none.mp4")
    rows: dict[str, list[Any]] = {
        "id": list(range(count)),
        "video_path": [names[n % CLIPS] for n in range(count)],
        "candidate": [f"a red circle {n}" for n in range(count)],
    }
    write_table(folder / "rows.jsonl", rows)
    return folder / "rows.jsonl"


def processes(token: str) -> dict[int, bytes]:
    """Return the command lines of the processes that were started for a round, by id.

    By their environment, or by their working directory: where Ray sets a title, it may write over the environment.
    """
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                in_environment = f"{TOKEN}={token}".encode() in (entry / "environ").read_bytes()
                if in_environment or token in os.readlink(entry / "cwd"):
                    line = (entry / "cmdline").read_bytes()
                    if line:  # a zombie has none
                        found[int(entry.name)] = line
            except OSError:
                continue
    return found


def held_elsewhere(name: str) -> bool:
    """Tell whether a living process uses a file in /dev/shm: those of the run have all ended, so it is another's."""
    try:
        inode = str(os.stat(f"/dev/shm/{name}").st_ino)  # a semaphore is mapped under another name
    except OSError:
        return True  # it is gone
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                lines = (entry / "maps").read_text().splitlines()
            except OSError:
                continue
            if any("/dev/shm/" in line and line.split(maxsplit=5)[4] == inode for line in lines):
                return True
    return False


class Round:
    """One run, started again until it finishes."""

    def __init__(self, rows: Path, out: Path, how: Sequence[str], chance: random.Random, found: Findings) -> None:
        self.out, self.chance, self.found = out, chance, found
        self.workers = int(how[how.index("--workers") + 1])
        self.log = out.with_name(f"{out.name}-log.txt")
        self.log.touch()
        options = ["--clip-model-path", "toy", "--no-cache", "--threads", "1", "--frame-num", "3"]
        command = ["score", "logged", str(rows), "--out", str(out), "--rows-per-part", str(PER_PART), *options, *how]
        program = f"from tests.torture.kills import drive; drive({command!r})"
        self.command = [sys.executable, "-c", program]
        self.folder = RunFolder(out.with_name(f"{out.name}.run") if out.suffix else out)
        self.ray = "ray" in how
        self.budget = 0
        self.begun_again: Counter[int] = Counter()

    def begun(self) -> list[int]:
        """Return the parts that were begun so far, in order of time."""
        return [int(line) // PER_PART for line in self.log.read_text().split()]

    def run(self, kills: int) -> None:
        """Start the command until it finishes; kill at most so often; without kills learn how long its work takes."""
        before = set(os.listdir("/dev/shm"))
        left = kills
        while True:
            count = len(read_table(self.out.parent / "rows.jsonl")["id"]) // PER_PART
            done = self.folder.done(count) if self.folder.is_begun else set()
            seen = len(self.begun())
            token = uuid.uuid4().hex
            environment = {**os.environ, TOKEN: token, LOG: str(self.log), "PYTHONPATH": str(ROOT)}
            place = self.out.parent / f"at-{token}"
            place.mkdir()
            process = subprocess.Popen(
                self.command,
                cwd=place,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                # A runner in the background ignores Ctrl-C, and its children inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
            self.found.starts += 1
            killed, ended_by = self._kill(process, token, seen, left)
            left -= killed
            said = process.stderr.read() if process.stderr else ""
            self._check_end(token, before, done, self.begun()[seen:])
            place.rmdir()
            # Killed when all was written, the command has nothing to go on with: given again, it would begin anew.
            if process.returncode == 0 or (self.out.is_file() and not self.folder.path.exists()):
                break
            if ended_by is None:
                if "ended 3 times" in said:
                    self.found.gave_up += 1
                else:
                    self.found.broken.append(f"status {process.returncode} by itself: {said[-600:]}")
                    if self.found.broken[8:]:
                        return
        self.found.runs += 1
        again = sum(self.begun_again.values()) + sum(n - 1 for n in Counter(self.begun()).values())
        self.found.again += again
        if again > self.budget:
            self.found.broken.append(f"{self.out.name}: {again} parts begun again, at most {self.budget} were due")

    def _kill(self, process: Any, token: str, seen: int, kills: int) -> tuple[int, signal.Signals | None]:
        """Kill something now and then until the driver ends; return how often, and by which signal it ended."""
        done = 0
        while process.poll() is None:
            if done >= kills:
                self._wait_out(process, seen)
                break
            who = self.chance.choices(("driver", "worker", "decode worker"), weights=[2, 4, 5])[0]
            self._wait(process, token, seen, who)
            if process.poll() is not None:
                break
            who, pid, how = self._victim(who, process.pid, processes(token))
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                continue
            done += 1
            self.found.kills[f"{who} {how.name}"] += 1
            self.budget += {"driver": self.workers, "worker": 1}.get(who, 0)
            if who == "driver":
                began = time.monotonic()
                process.wait()
                if how != signal.SIGKILL:
                    self.found.longest_end = max(self.found.longest_end, time.monotonic() - began)
                return done, how
        return done, None

    def _wait_out(self, process: Any, seen: int) -> None:
        while process.poll() is None and len(self.begun()) == seen:
            time.sleep(0.02)
        began = time.monotonic()
        process.wait()
        if not self.found.kills:  # of a reference
            self.found.work_seconds = time.monotonic() - began

    def _wait(self, process: Any, token: str, seen: int, who: str) -> None:
        """Wait for a moment at which to kill the driver, a worker or a decode worker, or for the driver's end."""
        # Most of a short run is the loading of programs and models, and decode workers live in the rest of it.
        most = self.found.work_seconds if who == "driver" else self.found.work_seconds / 3
        if self.chance.random() < 0.9:  # once there is work
            while process.poll() is None and len(self.begun()) == seen:
                time.sleep(0.02)
            while who == "decode worker" and process.poll() is None and not self._decoders(token):
                time.sleep(0.05)
        until = time.monotonic() + self.chance.uniform(0.0, most)
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)

    def _decoders(self, token: str) -> list[int]:
        return [pid for pid, line in processes(token).items() if DECODER in line]

    def _victim(self, who: str, driver: int, living: dict[int, bytes]) -> tuple[str, int, signal.Signals]:
        groups = {
            "driver": [driver],
            "worker": [pid for pid, line in living.items() if WORKER in line or ACTOR in line],
            "decode worker": [pid for pid, line in living.items() if DECODER in line],
        }
        who = who if groups[who] else "driver"
        # Decode workers and Ray's actors do not end by a signal that asks.
        signals = SIGNALS if who == "driver" else SIGNALS[:2] if who == "worker" and not self.ray else SIGNALS[:1]
        return who, self.chance.choice(groups[who]), self.chance.choice(signals)

    def _check_end(self, token: str, before: set[str], done: set[int], begun: Sequence[int]) -> None:
        deadline = time.monotonic() + GONE_SECONDS
        while processes(token) and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid, line in processes(token).items():
            self.found.broken.append(f"process {pid} lives on: {line[:200]!r}")
            os.kill(pid, signal.SIGKILL)
        if new := {name for name in set(os.listdir("/dev/shm")) - before if not held_elsewhere(name)}:
            self.found.broken.append(f"/dev/shm holds {sorted(new)[:3]}")
        if doubled := done & set(begun):
            self.found.broken.append(f"finished parts were begun again: {sorted(doubled)}")


def compare(out: Path, reference: dict[str, list[Any]], found: Findings) -> None:
    """Check a finished result against an uninterrupted one, and its folder for what does not belong there."""
    table = read_table(out)
    if table["id"] != reference["id"]:
        found.broken.append(f"{out.name}: rows {table['id'][:10]} ...")
    elif table != reference:
        names = [name for name in reference if table.get(name) != reference[name]]
        rows = [i for i in reference["id"] if table[names[0]][i] != reference[names[0]][i]]
        values = [(table[names[0]][i], reference[names[0]][i]) for i in rows[:3]]
        found.broken.append(f"{out.name}: columns {names[:3]} differ in rows {rows[:5]}: {values}")
    left = [path.name for path in out.parent.iterdir() if path.name.startswith(out.name) and path != out]
    if left != [f"{out.name}-log.txt"]:
        found.broken.append(f"{out.name}: left beside it {left}")
    if out.is_dir():
        odd = [path.name for path in out.iterdir() if ".tmp-" in path.name or path.name == ".arriving"]
        if odd:
            found.broken.append(f"{out.name} holds {odd}")


def told(found: Findings) -> list[str]:
    """Return what broke, a line each."""
    return [f"\n  {words}" for words in found.broken]


def torture(kills: int, folder: Path, *, engine: str = "local", seed: int = 0, rows: int = 96) -> Findings:
    """Kill runs in a folder until there were so many kills; return what was found.

    Args:
        kills: of drivers, workers and decode workers together.
        folder: empty.
        engine: ``"local"``, with one worker and with two in turn, or ``"ray"``.
        seed: of the moments and victims.
        rows: of each run, an even number.
    """
    table, chance, found = rows_of(folder, rows), random.Random(seed), Findings()
    outputs = ("reference.parquet", "reference.jsonl")
    references = {}
    for name in outputs:
        Round(table, folder / name, ["--workers", "1"], chance, found).run(0)
        references[Path(name).suffix] = read_table(folder / name)
    found.runs = found.starts = 0
    suffixes = ("", ".parquet", ".jsonl")
    for number in range(10_000):
        left = kills - sum(found.kills.values())
        if left <= 0 or found.broken[8:]:
            break
        workers = "2" if engine == "ray" or number % 4 else "1"
        suffix = suffixes[number % len(suffixes)]
        out = folder / f"run{number}{suffix}"
        Round(table, out, ["--engine", engine, "--workers", workers], chance, found).run(min(left, 25))
        compare(out, references[suffix or ".parquet"], found)
        print(f"{sum(found.kills.values())} kills, {len(found.broken)} broken promises", *told(found), flush=True)
    return found


def main() -> int:
    """Kill as often as the command line says; end with status 1 where a promise broke."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=400)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = torture(options.kills, Path(name), engine=options.engine, seed=options.seed, rows=options.rows)
    print("\n".join(found.lines()))
    print(json.dumps({"kills": sum(found.kills.values()), "broken": len(found.broken)}))
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
