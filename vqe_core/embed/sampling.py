"""One video to the model inputs of its sampled frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from vqe_core.embed.settings import EmbedSettings
from vqe_core.encoders.backoff import ran_out_of_memory
from vqe_core.errors import MediaError
from vqe_core.media import TableMismatchError, Video
from vqe_core.samplers.cap import cap_positions
from vqe_core.types import FrameTable, TimedEmbeddings

if TYPE_CHECKING:
    from vqe_core.encoders import ImageTextEncoder
    from vqe_core.samplers import FrameSampler


@dataclass(frozen=True)
class FrameRecipe:
    """Which frames of a video are embedded, and in what form.

    Attributes:
        sampler: which frames.
        encoder: prepares pictures; ``embed_images`` is not called here.
        settings: of the call.
    """

    sampler: FrameSampler
    encoder: ImageTextEncoder
    settings: EmbedSettings

    def read(self, video: Video) -> Iterator[Tensor | SampledVideo | Restart]:
        """Model inputs of the distinct sampled frames, one at a time, then what joins their embeddings.

        A damaged file, whose packets promise what is not there, gives a ``Restart`` and then its frames again, from
        what really decodes.

        Raises:
            MediaError: the video cannot be read; with code ``out_of_memory``, its pictures do not fit.
        """
        try:
            try:
                yield from self._read(video)
            except TableMismatchError:
                yield Restart()
                yield from self._read(video.decoded())
        except (MemoryError, RuntimeError) as error:
            if not ran_out_of_memory(error):
                raise
            raise MediaError(f"memory ran out on pictures of {video.source.name!r}", code="out_of_memory") from error

    def _read(self, video: Video) -> Iterator[Tensor | SampledVideo]:
        views = self.settings.views
        if self.sampler.needs_differences:
            video = video.with_differences()
        positions, note = cap_positions(self.sampler.select(video.table), self.settings.max_frames)
        distinct, where = np.unique(positions, return_inverse=True)
        for frame in video.frames(distinct):
            for pixels in views.of(frame.pixels):
                yield self.encoder.prepare_image(pixels)
        pictures = (where[:, None] * views.count + np.arange(views.count)).ravel().astype(np.int32)
        notes = (*video.table.warnings, note) if note else video.table.warnings
        yield SampledVideo(video.table, np.repeat(distinct, views.count), pictures, notes, video.read_by)


class Restart:
    """The pictures so far do not count."""


@dataclass(frozen=True, eq=False)
class SampledVideo:
    """What turns embeddings of distinct frames into those of the video.

    Attributes:
        table: of the video.
        positions: int (M,), of the distinct pictures in the table.
        where: int32 (N,), which distinct picture each sampled one is.
        notes: remarks for the row.
        reader: what decoded them, with versions.
    """

    table: FrameTable
    positions: np.ndarray
    where: np.ndarray
    notes: tuple[str, ...]
    reader: str

    @property
    def num_distinct(self) -> int:
        """M."""
        return len(self.positions)

    def embeddings(self, distinct: Tensor) -> TimedEmbeddings:
        """From the embeddings of the distinct pictures, float32 (M, D)."""
        table = self.table
        return TimedEmbeddings(
            distinct=distinct,
            distinct_timestamps=table.timestamps[self.positions] if table.has_clock else None,
            distinct_indices=table.indices[self.positions],
            where=self.where,
            notes=self.notes,
            reader=self.reader,
            start=table.start if table.has_clock else 0.0,
            end=table.end if table.has_clock else 0.0,
        )
