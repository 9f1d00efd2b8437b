"""Files to a few frames: ``python -m benchmarks.decode``.

Every strategy gives RGB frames of full size in one process, in turn. The ratio is of CPU seconds, because decoding
runs beside encoding and beside other files. Frames are compared with those of sequential decoding.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.clips import Clip, has_encoder, made
from benchmarks.decoders import Strategy, keyframe_numbers, strategies
from benchmarks.record import Group, Record, Target
from benchmarks.turns import parse, settings
from benchmarks.usage import measured

BASELINE = "PyAV sequential"
FEW = (BASELINE, "OpenCV grab", "planned")  # where the others would only take long
STEP = 8  # every eighth pixel of every eighth line is kept to compare frames


@dataclass(frozen=True)
class Case:
    """A clip, which of its frames are wanted, and the strategies that are tried (all if empty)."""

    clip: Clip
    sampling: str
    only: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Of its table."""
        return f"{self.clip.label}: {self.sampling}"

    def numbers(self, path: str) -> list[int]:
        """Return the numbers of the wanted frames."""
        every = {"every 2 s": 2 * self.clip.fps, "every 8 frames": 8, "all frames": 1}
        if self.sampling in every:
            return list(range(0, self.clip.frames, every[self.sampling]))
        if self.sampling == "keyframes":
            return keyframe_numbers(path)
        return np.unique(np.linspace(0, self.clip.frames - 1, 10).astype(int)).tolist()


HD_SHORT_GOP = Clip("h264", 1920, 1080, 60, gop=30)
HD_LONG_GOP = Clip("h264", 1920, 1080, 30, gop=250)
SMALL = Clip("h264", 640, 360, 10, gop=300)


def cases(quick: bool) -> list[Case]:
    """Return the cases to decode."""
    if quick:
        tiny = Clip("h264", 160, 120, 4, gop=30)
        return [Case(tiny, "every 2 s"), Case(tiny, "keyframes", FEW)]
    others = [Clip(codec, 1280, 720, 20, gop=120) for codec in ("hevc", "vp9", "av1")]
    return [
        Case(HD_SHORT_GOP, "every 2 s"),
        Case(HD_SHORT_GOP, "keyframes", FEW),
        Case(HD_LONG_GOP, "every 2 s"),
        Case(HD_LONG_GOP, "keyframes", FEW),
        Case(HD_LONG_GOP, "uniform 10", FEW),
        Case(Clip("h264", 3840, 2160, 6, gop=60), "every 2 s", FEW),
        Case(SMALL, "every 2 s"),
        Case(SMALL, "every 8 frames", FEW),
        Case(SMALL, "all frames", FEW),
        *[Case(clip, "every 2 s") for clip in others],
    ]


def main() -> None:
    """Run all cases and write ``decode.json``."""
    arguments = parse(__doc__.splitlines()[0], repeat=3)
    wanted = [case for case in cases(arguments.quick) if has_encoder(case.clip.codec)]
    missing = {case.clip.codec for case in cases(arguments.quick)} - {case.clip.codec for case in wanted}
    groups: list[Group] = []
    checks: dict[str, Any] = {}
    for case in wanted:
        group, differences = run_case(case, arguments)
        groups.append(group)
        checks.update({f"{case.title}, {name}": found for name, found in differences.items() if found})
    targets = [] if arguments.quick else goals({group.title: group for group in groups})
    same = {"frames that differ from sequential decoding": ", ".join(checks) or "none"}
    Record(
        "decode",
        "Decode: files to a few frames",
        settings(arguments),
        groups,
        targets,
        {**same, **checks},
        [f"No encoder of {codec} here: its clip is left out." for codec in sorted(missing)],
    ).write(arguments.out)


def run_case(case: Case, arguments: argparse.Namespace) -> tuple[Group, dict[str, str]]:
    """Run all strategies in turn, and tell how their frames differ from the baseline's ("" for not at all)."""
    path = str(made([case.clip], arguments.work / "clips")[0])
    wanted = case.numbers(path)
    tried = {name: run for name, run in strategies().items() if not case.only or name in case.only}
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in tried}
    kept: dict[str, list[np.ndarray]] = {}
    print(case.title, file=sys.stderr, flush=True)
    for run in tried.values():  # libraries are loaded and the file is in the page cache from here on
        list(thinned(run, path, wanted[:1]))
    for _ in range(arguments.repeat):
        for name, run in tried.items():
            kept[name], cost = measured(lambda run=run: list(thinned(run, path, wanted)))
            samples[name].append({key: cost[key] for key in ("wall_s", "cpu_s")})
    differences = {name: compared(kept[name], kept[BASELINE]) for name in tried}
    # A time for frames that were not given would be no time.
    samples = {name: found for name, found in samples.items() if len(kept[name]) == len(wanted)}
    title = f"{case.title} ({len(wanted)} of {case.clip.frames} frames)"
    return Group(title, samples, BASELINE, "cpu_s", notes=differences), differences


def thinned(run: Strategy, path: str, wanted: list[int]) -> Iterator[np.ndarray]:
    """Yield a few pixels of each frame, so that not all frames are held."""
    for frame in run(path, wanted):
        yield frame[::STEP, ::STEP].copy()


def compared(mine: list[np.ndarray], reference: list[np.ndarray]) -> str:
    """Tell what a reader must know about the frames; "" where they are those of sequential decoding."""
    if len(mine) != len(reference):
        return f"gives {len(mine)} of {len(reference)} frames"
    largest = max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(mine, reference, strict=True))
    # Two colour conversions may round differently; another frame is far off.
    return "" if largest <= 2 else f"pixels differ by up to {largest}"


def goals(groups: dict[str, Group]) -> list[Target]:
    """Return the targets of this benchmark."""
    by_case = {title.rpartition(" (")[0]: group for title, group in groups.items()}
    found = []
    wanted = ((HD_SHORT_GOP, "every 2 s", 4.0), (HD_SHORT_GOP, "keyframes", 15.0), (HD_LONG_GOP, "keyframes", 15.0))
    for clip, sampling, limit in wanted:
        group = by_case[f"{clip.label}: {sampling}"]
        value = median(group.ratios("planned"))
        found.append(Target(f"CPU of sequential decoding over planned, {group.title}", value, limit))
    return found


if __name__ == "__main__":
    main()
