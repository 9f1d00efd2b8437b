"""What users would pick instead, on the same rows with the same weights: ``python -m benchmarks.peers``.

40 captions of 20 clips, five frames a clip spread evenly, ViT-B/32's shape with random weights. Each peer runs in an
environment of its own, made once in the work folder by pip, or named by ``--data-juicer PYTHON`` and
``--torchmetrics PYTHON``. Loading the model and one warm-up row are not in the times.
"""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.end_to_end import scored_rows
from benchmarks.record import Group, Record, Target
from benchmarks.turns import Job, answer, in_turns, numbers, parse, settings

OURS, DATA_JUICER, TORCHMETRICS = "ours", "Data-Juicer", "torchmetrics"
FRAMES = 5
_TORCH = ("torch", "torchvision", "transformers")
# Of each peer, by the name of its option: what it and the operator that is measured need.
PACKAGES = {
    DATA_JUICER: ("py-data-juicer", "aiohttp", *_TORCH, "av<14", "opencv-python-headless"),
    TORCHMETRICS: ("torchmetrics", *_TORCH, "av", "pillow"),
}
TOLERANCE = 2e-3  # of a cosine: each resizes images in a way of its own, and ours decodes by another FFmpeg
WANTED = 6.0  # times as fast as Data-Juicer


def main() -> None:
    """Run ours and the peers in turn and write ``peers.json``."""
    options = {name.lower(): f"python of an environment with {', '.join(PACKAGES[name])}" for name in PACKAGES}
    arguments = parse(__doc__.splitlines()[0], 3, options)
    if answer(arguments, run_job):
        return
    rows = {**scored_rows(arguments), "frames": FRAMES}
    rows["positions"] = positions(rows["videos"])
    pythons, left_out = environments(arguments)
    jobs: dict[str, Job] = {
        name: {**rows, "peer": name, "python": str(python), "module": "benchmarks.inside_peers"}
        for name, python in pythons.items()
    }
    results = in_turns("benchmarks.peers", {**jobs, OURS: rows}, arguments.repeat)
    samples = {name: numbers(found) for name, found in results.items()}
    group = Group(f"{len(rows['videos'])} captions of {len(set(rows['videos']))} clips", samples, OURS, grows=True)
    Record(
        "peers",
        "Peers: the same rows with the same weights by others",
        {**settings(arguments), "frames": FRAMES, "tolerance": TOLERANCE},
        [group],
        [] if arguments.quick else goals(group),
        {f"largest difference of a cosine from {name}": difference(results, name) for name in pythons},
        left_out,
    ).write(arguments.out)


def environments(arguments: Any) -> tuple[dict[str, Path], list[str]]:
    """Return the interpreter of each peer, and why others have none; a quick run installs nothing."""
    found: dict[str, Path] = {}
    left_out: list[str] = []
    for name in PACKAGES:
        python = getattr(arguments, name.lower().replace("-", "_"))
        try:
            if python is None and arguments.quick:
                raise OSError("nothing is installed in a quick run")
            # As it is named: an environment is told by its link to the interpreter.
            found[name] = python.absolute() if python is not None else installed(name, arguments.work / "peers")
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", "") or str(error)
            left_out.append(f"Left out here: {name} ({said.strip().splitlines()[-1]}).")
    return found, left_out


def installed(name: str, folder: Path) -> Path:
    """Return the interpreter of an environment with a peer, made where it is not there.

    Raises:
        CalledProcessError: pip cannot install it.
    """
    own = (folder / name.lower()).absolute()
    python, done = own / "bin" / "python", own / ".installed"
    if not done.exists():
        print(f"installing {name} in {own}", flush=True)
        venv.create(own, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", *PACKAGES[name]], check=True, capture_output=True, text=True
        )
        done.touch()
    return python


def positions(videos: list[str]) -> dict[str, list[int]]:
    """Return the places of the frames that are compared, in order of display, for peers that take frames."""
    from vqe_core.media import as_media_source, open_video
    from vqe_core.samplers import UniformSampler

    tables = {path: open_video(as_media_source(path)).table for path in dict.fromkeys(videos)}
    return {path: [int(i) for i in UniformSampler(FRAMES).select(table)] for path, table in tables.items()}


def run_job(job: Job) -> dict[str, Any]:
    """Compare the captions with the clips by this package, in this process."""
    from benchmarks.usage import measured
    from vqe_core import VideoAudioSimilarity

    scorer = VideoAudioSimilarity(hf_clip=job["model"], method="description", frame_num=job["frames"], progress=False)
    warm = {"path": job["videos"][0], "start": 0.0, "end": 1.0}
    scorer.score(videos=[warm], audio_descriptions=["a dog runs"])
    report, cost = measured(lambda: scorer.score(videos=job["videos"], audio_descriptions=job["captions"]))
    return {**cost, "cosines": report.rows["similarity"]}


def difference(results: dict[str, list[dict[str, Any]]], name: str) -> float:
    """Return the largest difference of a cosine between a peer and ours.

    Raises:
        RuntimeError: they do not agree, so that times would compare different work.
    """
    peer, ours = results[name][0]["cosines"], results[OURS][0]["cosines"]
    # torchmetrics cuts off at 0.
    pairs = [(one, max(other, 0.0) if name == TORCHMETRICS else other) for one, other in zip(peer, ours, strict=True)]
    found = max(abs(one - other) for one, other in pairs)
    if not found <= TOLERANCE:
        raise RuntimeError(f"{name}: cosines differ by {found}, more than {TOLERANCE}; the times mean nothing")
    return found


def goals(group: Group) -> list[Target]:
    """Return the targets of this benchmark."""
    if DATA_JUICER not in group.samples:
        return []
    return [Target(f"wall time of {DATA_JUICER} over ours", median(group.ratios(DATA_JUICER)), at_least=WANTED)]


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
