"""How often intervals hold and tests are wrong, on simulated scores with several captions a video.

    python -m benchmarks.intervals --simulations 1000

Each simulation draws two systems of equal quality (or one that is better by a known amount) over videos that share
something by video, and with them one draw of clips whose images and sounds have nothing to do with each other.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
from torch import Tensor

from vqe_core.functional.calibration import calibrate
from vqe_core.functional.statistics import (
    VideoSums,
    bca_interval,
    bootstrap_means,
    jackknife_means,
    percentile_interval,
    randomisation_p_values,
    sums_by_video,
)

PAIR = torch.tensor([[0, 1]])
NUM_RESAMPLES = 999  # of each simulation


@dataclass(frozen=True)
class Design:
    """Simulated data.

    Attributes:
        videos: number of videos.
        captions: of each video; 0 for 1 to 10, drawn at random.
        skewed: whether scores have a long tail to the right.
        shift: true difference of the two systems.
    """

    videos: int
    captions: int
    skewed: bool = False
    shift: float = 0.0

    def draw(self, generator: torch.Generator) -> VideoSums:
        """Draw the scores of two systems: by video, by video and system, and by row."""
        counts = torch.full((self.videos,), self.captions)
        if not self.captions:
            counts = torch.randint(1, 11, (self.videos,), generator=generator)
        of_row = torch.arange(self.videos).repeat_interleave(counts)

        def noise(*size: int) -> Tensor:
            normal = torch.randn(*size, generator=generator, dtype=torch.float64)
            return (normal.exp() - 1.6487212707001282) / 2.16 if self.skewed else normal  # mean 0, deviation 1

        scores = noise(self.videos)[of_row] + 0.5 * noise(2, self.videos)[:, of_row] + 0.5 * noise(2, len(of_row))
        scores[0] += self.shift
        return sums_by_video(scores, of_row)

    @property
    def words(self) -> str:
        """The design in words."""
        captions = f"{self.captions} captions" if self.captions else "1 to 10 captions"
        return f"{self.videos} videos x {captions}{', skewed' if self.skewed else ''}"


DESIGNS = (
    Design(20, 5),
    Design(60, 1),
    Design(60, 5),
    Design(60, 0),
    Design(60, 5, skewed=True),
    Design(60, 5, shift=0.3),
    Design(300, 10),
)


def measure(design: Design, simulations: int) -> dict[str, float]:
    """Return shares of simulations: intervals that hold the true value, and p-values of at most .05."""
    generator = torch.Generator().manual_seed(0)
    held = dict.fromkeys(("mean, percentile", "mean, BCa", "difference, percentile", "difference, BCa"), 0)
    found = 0
    for seed in range(simulations):
        sums = design.draw(generator)
        drawn = bootstrap_means(sums, seed=seed, num_resamples=NUM_RESAMPLES)
        left_out, means = jackknife_means(sums), sums.means
        # The first system, and the difference of the two.
        sets = [torch.stack([x[..., 0], x[..., 0] - x[..., 1]], dim=-1) for x in (drawn, means, left_out)]
        truth = torch.full((2,), design.shift, dtype=torch.float64)
        intervals = {
            "percentile": percentile_interval(sets[0], num_videos=design.videos),
            "BCa": bca_interval(*sets, expanded=True),
        }
        for kind, interval in intervals.items():
            holds = ((interval[:, 0] <= truth) & (truth <= interval[:, 1])).tolist()
            for what, one in zip(("mean", "difference"), holds, strict=True):
                held[f"{what}, {kind}"] += one
        found += int(randomisation_p_values(sums, PAIR, seed=seed, num_resamples=NUM_RESAMPLES) <= 0.05)
    return {**{name: count / simulations for name, count in held.items()}, "p <= .05": found / simulations}


def permutation_level(clips: int, rows: int, simulations: int) -> float:
    """Return P(p <= .05) of `calibrate` where nothing belongs together and each clip stands in several rows."""
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(clips).repeat_interleave(rows)
    low = 0
    for seed in range(simulations):
        images = torch.randn(clips, 16, generator=generator)[groups]
        images = images + 0.3 * torch.randn(len(groups), 16, generator=generator)
        sounds = torch.randn(clips, 16, generator=generator)[groups]
        low += calibrate(images @ sounds.T, groups, seed=seed, num_permutations=199).p_value <= 0.05
    return low / simulations


def main() -> None:
    """Print the tables of the documentation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=1000)
    simulations = parser.parse_args().simulations
    print(f"{simulations} simulations, {NUM_RESAMPLES} resamples each; shares")
    for design in DESIGNS:
        shares = "  ".join(f"{name} {share:.3f}" for name, share in measure(design, simulations).items())
        print(f"{design.words}, true difference {design.shift}: {shares}", flush=True)
    for clips, rows in ((6, 1), (6, 20), (40, 20)):
        print(
            f"p of {clips} clips x {rows} rows: P(p <= .05) {permutation_level(clips, rows, simulations):.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
