"""Samplers say which frames of a video to look at: arithmetic on the frame table, no decoding."""

from __future__ import annotations

from vqe_core.samplers.base import FrameSampler, cap_positions, sampler_spec
from vqe_core.samplers.content_based import AllKeyframesSampler, SceneSampler
from vqe_core.samplers.index_based import AllFramesSampler, EveryNFramesSampler, MiddleSampler, UniformSampler
from vqe_core.samplers.time_based import EveryNSecondsSampler

__all__ = [
    "AllFramesSampler",
    "AllKeyframesSampler",
    "EveryNFramesSampler",
    "EveryNSecondsSampler",
    "FrameSampler",
    "MiddleSampler",
    "SceneSampler",
    "UniformSampler",
    "cap_positions",
    "sampler_spec",
]
