"""Sources and texts to embeddings: sampling, decoding and encoding in one pass, each distinct input once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from vqe_core.errors import InputError, VqeError
from vqe_core.media import MediaLimits, TableMismatchError, Video, open_video
from vqe_core.samplers.cap import cap_positions
from vqe_core.types import MediaSource, TextEmbedding, TimedEmbeddings

if TYPE_CHECKING:
    from vqe_core.encoders import ImageTextEncoder
    from vqe_core.samplers import FrameSampler


@dataclass(frozen=True)
class FrameViews:
    """Copies of a frame that are embedded beside it."""

    horizontal_flip: bool = False
    vertical_flip: bool = False

    @property
    def count(self) -> int:
        """The frame itself and its copies."""
        return 1 + self.horizontal_flip + self.vertical_flip

    @property
    def names(self) -> str:
        """For the signature."""
        return "+".join(n for n, on in (("horizontal", self.horizontal_flip), ("vertical", self.vertical_flip)) if on)

    def of(self, pixels: np.ndarray) -> list[np.ndarray]:
        """uint8 (..., H, W, 3) -> itself, then its copies of the same shape."""
        flipped = [(self.horizontal_flip, pixels[..., ::-1, :]), (self.vertical_flip, pixels[..., ::-1, :, :])]
        return [pixels, *[np.ascontiguousarray(copy) for wanted, copy in flipped if wanted]]


Key = TypeVar("Key", bound=Hashable)


def show_progress(items: Iterable[Any], label: str, total: int, progress: bool | None) -> Iterable[Any]:
    """A progress bar: always (True), never (False), or on a terminal only (None)."""
    disable = None if progress is None else not progress
    return tqdm(items, desc=label, total=total, disable=disable, leave=False)


def embed_texts(
    texts: Sequence[str], encoder: ImageTextEncoder, *, long_text: Any, batch_size: int
) -> dict[str, TextEmbedding | VqeError]:
    """Embed each distinct text once. A text that is too long, where that is an error, gives its error."""
    results: dict[str, TextEmbedding | VqeError] = {}
    fitting = []
    for text in dict.fromkeys(texts):
        try:
            if long_text == "error":
                encoder.tokenizer.split(text, long_text)
            fitting.append(text)
        except InputError as error:
            results[text] = error
    embedded = encoder.embed_texts(fitting, long_text=long_text, batch_size=batch_size) if fitting else []
    return {**results, **dict(zip(fitting, embedded, strict=True))}


def embed_videos(
    sources: dict[Key, MediaSource],
    sampler: FrameSampler,
    encoder: ImageTextEncoder,
    *,
    max_frames: int,
    batch_size: int,
    progress: bool | None = None,
    limits: MediaLimits | None = None,
    views: FrameViews = FrameViews(),
    on_failure: Callable[[Key, VqeError], None] | None = None,
) -> dict[Key, TimedEmbeddings | VqeError]:
    """Embed the sampled frames of each video.

    Frames are shrunk to model input as they are decoded, so at most ``max_frames`` small pictures a video are
    held, and batches are filled across videos.

    Args:
        sources: distinct videos by key.
        sampler: which frames.
        encoder: pictures to embeddings.
        max_frames: most distinct frames of one video; more are thinned evenly, which the notes say.
        batch_size: frames a forward pass.
        progress: see ``show_progress``.
        limits: bounds on what is decoded.
        views: flipped copies to embed beside each frame, right after it.
        on_failure: called with each failing video at once, for hosts that stop at the first.

    Returns:
        Embeddings, or the error, of each key.
    """
    results: dict[Key, TimedEmbeddings | VqeError] = {}
    batcher = _ImageBatcher(encoder, batch_size)
    pending: dict[Key, Callable[[Tensor], TimedEmbeddings]] = {}
    for key, source in show_progress(sources.items(), "videos", len(sources), progress):
        try:
            images, finish = _sample_images(source, sampler, encoder, max_frames, limits or MediaLimits(), views)
        except VqeError as error:
            results[key] = error
            if on_failure is not None:
                on_failure(key, error)
            continue
        pending[key] = finish
        batcher.add(key, images)
    batcher.flush()
    for key, finish in pending.items():
        results[key] = finish(torch.cat(batcher.embedded[key]))
    return results


def _sample_images(
    source: MediaSource,
    sampler: FrameSampler,
    encoder: ImageTextEncoder,
    max_frames: int,
    limits: MediaLimits,
    views: FrameViews,
) -> tuple[list[Tensor], Callable[[Tensor], TimedEmbeddings]]:
    """Model inputs of the distinct sampled frames, and how their embeddings become the video's."""
    video = open_video(source, limits)
    try:
        return _read_images(video, sampler, encoder, max_frames, views)
    except TableMismatchError:
        # A damaged file: what its packets promise is not all there. Sample again from what really decodes.
        return _read_images(video.decoded(), sampler, encoder, max_frames, views)


def _read_images(
    video: Video, sampler: FrameSampler, encoder: ImageTextEncoder, max_frames: int, views: FrameViews
) -> tuple[list[Tensor], Callable[[Tensor], TimedEmbeddings]]:
    if sampler.needs_differences:
        video = video.with_differences()
    table = video.table
    positions, note = cap_positions(sampler.select(table), max_frames)
    distinct, where = np.unique(positions, return_inverse=True)
    images = [encoder.prepare_image(v) for frame in video.frames(distinct) for v in views.of(frame.pixels)]
    where = (where[:, None] * views.count + np.arange(views.count)).ravel()
    positions = np.repeat(positions, views.count)

    def finish(values: Tensor) -> TimedEmbeddings:
        return TimedEmbeddings(
            values=values[torch.from_numpy(where)],
            timestamps=table.timestamps[positions] if table.has_clock else None,
            indices=table.indices[positions],
            notes=(*table.warnings, note) if note else table.warnings,
            reader=f"{video.reader.name} {video.reader.version}",
            start=table.start if table.has_clock else 0.0,
            end=table.end if table.has_clock else 0.0,
        )

    return images, finish


class _ImageBatcher:
    """Fills batches across videos; ``embedded`` has each key's rows, in order, after ``flush``."""

    def __init__(self, encoder: ImageTextEncoder, batch_size: int) -> None:
        self._encoder, self._batch_size = encoder, batch_size
        self._waiting: list[tuple[Any, Tensor]] = []
        self.embedded: dict[Any, list[Tensor]] = {}

    def add(self, key: Any, images: list[Tensor]) -> None:
        for image in images:
            # Only models that take pictures of any size see more than one shape.
            if self._waiting and self._waiting[0][1].shape != image.shape:
                self.flush()
            self._waiting.append((key, image))
            if len(self._waiting) == self._batch_size:
                self.flush()

    def flush(self) -> None:
        if not self._waiting:
            return
        rows = self._encoder.embed_images(torch.stack([image for _, image in self._waiting]))
        for (key, _), row in zip(self._waiting, rows, strict=True):
            self.embedded.setdefault(key, []).append(row[None])
        self._waiting = []
