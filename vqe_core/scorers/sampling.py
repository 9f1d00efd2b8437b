"""The sampling options that users know, to one sampler."""

from __future__ import annotations

import dataclasses
from typing import Any

from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.samplers import FrameSampler


def sampler_from_options(
    *,
    frame_sampling_method: str | None = None,
    every_n_seconds: float | None = None,
    every_n_frames: int | None = None,
    frame_num: int | None = None,
    default_frame_num: int,
) -> FrameSampler:
    """Build the sampler that the options name.

    Args:
        frame_sampling_method: a registered sampler; None: what the other options say, else ``"uniform"``.
        every_n_seconds: seconds between frames.
        every_n_frames: step between frames.
        frame_num: number of frames, for samplers with that option.
        default_frame_num: for ``"uniform"`` where ``frame_num`` is None.

    Raises:
        InputError: options that exclude each other, or one that the sampler does not have.
    """
    options: dict[str, Any] = {
        "every_n_seconds": every_n_seconds,
        "every_n_frames": every_n_frames,
        "frame_num": frame_num,
    }
    given = {name: value for name, value in options.items() if value is not None}
    if "every_n_seconds" in given and "every_n_frames" in given:
        raise InputError(
            f"every_n_seconds ({every_n_seconds}) and every_n_frames ({every_n_frames}) exclude each other; give one"
        )
    method = frame_sampling_method or next((name for name in given if name != "frame_num"), "uniform")
    sampler_class = registry.load("sampler", method)
    accepted = {field.name for field in dataclasses.fields(sampler_class)}
    unused = [f"{name} ({value})" for name, value in given.items() if name not in accepted]
    if unused:
        raise InputError(
            f"{' and '.join(unused)} cannot be used with frame_sampling_method {method!r}, "
            f"which takes {', '.join(sorted(accepted)) or 'no option'}; leave one of them out"
        )
    if method == "uniform":
        given.setdefault("frame_num", default_frame_num)
    missing = sorted(accepted & set(options) - set(given)) if method in options else []
    if missing:
        raise InputError(f"frame_sampling_method {method!r} needs {missing[0]}; give a value")
    sampler: FrameSampler = sampler_class(**given)
    return sampler
