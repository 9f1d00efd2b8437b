"""Batches of images, in which no video's numbers depend on the others."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vqe_core.encoders.backends.batch_size import steady_rows
from vqe_core.encoders.base import embeds_clips
from vqe_core.errors import InternalError, VqeError, attempt
from vqe_core.timings import count, timed

if TYPE_CHECKING:
    from vqe_core.encoders import ImageTextEncoder


class EncoderFailedError(Exception):
    """The encoder says that it cannot encode, whatever the video; ``error`` is what it raised."""

    def __init__(self, error: VqeError) -> None:
        super().__init__(str(error))
        self.error = error


class ImageBatcher:
    """Embeds images in batches, in the order given, while the next ones are being read.

    An image's numbers round otherwise in a batch of another size, and on several threads at another place in it. So on
    a CPU, where larger batches are hardly faster, a batch holds images of one video. A GPU needs large ones: there they
    are filled across videos, and the last one with copies, whose embeddings are thrown away.

    Images of a video that are equal in every pixel are embedded once: slides, screens and empty streets repeat.

    One batch is embedded at a time, on a thread of its own, and one more waits: what is held does not grow.
    A batch that fails is embedded again video by video, so that it costs only those that fail then; see ``error``.
    Every method may raise EncoderFailedError.
    """

    def __init__(self, encoder: ImageTextEncoder, batch_size: int) -> None:
        self._encoder, self._batch_size = encoder, steady_rows(batch_size)
        # Of an encoder of clips, what is batched are clips.
        self._embed = encoder.embed_videos if embeds_clips(encoder) else encoder.embed_images
        self._by_video = torch.device(getattr(encoder, "device", "cpu")).type == "cpu"
        self._filling: list[tuple[Hashable, Tensor]] = []
        self._running: tuple[list[Hashable], Tensor, Future[Tensor]] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vqe-encode")
        self._rows: dict[Hashable, list[Tensor]] = {}
        # Of each video: the place of an image among its distinct ones, by content and by number.
        self._known: dict[Hashable, dict[bytes, int]] = {}
        self._places: dict[Hashable, list[int]] = {}
        self._errors: dict[Hashable, VqeError] = {}
        self._works = False

    def __enter__(self) -> ImageBatcher:
        return self

    def __exit__(self, *error: Any) -> None:
        # After an error or Ctrl-C nobody waits for the batch that is being embedded.
        self._thread.shutdown(wait=error[0] is None, cancel_futures=True)

    def add(self, key: Hashable, image: Tensor) -> None:
        """Take one prepared image of the video ``key``; waits while a batch before it is embedded."""
        if key in self._errors or not self._is_new(key, image):
            return
        if self._filling and not self._joins(key, image):
            self._submit()
        self._filling.append((key, image))
        if len(self._filling) == self._batch_size:
            self._submit()

    def _is_new(self, key: Hashable, image: Tensor) -> bool:
        """Note the place of an image, and tell whether it is the first of its content in the video."""
        content = hashlib.blake2b(str(image.shape).encode(), digest_size=16)
        content.update(image.cpu().contiguous().view(torch.uint8).numpy().data)
        known = self._known.setdefault(key, {})
        count = len(known)
        place = known.setdefault(content.digest(), count)
        self._places.setdefault(key, []).append(place)
        return place == count

    def _joins(self, key: Hashable, image: Tensor) -> bool:
        """Tell whether an image fits into the batch that is being filled."""
        first, other = self._filling[0]
        # Only models that take images of any size see more than one shape.
        return other.shape == image.shape and (not self._by_video or first == key)

    def flush(self) -> None:
        """Embed what is left."""
        if self._filling:
            self._submit()
        self._collect()

    def count(self, key: Hashable) -> int:
        """Return how many images of a video are embedded so far."""
        embedded = len(self._rows.get(key, ()))
        return sum(place < embedded for place in self._places.get(key, ()))

    def error(self, key: Hashable) -> VqeError | None:
        """Return why a video's images cannot be embedded, None where none failed so far."""
        return self._errors.get(key)

    def take(self, key: Hashable) -> Tensor:
        """Take the embeddings of a video, float32 (N, D), in the order its images were added; all must be embedded."""
        del self._known[key]
        return torch.stack(self._rows.pop(key))[self._places.pop(key)]

    def discard(self, key: Hashable) -> None:
        """Forget a video that failed half-way."""
        self._collect()
        self._filling = [(other, image) for other, image in self._filling if other != key]
        for of_videos in (self._rows, self._known, self._places, self._errors):
            of_videos.pop(key, None)

    def _submit(self) -> None:
        keys, batch = [key for key, _ in self._filling], self._filled([image for _, image in self._filling])
        self._filling = []
        self._collect()
        self._running = (keys, batch, self._thread.submit(self._encode, batch))

    def _encode(self, batch: Tensor) -> Tensor:
        count("images", len(batch))
        with timed("encode"):
            return self._embed(batch)

    def _filled(self, images: Sequence[Tensor]) -> Tensor:
        lacking = 0 if self._by_video else self._batch_size - len(images)
        return torch.stack([*images, *[images[-1]] * lacking])

    def _collect(self) -> None:
        if self._running is None:
            return
        keys, batch, future = self._running
        self._running = None
        outcome = attempt(future.result)
        if isinstance(outcome, VqeError):
            self._embed_apart(keys, batch, outcome)
        else:
            self._take_in(keys, outcome)

    def _embed_apart(self, keys: Sequence[Hashable], batch: Tensor, error: VqeError) -> None:
        """Embed the images of each video of a batch that failed as a batch of its own."""
        for key in dict.fromkeys(keys):
            own = [image for other, image in zip(keys, batch, strict=False) if other == key]
            outcome = attempt(self._thread.submit(self._embed, self._filled(own)).result)
            if isinstance(outcome, VqeError):
                self._errors[key] = outcome
            else:
                self._take_in([key] * len(own), outcome)
        if not self._works and not isinstance(error, InternalError):
            raise EncoderFailedError(error)

    def _take_in(self, keys: Sequence[Hashable], rows: Tensor) -> None:
        for key, row in zip(keys, rows[: len(keys)], strict=True):
            self._rows.setdefault(key, []).append(row)
        self._works = True
