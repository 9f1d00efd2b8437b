"""Pictures of results, for notebooks and apps. Needs matplotlib: pip install vqe-core[plots]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vqe_core.errors import InputError, MissingPackageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_profile(
    profile: Mapping[str, Any], title: str = "Does the sound fit the picture, moment by moment?"
) -> Figure:
    """Draw a profile of video-audio similarity: the matrix of windows, and its diagonal over time.

    Args:
        profile: one entry of ``profile`` from ``return_profile=True``; for a row of several videos, one of its list.
        title: above the picture.

    Returns:
        A figure that belongs to no window and no global state, so that threads may draw side by side.

    Raises:
        InputError: the row failed and has no profile.
        MissingPackageError: matplotlib is not installed.
    """
    if not isinstance(profile, Mapping):
        raise InputError(f"profile ({type(profile).__name__}) must be one video's profile; a failed row has none")
    figure = _figure(width=9.0, height=3.6)
    matrix_axes, time_axes = figure.subplots(1, 2, width_ratios=[1.0, 1.6])
    times = np.array(profile["times"])
    _draw_matrix(matrix_axes, _numbers(profile["matrix"]), times)
    _draw_diagonal(time_axes, _numbers(profile["similarity"]), times, profile)
    figure.suptitle(title, fontsize=11)
    return figure


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("plots need matplotlib (pip install vqe-core[plots])") from error
    return Figure(figsize=(width, height), layout="constrained")


def _numbers(values: Any) -> np.ndarray:
    """Float array of lists in which None stands for what was not measured."""
    return np.array(values, dtype=float)


def _draw_matrix(axes: Any, matrix: np.ndarray, times: np.ndarray) -> None:
    start, end = float(times[0, 0]), float(times[-1, 1])
    drawn = axes.imshow(matrix, origin="lower", extent=(start, end, start, end), cmap="viridis", aspect="equal")
    axes.set_xlabel("sound, s")
    axes.set_ylabel("picture, s")
    axes.set_title("every window with every other", fontsize=9)
    axes.figure.colorbar(drawn, ax=axes, label="cosine", shrink=0.8)


def _draw_diagonal(axes: Any, similarity: np.ndarray, times: np.ndarray, profile: Mapping[str, Any]) -> None:
    centres = times.mean(axis=1)
    axes.plot(centres, similarity, marker="o", markersize=4, color="#1f6286")
    if profile["mean"] is not None:
        axes.axhline(profile["mean"], color="#8a939b", linewidth=1, linestyle="--", label="mean")
    worst = profile["worst"]
    if worst is not None:
        axes.axvspan(worst["start"], worst["end"], color="#b5501b", alpha=0.15, label="worst window")
    lag = profile["best_lag"]
    known = "" if lag is None else f" (best lag {lag:+.2f} s)"
    axes.set_title(f"picture and sound of the same time{known}", fontsize=9)
    axes.set_xlabel("time, s")
    axes.set_ylabel("cosine")
    axes.legend(fontsize=8, loc="best")
