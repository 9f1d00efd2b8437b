"""The optimiser of every training stage: AdamW, its learning rate, running figures for the log."""

import logging
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

WARMUP = 150  # steps
logger = logging.getLogger(__name__)


def make_optimiser(parameters: Iterable[nn.Parameter]) -> torch.optim.AdamW:
    """Make AdamW with weight decay on matrices only."""
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": 0.05},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98))


def take_step(optimiser: torch.optim.Optimizer, loss: Tensor, rate: float) -> None:
    """Take one step of learning rate ``rate`` along the gradient of ``loss``, clipped to length 1."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], 1.0)
    optimiser.step()


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Rise linearly for ``WARMUP`` steps while falling to 2 % of ``peak`` along a cosine."""
    fall = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps))
    return peak * min(1.0, (step + 1) / WARMUP) * fall


class RunningMeans:
    """Smoothed figures of a training run, for the log."""

    def __init__(self) -> None:
        self.means: dict[str, float] = {}

    def update(self, **figures: float) -> None:
        for name, figure in figures.items():
            self.means[name] = 0.98 * self.means.get(name, figure) + 0.02 * figure

    def report(self, step: int, steps: int) -> None:
        """Log every hundredth step and the last."""
        if step % 100 == 0 or step == steps:
            logger.info("step %d of %d: %s", step, steps, " ".join(f"{k} {v:.3f}" for k, v in self.means.items()))
