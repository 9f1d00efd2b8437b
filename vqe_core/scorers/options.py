"""The options of the metrics, by the names users know. Imports no torch: the command line reads this file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from vqe_core.errors import InputTypeError
from vqe_core.options import (
    AnyOrAll,
    Backend,
    FrameAggregation,
    LongText,
    Method,
    MultiReference,
    OnError,
    ReduceMode,
    check_choice,
    check_count,
    check_positive,
    option,
)


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """What every metric takes."""

    max_frames: int = option(512, "most distinct frames of one video; more are thinned evenly, and the row says so")
    batch_size: int | None = option(
        None,
        "pictures or texts a forward pass (default: 32; on a graphics card measured for pictures); changes speed and "
        "memory, scores by rounding only",
        changes_scores=False,
    )
    device: str = option("auto", "auto (cuda, mps or cpu) or a torch device", changes_scores=False)
    dtype: str = option("auto", "auto (float32), float32, bfloat16 or float16")
    backend: Backend = option(
        "auto", "what encodes pictures: auto (torch), torch, compile (torch.compile), or openvino (on the CPU)"
    )
    decoder: Any = option("auto", "auto (pyav), pyav, or nvdec: video files on an NVIDIA card by torchcodec")
    per_sample: bool = option(False, "add 'samples': one list a column, an entry a row", python_only=True)
    on_error: OnError = option("raise", "rows that cannot be scored: raise, warn or skip")
    cache_dir: Any = option(
        None,
        "folder of stored embeddings, shared by metrics and processes (default: none; of the command: what vqe cache "
        "info shows)",
        changes_scores=False,
    )
    isolate: bool | None = option(
        None, "decode in worker processes that a bad file cannot take along (default: where many files are decoded)"
    )
    row_timeout: float = option(120.0, "seconds that a worker process may decode for one row")
    progress: bool | None = option(
        None, "progress bars: true, false, or on a terminal only (default)", changes_scores=False
    )
    video_key: str = option("video_path", "column of the videos")
    start_key: str | None = option(None, "column of where each row's segment starts, in seconds (default: none)")
    end_key: str | None = option(None, "column of where each row's segment ends, in seconds (default: none)")
    status_key: str = option("status", "column to write what became of each row to", written=True)
    message_key: str = option("message", "column to write remarks and reasons to", written=True)
    every_n_seconds: float | None = option(None, "sample a frame every so many seconds, by presentation time")
    every_n_frames: int | None = option(None, "sample every so many frames")
    frame_sampling_method: str | None = option(
        None, "uniform (default), middle, every_n_seconds, every_n_frames, all_keyframes, scene or all"
    )

    @property
    def video_reader(self) -> Any:
        """The reader of files that the options name, None for the usual one."""
        from vqe_core.media import choose_reader

        return choose_reader(self.decoder, option="decoder")


@dataclass(frozen=True, kw_only=True)
class EMScoreOptions(SharedOptions):
    """Options of EMScore, each under the name it has in Python, in ``evaluate`` and on the command line."""

    frame_num: int | None = option(None, "frames of uniform sampling (default 10, the paper's)")
    return_all_frames: bool = option(False, "add 'frame_details': the scores of each sampled frame")
    clip_model_path: Any = option(
        "openai/clip-vit-base-patch32",
        "hub id (id@revision), local folder, OpenAI name such as ViT-B/32, or toy",
        names="model",
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
        names="file",
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


@dataclass(frozen=True, kw_only=True)
class VideoAudioOptions(SharedOptions):
    """Options of video-audio similarity, by the names they have in Python, ``evaluate`` and on the command line."""

    frame_num: int | None = option(None, "frames of uniform sampling (default 3; 1 takes the middle, 2 the ends)")
    hf_clip: Any = option(
        "openai/clip-vit-base-patch32",
        "image-text model, or joint model such as facebook/pe-av-small-16-frame, or toy",
        names="model",
    )
    hf_clap: Any = option(
        None, "model that tags sounds (default laion/clap-htsat-unfused, or what hf_clip brings along)", names="model"
    )
    method: Method = option("auto", "description, tags, joint, judge, or auto (the first that inputs and model allow)")
    reduce_mode: ReduceMode = option("avg", "similarity of a row from its frames or windows: avg, max or min")
    any_or_all: AnyOrAll = option("any", "a row of several videos passes if any, or if all of them pass")
    min_score: float | None = option(None, "lowest similarity that passes the filter (default: none)")
    max_score: float | None = option(None, "highest similarity that passes the filter (default: none)")
    min_percentile: float | None = option(None, "lowest percentile among mismatches that passes (default: none)")
    horizontal_flip: bool = option(False, "also compare each frame flipped left to right")
    vertical_flip: bool = option(False, "also compare each frame flipped top to bottom")
    window: float | None = option(None, "seconds of sound heard at once (default: the model's)")
    hop: float | None = option(None, "seconds between two windows (default: the window)")
    labels: Any = option(None, "sounds to tell apart by tags (default: the model's or about 60 of our own)", many=True)
    return_profile: bool = option(False, "add 'profile': similarity over time, worst window and best lag")
    describer: Any = option(None, "function or object that describes sounds in words", python_only=True)
    judge: Any = option(None, "function or object that sees and hears, and says how well they fit", python_only=True)
    api_url: str | None = option(None, "OpenAI-compatible endpoint that describes sounds, or judges (default: none)")
    model_name: str | None = option(None, "model at api_url")
    max_workers: int = option(8, "most requests to api_url at a time", changes_scores=False)
    reference_bank: Any = option(
        None, "file of other sounds to measure percentiles against, written by fit_bank", names="file"
    )
    seed: int = option(0, "of the shuffles behind p_value")
    trust_remote_code: bool = option(False, "only false: code from a checkpoint is never run")
    audio_key: str = option("audio_path", "column of the sounds; without it each video's own track is used")
    description_key: str = option("audio_description", "column of sound descriptions")
    group_key: str = option("group", "column that is equal for rows that share a sound")


# What `vqe score` offers: options and a line on each metric.
COMMAND_OPTIONS: dict[str, tuple[type[SharedOptions], str]] = {
    "emscore": (EMScoreOptions, "EMScore: does a caption fit a video, its reference captions, or both?"),
    "video_audio_similarity": (VideoAudioOptions, "Video-audio similarity: does the sound fit the picture?"),
}


def check_running(options: SharedOptions) -> None:
    """Check the options that every metric takes on how to run.

    Raises:
        InputError: one breaks its rule.
    """
    check_count("max_frames", options.max_frames)
    if options.batch_size is not None:
        check_count("batch_size", options.batch_size)
    check_choice("backend", options.backend, Backend)
    _ = options.video_reader
    check_positive("row_timeout", options.row_timeout, "seconds")
    if options.cache_dir is not None and not isinstance(options.cache_dir, str | os.PathLike):
        raise InputTypeError(f"cache_dir ({options.cache_dir!r}) must be the path of a folder, or None for no cache")
