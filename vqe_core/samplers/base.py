"""Interface of frame samplers, their choice by option, and the rules that all of them share."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.options import check_count
from vqe_core.types import FrameTable, RowWarning


@runtime_checkable
class FrameSampler(Protocol):
    """Chooses frames from the table of a video.

    A sampler is a frozen dataclass whose fields are its options. ``needs_differences`` says that ``select``
    reads ``table.differences``.
    """

    name: ClassVar[str]
    needs_differences: ClassVar[bool]

    def select(self, table: FrameTable) -> np.ndarray:
        """Return positions in ``table`` to use: int64, not decreasing, at least one; repeats count twice."""
        ...


def sampler_spec(sampler: FrameSampler) -> dict[str, Any]:
    """Return the sampler's name and options, for the signature and the cache key."""
    return {"name": sampler.name, **dataclasses.asdict(sampler)}  # type: ignore[call-overload]


def check_not_empty(table: FrameTable) -> None:
    """Raise `InputError` if the table has no frame to choose from."""
    if len(table) == 0:
        raise InputError("the frame table is empty: there is no frame to choose")


def cap_positions(positions: np.ndarray, max_frames: int) -> tuple[np.ndarray, RowWarning | None]:
    """Thin a selection evenly if it has more than ``max_frames`` distinct frames.

    The distinct frames kept are those at ``linspace`` over the distinct frames selected, first and last
    included; a frame that was sampled twice and is kept stays sampled twice.

    Args:
        positions: int64, not decreasing, as a sampler returns them.
        max_frames: distinct frames that may be held at once, at least 1.

    Returns:
        The positions to use, and a warning for the row, None where nothing was left out.
    """
    check_count("max_frames", max_frames)
    distinct = np.unique(positions)
    if len(distinct) <= max_frames:
        return positions, None
    kept = distinct[np.linspace(0, len(distinct) - 1, max_frames).astype(np.int64)]
    text = f"sampled {len(distinct)} frames, kept {max_frames} evenly (max_frames={max_frames})"
    note = RowWarning(text, code="frames_left_out", count=len(distinct) - max_frames)
    return positions[np.isin(positions, kept)], note


def choose_sampler(value: Any, *, option: str = "sampler") -> FrameSampler:
    """Return the sampler that a user gave: an object as it is, a spec as the sampler that it names.

    Raises:
        InputError, InputTypeError: neither.

    Example:
        >>> choose_sampler("scene:threshold=10")
        SceneSampler(threshold=10.0)
    """
    sampler: FrameSampler = registry.choose("sampler", value, option=option, methods=("select",))
    return sampler


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
