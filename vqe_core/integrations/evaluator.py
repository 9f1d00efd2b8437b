"""Evaluator of ``evaluate`` for video captions: a model or a function, a data set, a metric; scores and times out.

``evaluate`` has no such task, and makes its pipelines with a class that transformers 5 no longer has, so this one makes
its own.
"""

from __future__ import annotations

import dataclasses
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from evaluate.evaluator.base import Evaluator
from evaluate.evaluator.utils import DatasetColumn
from transformers import PreTrainedModel

from vqe_core.errors import InputError, attempt
from vqe_core.functional.statistics import (
    NUM_RESAMPLES,
    bca_interval,
    bootstrap_means,
    jackknife_means,
    sums_by_video,
)
from vqe_core.media import Video, as_media_source, source_identity
from vqe_core.options import check_count
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.workers import WorkerPool, open_video_in

TASK = "video-captioning"


class VideoCaptioningEvaluator(Evaluator):
    """Evaluator that captions the videos of a data set and scores the captions.

    Args:
        generate_kwargs: for the ``generate`` of a model that is given bare.
        metric_options: for the metric's ``compute``, as ``clip_model_path="toy"`` or ``every_n_seconds=1``.

    Example:
        >>> import datasets
        >>> from vqe_core.toy.clips import make_clip, write_clip
        >>> _ = write_clip(make_clip(seed=7), "clip.mp4")
        >>> rows = datasets.Dataset.from_dict({"video": ["clip.mp4"], "reference": ["a red circle"]})
        >>> evaluator = VideoCaptioningEvaluator(clip_model_path="toy")  # a teaching model
        >>> captioner = lambda videos: ["a red circle" for _ in videos]
        >>> result = evaluator.compute(captioner, rows, label_column="reference")
        >>> round(result["EMScore(X,X*)_cogr"], 3), "samples_per_second" in result
        (1.0, True)
    """

    def __init__(self, generate_kwargs: Mapping[str, Any] | None = None, **metric_options: Any) -> None:
        super().__init__(TASK)
        self.generate_kwargs = dict(generate_kwargs or {})
        self.metric_options = metric_options

    def compute(
        self,
        model_or_pipeline: Any = None,
        data: Any = None,
        *,
        metric: Any = None,
        input_column: str = "video",
        label_column: str | None = "references",
        strategy: str = "simple",
        **host_options: Any,
    ) -> dict[str, Any]:
        """Caption and score.

        Args:
            model_or_pipeline: a function (or pipeline) from a list of videos to a caption each, as strings or as
                ``{"generated_text": caption}``; or a model of transformers, with ``tokenizer`` and
                ``feature_extractor`` (its image processor).
            data: ``datasets.Dataset``, or the name of one.
            metric: a module from ``evaluate.load``, its name or folder, or a scorer such as ``vqe_core.EMScore()``.
                Default: ``vqe_core.EMScore``.
            input_column: column of the videos.
            label_column: column of the reference captions, a string or a list of strings a row; None for none.
            strategy: ``"simple"``, or ``"bootstrap"``: each score as a dictionary of score, confidence interval
                and standard error. Videos are resampled, each with all its rows: captions of one video are not
                independent.
            host_options: of ``evaluate.Evaluator.compute``: subset, split, tokenizer, feature_extractor, device,
                confidence_level, n_resamples, random_state.

        Returns:
            The metric's result with ``total_time_in_seconds``, ``samples_per_second`` and ``latency_in_seconds`` of
            the captioning.

        Raises:
            InputError: a model without what it needs, or captions that are not one a video.
            ValueError: a column that is not there.
        """
        return super().compute(
            model_or_pipeline,
            data,
            metric=EMScore() if metric is None else metric,
            input_column=input_column,
            label_column=label_column,
            strategy=strategy,
            **host_options,
        )

    def prepare_data(
        self, data: Any, input_column: str, label_column: str | None, *args: Any, **kwargs: Any
    ) -> tuple[dict[str, Any], Any]:
        """Return the inputs of the metric, and the videos for the captioner."""
        columns = {"input_column": input_column, **({"label_column": label_column} if label_column else {})}
        self.check_required_columns(data, columns)
        references = {"references": list(data[label_column])} if label_column else {}
        videos = DatasetColumn(data, input_column)
        return {"videos": videos, **references}, videos

    def prepare_pipeline(
        self, model_or_pipeline: Any, tokenizer: Any = None, feature_extractor: Any = None, device: Any = None
    ) -> Any:
        """Make a function of a model with its tokenizer and image processor; return anything callable as it is."""
        if isinstance(model_or_pipeline, PreTrainedModel):
            device = None if device is None else "cpu" if device == -1 else device
            return FrameCaptioner(
                model_or_pipeline, tokenizer, feature_extractor, device, generate_kwargs=self.generate_kwargs
            )
        if not callable(model_or_pipeline):
            raise InputError(
                f"model_or_pipeline ({model_or_pipeline!r}) must be a model of transformers or a function from a "
                "list of videos to a list of captions; load a checkpoint first"
            )
        return model_or_pipeline

    def predictions_processor(self, predictions: Any, label_mapping: Any = None) -> dict[str, list[Any]]:
        """Read captions from what pipelines give: strings, ``{"generated_text"}``, or lists of one of these."""
        return {"predictions": [_caption(entry) for entry in predictions]}

    def compute_metric(
        self,
        metric: Any,
        metric_inputs: dict[str, Any],
        strategy: str = "simple",
        confidence_level: float = 0.95,
        n_resamples: int = 9999,
        random_state: int | None = None,
    ) -> dict[str, Any]:
        """Score; with ``"bootstrap"``, intervals come from the scores of the videos: nothing is scored twice."""
        if len(metric_inputs["predictions"]) != len(metric_inputs["videos"]):
            raise InputError(
                f"the captioner gave {len(metric_inputs['predictions'])} captions for {len(metric_inputs['videos'])} "
                "videos; it must give one each, in their order"
            )
        options = {**self.metric_options, **({"per_sample": True} if strategy == "bootstrap" else {})}
        if isinstance(metric, EMScore):  # a scorer keeps its options, a module takes them with the call
            result = dataclasses.replace(metric, **options).compute(**metric_inputs)
        else:
            result = metric.compute(**metric_inputs, **options)
        if strategy == "simple":
            return result
        settings: dict[str, Any] = {
            "confidence_level": confidence_level,
            "n_resamples": n_resamples,
            "random_state": random_state,
        }
        samples = result["samples"] if self.metric_options.get("per_sample") else result.pop("samples")
        videos = video_numbers(metric_inputs["videos"])
        intervals = {
            key: interval_of_mean(samples[key], videos, **settings)
            for key in result
            if key in samples and isinstance(result[key], float) and key not in EMScore.asked_for
        }
        return {key: {"score": value, **intervals[key]} if key in intervals else value for key, value in result.items()}


