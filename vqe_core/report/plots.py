"""Plots of results, for notebooks and apps. Needs matplotlib: pip install vqe-core[plots].

Conventions: a figure belongs to no window and no global state, so that threads may draw side by side.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from vqe_core.errors import InputError, MissingPackageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vqe_core.report.comparison import Comparison
    from vqe_core.report.explain import Explanation

LEAST_SPAN = 0.2  # cosine; the scores of one clip's frames differ by a few hundredths where nothing changes


def plot_profile(
    profile: Mapping[str, Any],
    title: str = "Does the audio fit the video, moment by moment?",
    whole: float | None = None,
) -> Figure:
    """Draw a profile of video-audio similarity: the matrix of windows, and its diagonal over time.

    Args:
        profile: one entry of ``profile`` from ``return_profile=True``; for a row of several videos, one of its list.
        title: above the plot.
        whole: similarity of the whole clip, for the dashed line. Default: the mean of the windows.

    Returns:
        The figure.

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
    _draw_diagonal(time_axes, _numbers(profile["similarity"]), times, profile, whole)
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_matrix(axes: Any, matrix: np.ndarray, times: np.ndarray) -> None:
    start, end = float(times[0, 0]), float(times[-1, 1])
    drawn = axes.imshow(matrix, origin="lower", extent=(start, end, start, end), cmap="viridis", aspect="equal")
    axes.set_xlabel("audio, s")
    axes.set_ylabel("video, s")
    axes.set_title("every window with every other", fontsize=9)
    axes.figure.colorbar(drawn, ax=axes, label="cosine", shrink=0.8)


def _draw_diagonal(
    axes: Any, similarity: np.ndarray, times: np.ndarray, profile: Mapping[str, Any], whole: float | None
) -> None:
    centres = times.mean(axis=1)
    axes.plot(centres, similarity, marker="o", markersize=4, color="#1f6286")
    level, name = (profile["mean"], "mean of the windows") if whole is None else (whole, "the whole clip")
    if level is not None:
        axes.axhline(level, color="#8a939b", linewidth=1, linestyle="--", label=name)
    worst = profile["worst"]
    if worst is not None:
        axes.axvspan(worst["start"], worst["end"], color="#b5501b", alpha=0.15, label="worst window")
    lag = profile["best_lag"]
    known = "" if lag is None else f" (best lag {lag:+.2f} s)"
    axes.set_title(f"video and audio of the same time{known}", fontsize=9)
    axes.set_xlabel("time, s")
    axes.set_ylabel("cosine")
    _widen(axes)
    axes.legend(fontsize=8, loc="best")


def _widen(axes: Any) -> None:
    """Let the axis of cosines cover at least ``LEAST_SPAN``: else a hundredth of noise fills the plot."""
    low, high = axes.get_ylim()
    if high - low < LEAST_SPAN:
        middle = (low + high) / 2
        axes.set_ylim(middle - LEAST_SPAN / 2, middle + LEAST_SPAN / 2)


def _numbers(values: Any) -> np.ndarray:
    """Return lists as a float array; None, what was not measured, becomes NaN."""
    return np.array(values, dtype=float)


