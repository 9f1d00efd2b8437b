"""Option names to samplers."""

from __future__ import annotations

import re

import pytest

from vqe_core.errors import InputError
from vqe_core.samplers import sampler_spec
from vqe_core.samplers.base import sampler_from_options


@pytest.mark.parametrize(
    ("options", "spec"),
    [
        ({}, {"name": "uniform", "frame_num": 10}),
        ({"frame_num": 4}, {"name": "uniform", "frame_num": 4}),
        ({"frame_sampling_method": "uniform"}, {"name": "uniform", "frame_num": 10}),
        ({"every_n_seconds": 0.5}, {"name": "every_n_seconds", "every_n_seconds": 0.5}),
        ({"every_n_frames": 8}, {"name": "every_n_frames", "every_n_frames": 8}),
        (
            {"frame_sampling_method": "every_n_frames", "every_n_frames": 8},
            {"name": "every_n_frames", "every_n_frames": 8},
        ),
        ({"frame_sampling_method": "all_keyframes"}, {"name": "all_keyframes"}),
        ({"frame_sampling_method": "scene"}, {"name": "scene", "threshold": 30.0}),
        ({"frame_sampling_method": "all"}, {"name": "all"}),
    ],
)
def test_options_name_a_sampler(options, spec):
    assert sampler_spec(sampler_from_options(**options, default_frame_num=10)) == spec


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"every_n_seconds": 1, "every_n_frames": 2},
            "every_n_seconds (1) and every_n_frames (2) exclude each other; give one",
        ),
        (
            {"every_n_seconds": 1, "frame_num": 3},
            "frame_num (3) cannot be used with frame_sampling_method 'every_n_seconds'",
        ),
        ({"frame_sampling_method": "all", "every_n_frames": 2}, "every_n_frames (2) cannot be used with"),
        ({"frame_sampling_method": "every_n_frames"}, "frame_sampling_method 'every_n_frames' needs every_n_frames"),
        ({"frame_sampling_method": "random"}, "sampler 'random' is not known; use one of all, all_keyframes"),
        ({"every_n_seconds": 0}, "every_n_seconds (0) must be a positive finite number"),
        ({"every_n_frames": 1.5}, "every_n_frames (1.5) must be a whole number of at least 1"),
        ({"frame_num": 0}, "frame_num (0) must be a whole number of at least 1"),
    ],
)
def test_options_that_cannot_be_used_together(options, words):
    with pytest.raises(InputError, match=re.escape(words)):
        sampler_from_options(**options, default_frame_num=10)
