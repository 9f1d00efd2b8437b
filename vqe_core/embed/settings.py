"""Settings by which sources become embeddings, decided once a call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from vqe_core.cache import Cache, open_cache
from vqe_core.encoders.backends.batch_size import USUAL
from vqe_core.encoders.base import embeds_clips
from vqe_core.media import MediaLimits, VideoReader


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

    def of(self, pixels: Any) -> list[Any]:
        """Return uint8 (..., H, W, 3), or a tuple of images, -> itself, then its copies of the same shape."""
        if isinstance(pixels, tuple):
            return list(zip(*map(self.of, pixels), strict=True))
        flipped = [(self.horizontal_flip, pixels[..., ::-1, :]), (self.vertical_flip, pixels[..., ::-1, :, :])]
        return [pixels, *[np.ascontiguousarray(copy) for wanted, copy in flipped if wanted]]


@dataclass(frozen=True)
class EmbedSettings:
    """Settings of one call.

    Attributes:
        max_frames: most distinct frames of one video; more are thinned evenly, which the notes say.
        batch_size: frames or texts a forward pass; None: what suits the encoder.
        limits: bounds on what is decoded.
        views: flipped copies to embed beside each frame, right after it.
        cache: where embeddings are looked up and stored; None: nowhere.
        isolate: decode files in worker processes; ``"auto"`` or None: where there can be any.
        row_timeout: seconds that worker processes may take for one row; None: as ``WorkerLimits``.
        row_memory: MiB that decoding may take there; None: as ``WorkerLimits``.
        reader: what decodes video files; None: PyAV.
    """

    max_frames: int = 512
    batch_size: int | None = None
    limits: MediaLimits = field(default_factory=MediaLimits)
    views: FrameViews = field(default_factory=FrameViews)
    cache: Cache | None = None
    isolate: bool | str | None = "auto"
    row_timeout: float | None = None
    row_memory: int | None = None
    reader: VideoReader | None = None

    @classmethod
    def of(cls, options: Any, views: FrameViews | None = None) -> EmbedSettings:
        """Take what is needed of the options of a scorer, for one call.

        Raises:
            InputError: ``cache_dir`` is a file, or the reader cannot work here.
            MissingPackageError: the reader needs a package.
        """
        reader = options.video_reader
        if hasattr(reader, "check"):
            reader.check()
        return cls(
            max_frames=options.max_frames,
            batch_size=options.batch_size,
            views=views or FrameViews(),
            cache=open_cache(options.cache_dir),
            isolate=options.isolate,
            row_timeout=options.row_timeout,
            row_memory=options.row_memory,
            reader=reader,
        )

    def image_batch(self, encoder: object) -> int:
        """Return images a forward pass of ``encoder``, which may know what suits it; of one of clips, clips."""
        images = self.batch_size or int(getattr(encoder, "image_batch", USUAL))
        return max(1, images // encoder.clip_frames) if embeds_clips(encoder) else images

    @property
    def text_batch(self) -> int:
        """Texts a forward pass."""
        return self.batch_size or USUAL


def show_progress(items: Iterable[Any], label: str, total: int, progress: bool | None) -> Iterable[Any]:
    """Return a progress bar: always (True), never (False), or on a terminal only (None)."""
    return tqdm(items, desc=label, total=total, disable=_hidden(progress), leave=False)


def progress_bar(label: str, total: int, progress: bool | None) -> tqdm[Any]:
    """Return a bar to be moved by ``update``, closed as a context manager; ``progress`` as for ``show_progress``."""
    return tqdm(desc=label, total=total, disable=_hidden(progress), leave=False)


def _hidden(progress: bool | None) -> bool | None:
    return None if progress is None else not progress