def plot_words(explanation: Explanation, title: str | None = None) -> Figure:
    """Draw how well each word of a caption finds each sampled frame, with the frames and their times on top.

    The best frame of a word is outlined, unless all frames are as good as alike to it.

    Args:
        explanation: from ``explain_emscore``.
        title: above the plot. Default: the caption.

    Returns:
        The figure.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    evidence, frames = explanation.evidence, explanation.frames
    rows, columns = evidence.similarity.shape
    width, aspect = max(6.0, 1.5 + 0.78 * columns), frames.shape[1] / frames.shape[2]
    strip_height = (width - 1.5) / columns * aspect
    figure = _figure(width=width, height=strip_height + 0.3 * rows + 0.9)
    strip, words = figure.subplots(2, 1, height_ratios=[strip_height, 0.3 * rows], sharex=True)
    for i, pixels in enumerate(frames):
        strip.imshow(pixels, extent=(i - 0.48, i + 0.48, 0.0, 1.0), aspect="auto")
    strip.set(xlim=(-0.5, columns - 0.5), ylim=(0.0, 1.0))
    strip.axis("off")
    drawn = words.imshow(evidence.similarity, aspect="auto", cmap="viridis")
    words.set_yticks(range(rows), [f"({w.text})" if w.special else w.text for w in explanation.words])
    words.set_xticks(range(columns), [name.removesuffix(" s") for name in explanation.frame_names], fontsize=8)
    words.set_xlabel("frame" if explanation.timestamps is None else "time, s")
    for row, best in enumerate(explanation.best_frame):
        if best is not None:
            outline = {"fill": False, "edgecolor": "white", "linewidth": 1.6}
            words.add_patch(_rectangle((best - 0.46, row - 0.44), 0.92, 0.88, **outline))
    figure.colorbar(drawn, ax=words, label="cosine")
    figure.suptitle(explanation.caption if title is None else title, fontsize=11, wrap=True)
    return figure


def _rectangle(*args: Any, **options: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(*args, **options)


def plot_over_time(
    explanations: Sequence[Explanation], score: str = "EMScore(X,V)_full_F", title: str | None = None
) -> Figure:
    """Draw the score of each sampled frame over time, a line a caption; the dashed line is the whole video's.

    Args:
        explanations: of one video, from ``explain_emscore`` or ``explain_captions``.
        score: ``"<score type>_<metric>"``.
        title: above the plot. Default: the name of the score.

    Returns:
        The figure.

    Raises:
        InputError: no explanation, or one without this score.
        MissingPackageError: matplotlib is not installed.
    """
    if not explanations:
        raise InputError("explanations is empty; give at least one, from explain_emscore")
    figure = _figure(width=8.0, height=3.2 + 0.2 * len(explanations))
    axes = figure.subplots()
    clock = explanations[0].timestamps is not None
    for explanation in explanations:
        times, values = explanation.over_time(score)
        (line,) = axes.plot(times, values, marker="o", markersize=4, label=explanation.caption)
        axes.axhline(explanation.scores[score], color=line.get_color(), linewidth=1, linestyle="--")
    axes.set_xlabel("time, s" if clock else "frame")
    axes.set_ylabel("cosine")
    _widen(axes)
    axes.set_title(score if title is None else title, fontsize=10)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0.0, -0.2), frameon=False)
    return figure


def plot_captions(
    captions: Sequence[str], scores: Sequence[float], frames: np.ndarray, title: str, score: str = "score"
) -> Figure:
    """Draw the scores of captions of one video as bars, its frames above them.

    Args:
        captions: at least one.
        scores: of each.
        frames: uint8 (N, H, W, 3) RGB.
        title: above the plot, for example the verdict.
        score: what the bars are.

    Returns:
        The figure.

    Raises:
        InputError: no caption, or not one score each.
        MissingPackageError: matplotlib is not installed.
    """
    if not captions or len(captions) != len(scores):
        raise InputError(f"captions ({len(captions)}) must be at least one, with a score each ({len(scores)})")
    shown = frames[np.unique(np.linspace(0, len(frames) - 1, min(8, len(frames))).round().astype(int))]
    height = 9.0 / len(shown) * shown.shape[1] / shown.shape[2]
    height = min(2.2, height)
    figure = _figure(width=9.0, height=height + 0.62 * len(captions) + 1.2)
    strip, bars = figure.subplots(2, 1, height_ratios=[height, 0.62 * len(captions) + 0.4])
    strip.imshow(np.concatenate(list(shown), axis=1))
    strip.axis("off")
    for place, (caption, value) in enumerate(zip(captions, scores, strict=True)):
        bars.barh(place, value, height=0.3, color="#0e7490")
        words = caption if len(caption) <= 90 else caption[:89] + "…"
        bars.text(0, place - 0.26, words.replace("$", r"\$"), fontsize=9, ha="left", va="bottom")
        bars.text(value, place, f" {value:.3f}", fontsize=9, va="center")
    bars.set_ylim(len(captions) - 0.6, -0.75)
    bars.set_xlim(min(0.0, *scores), max(0.1, *scores) * 1.12)
    bars.set_yticks([])
    bars.set_xlabel(score)
    for side in ("top", "right", "left"):
        bars.spines[side].set_visible(False)
    figure.suptitle(title, fontsize=11, wrap=True)
    return figure


def plot_comparison(comparison: Comparison, title: str | None = None) -> Figure:
    """Draw the means of systems and their paired differences with intervals; what differs stands out.

    Args:
        comparison: from ``compare``.
        title: above the plot. Default: the name of the score.

    Returns:
        The figure.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    score = comparison.headline
    means = [(s.name, s.mean, s.low, s.high, True) for s in score.systems]
    pairs = [(f"{p.first} − {p.second}", p.difference, p.low, p.high, p.differs) for p in score.pairs]
    figure = _figure(width=9.0, height=1.6 + 0.32 * max(len(means), len(pairs)))
    for axes, lines, name in zip(figure.subplots(1, 2), (means, pairs), ("mean", "paired difference"), strict=True):
        for place, (_, value, low, high, differs) in enumerate(lines):
            colour = "#1f6286" if differs else "#8a939b"
            axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
            axes.plot([value], [place], marker="o", color=colour)
        axes.set_yticks(range(len(lines)), [label for label, *_ in lines])
        axes.set_ylim(len(lines) - 0.5, -0.5)  # the best on top
        axes.set_xlabel(f"{name}, {100 * comparison.settings['confidence']:g} % interval")
        if lines is pairs:
            axes.axvline(0.0, color="#8a939b", linewidth=1, linestyle="--")
    figure.suptitle(score.score if title is None else title, fontsize=11)
    return figure


def _figure(width: float, height: float) -> Figure:
    try:
        shown = _shown_figure()
    except ImportError as error:
        raise MissingPackageError("plots need matplotlib (pip install vqe-core[plots])") from error
    return shown(figsize=(width, height), layout="constrained")


@cache
def _shown_figure() -> type[Figure]:
    """Return a class of figures that notebooks show; a plain ``Figure`` they show only after importing pyplot."""
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    return ShownFigure
