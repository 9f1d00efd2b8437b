"""The options of the metrics, by the names users know. Imports no torch: the command line reads this file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vqe_core.choices import FrameAggregation, LongText, MultiReference, OnError


def option(default: Any, help_text: str, **command_line: Any) -> Any:
    """A dataclass field with what the command line shows of it.

    Args:
        default: in Python.
        help_text: one line.
        command_line: ``many=True`` takes several values, ``python_only=True`` makes no flag, ``bare`` is what
            the flag alone means, ``metavar``.
    """
    return field(default=default, metadata={"help": help_text, **command_line})


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """What every metric takes."""

    max_frames: int = option(512, "most distinct frames of one video; more are thinned evenly, and the row says so")
    batch_size: int = option(32, "pictures or texts a forward pass; changes speed and memory, not scores")
    device: str = option("auto", "auto (cuda, mps or cpu) or a torch device")
    dtype: str = option("auto", "auto (float32), float32, bfloat16 or float16")
    per_sample: bool = option(False, "add 'samples': one list a column, an entry a row", python_only=True)
    on_error: OnError = option("raise", "rows that cannot be scored: raise, warn or skip")
    progress: bool | None = option(None, "progress bars: true, false, or on a terminal only (default)")
    video_key: str = option("video_path", "column of the videos")
    start_key: str | None = option(None, "column of where each row's segment starts, in seconds (default: none)")
    end_key: str | None = option(None, "column of where each row's segment ends, in seconds (default: none)")


@dataclass(frozen=True, kw_only=True)
class EMScoreOptions(SharedOptions):
    """Options of EMScore, each under the name it has in Python, in ``evaluate`` and on the command line."""

    every_n_seconds: float | None = option(None, "sample a frame every so many seconds, by presentation time")
    every_n_frames: int | None = option(None, "sample every so many frames")
    frame_sampling_method: str | None = option(
        None, "uniform (default), every_n_seconds, every_n_frames, all_keyframes, scene or all"
    )
    frame_num: int | None = option(None, "frames of uniform sampling (default 10, the paper's)")
    return_all_frames: bool = option(False, "add 'frame_details': the scores of each sampled frame")
    clip_model_path: Any = option(
        "openai/clip-vit-base-patch32", "hub id (id@revision), local folder, OpenAI name such as ViT-B/32, or toy"
    )
    score_types: Any = option(
        None, "EMScore(X,V), EMScore(X,X*), EMScore(X,V,X*); default: all the inputs allow", many=True, metavar="TYPE"
    )
    metrics: Any = option(
        None, "figr_P figr_R figr_F cogr full_P full_R full_F; default: all", many=True, metavar="METRIC"
    )
    idf: Any = option(
        False,
        "token weights: false, true (fitted on the references, else the predictions), or a saved idf file",
        bare="true",
    )
    frame_aggregation: FrameAggregation = option(
        "video", "video (the paper's: all frames at once) or mean_of_frames (each frame a video, averaged)"
    )
    long_text: LongText = option("windows", "captions beyond the model's context: windows, truncate or error")
    multi_reference: MultiReference = option(
        "max_component", "several references: max_component (the paper's) or best_reference (one for all metrics)"
    )
    candidate_key: str = option("candidate", "column of the captions")
    reference_key: str = option("reference", "column of the reference captions")


# What `vqe score` offers: options and a line on each metric.
COMMAND_OPTIONS: dict[str, tuple[type[SharedOptions], str]] = {
    "emscore": (EMScoreOptions, "EMScore: does a caption fit a video, its reference captions, or both?"),
}
