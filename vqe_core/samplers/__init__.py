"""Which frames of a video to look at: arithmetic on the frame table, no decoding."""

from __future__ import annotations

from vqe_core.samplers.cap import cap_positions
from vqe_core.samplers.protocol import FrameSampler, check_count, sampler_spec

__all__ = ["FrameSampler", "cap_positions", "check_count", "sampler_spec"]
