"""A captioning model of transformers as a function from videos to captions.

transformers has no pipeline for it: image captioners left with version 5, and video captioners never had one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from vqe_core.errors import InputError
from vqe_core.media import Video, as_media_source, open_video
from vqe_core.samplers import check_count


@dataclass(frozen=True)
class FrameCaptioner:
    """Sample frames, make pixel values, generate, decode.

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
        """One caption a video; a video is anything that the metrics take."""
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
        opened = open_video(as_media_source(video))
        count = getattr(self.model.config, "num_image_with_embedding", None) or 1
        return opened.read(lambda video: _spread_frames(video, count))

    def _captions(self, videos: Sequence[list[np.ndarray]]) -> list[str]:
        frames = [frame for video in videos for frame in video]
        pixels = self.image_processor(images=frames, return_tensors="pt")["pixel_values"]
        if len(videos[0]) > 1:  # (B * N, C, H, W) to (B, N, C, H, W)
            pixels = pixels.unflatten(0, (len(videos), -1))
        with torch.inference_mode():
            ids = self.model.generate(pixel_values=pixels.to(self.model.device), **self.generate_kwargs)
        return [text.strip() for text in self.tokenizer.batch_decode(ids, skip_special_tokens=True)]


def _spread_frames(video: Video, count: int) -> list[np.ndarray]:
    """The middle of each of ``count`` equal parts: of one frame, the middle of the video."""
    positions = ((np.arange(count) + 0.5) / count * len(video.table)).astype(np.int64)
    pixels = {frame.position: frame.pixels for frame in video.frames(np.unique(positions))}
    return [pixels[position] for position in positions.tolist()]