def _caption(entry: Any) -> Any:
    if isinstance(entry, list | tuple) and len(entry) == 1:
        entry = entry[0]
    if isinstance(entry, Mapping):
        entry = next((entry[key] for key in ("generated_text", "caption") if key in entry), entry)
    if not isinstance(entry, str):
        raise InputError(f"the captioner must give strings or {{'generated_text': string}}, got {entry!r}")
    return entry


def video_numbers(videos: Iterable[Any]) -> np.ndarray:
    """Return a number for each row, int (N,), equal where rows show the same video; its segments are one video."""
    keys = [attempt(_identity, video) for video in videos]
    known: dict[Any, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def _identity(video: Any) -> str:
    return source_identity(dataclasses.replace(as_media_source(video), start=None, end=None))


def interval_of_mean(
    column: Sequence[float],
    videos: np.ndarray,
    confidence_level: float = 0.95,
    n_resamples: int = NUM_RESAMPLES,
    random_state: int | None = None,
) -> dict[str, Any]:
    """Return the confidence interval (BCa) of the mean of a column, in the words of ``evaluate``.

    Args:
        column: float (N,), an entry a row; NaN where there is none, which takes no part.
        videos: int (N,), equal for rows that show one video.
        confidence_level, n_resamples, random_state: as in ``evaluate``; without the last every call draws anew.

    Returns:
        ``confidence_interval`` (low, high) and ``standard_error``, of resampled videos, each with all its rows; NaN
        with fewer than two videos.

    Example:
        >>> made = interval_of_mean([0.25, 0.25, 0.5, 0.5], np.array([0, 0, 1, 1]), n_resamples=99, random_state=0)
        >>> made["confidence_interval"]
        (0.25, 0.5)
    """
    values = np.asarray(column, dtype=np.float64)
    known = ~np.isnan(values)
    if len(np.unique(videos[known])) < 2:  # nothing to resample
        return {"confidence_interval": (math.nan, math.nan), "standard_error": math.nan}
    sums = sums_by_video(torch.from_numpy(values[known])[None], torch.from_numpy(videos[known]))
    seed = secrets.randbits(32) if random_state is None else random_state
    drawn = bootstrap_means(sums, seed=seed, num_resamples=n_resamples)
    low, high = bca_interval(drawn, sums.means, jackknife_means(sums), confidence_level)[0].tolist()
    return {"confidence_interval": (low, high), "standard_error": float(drawn.std()) if len(drawn) > 1 else math.nan}


@dataclass(frozen=True)
class FrameCaptioner:
    """Pipeline from videos to captions: sample frames, make pixel values, generate, decode.

    Args:
        model: takes ``pixel_values`` and generates: VisionEncoderDecoder and its kin see one frame, (B, C, H, W);
            GIT with ``num_image_with_embedding`` sees so many, (B, N, C, H, W).
        tokenizer: decodes what it generates.
        image_processor: of the model.
        device: where it runs. Default: where the model is.
        batch_size: videos a forward pass.
        generate_kwargs: for ``model.generate``, as ``{"max_new_tokens": 20}``.
    """

    model: Any
    tokenizer: Any
    image_processor: Any
    device: Any = None
    batch_size: int = 8
    generate_kwargs: dict[str, Any] = field(default_factory=dict)

    task = "video-captioning"

    def __post_init__(self) -> None:
        check_count("batch_size", self.batch_size)
        missing = [name for name in ("tokenizer", "image_processor") if getattr(self, name) is None]
        if missing:
            raise InputError(f"a model alone makes no caption; give {' and '.join(missing)} too, or a function")

    def __call__(self, videos: Iterable[Any]) -> list[str]:
        """Caption each video; a video is anything that the metrics take."""
        if self.device is not None:
            self.model.to(self.device)
        captions: list[str] = []
        batch: list[list[np.ndarray]] = []
        for video in videos:
            batch.append(self._frames(video))
            if len(batch) == self.batch_size:
                captions += self._captions(batch)
                batch = []
        return captions + (self._captions(batch) if batch else [])

    def _frames(self, video: Any) -> list[np.ndarray]:
        count = getattr(self.model.config, "num_image_with_embedding", None) or 1
        with WorkerPool(True, needed=False) as pool, pool.worker() as worker:
            return open_video_in(worker, as_media_source(video)).read(lambda video: _spread_frames(video, count))

    def _captions(self, videos: Sequence[list[np.ndarray]]) -> list[str]:
        frames = [frame for video in videos for frame in video]
        pixels = self.image_processor(images=frames, return_tensors="pt")["pixel_values"]
        if len(videos[0]) > 1:  # (B * N, C, H, W) to (B, N, C, H, W)
            pixels = pixels.unflatten(0, (len(videos), -1))
        with torch.inference_mode():
            ids = self.model.generate(pixel_values=pixels.to(self.model.device), **self.generate_kwargs)
        return [text.strip() for text in self.tokenizer.batch_decode(ids, skip_special_tokens=True)]


def _spread_frames(video: Video, count: int) -> list[np.ndarray]:
    """Read the middle frame of each of ``count`` equal parts of the video."""
    positions = ((np.arange(count) + 0.5) / count * len(video.table)).astype(np.int64)
    pixels = {frame.position: frame.pixels for frame in video.frames(np.unique(positions))}
    return [pixels[position] for position in positions.tolist()]
