"""Videos to embeddings of their sampled frames: looked up, or decoded and encoded side by side."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from vqe_core.cache import CacheKey, EmbeddingCache, Entry
from vqe_core.deadline import check_deadline
from vqe_core.embed.batching import EncoderFailedError, ImageBatcher
from vqe_core.embed.prefetch import OrderedPrefetch
from vqe_core.embed.settings import EmbedSettings
from vqe_core.encoders.backends.batch_size import ran_out_of_memory
from vqe_core.encoders.base import VideoTextEncoder, embeds_clips
from vqe_core.encoders.checkpoints import content_parts
from vqe_core.errors import InternalError, MediaError, VqeError, attempt, row_error
from vqe_core.media import (
    TableMismatchError,
    Video,
    content_digest,
    decoders_of,
    source_identity,
)
from vqe_core.samplers import sampler_spec
from vqe_core.samplers.base import cap_positions
from vqe_core.samplers.clips import clip_positions
from vqe_core.timings import count, timed_items
from vqe_core.types import FrameTable, MediaSource, TimedEmbeddings, restored_warnings, stored_warnings
from vqe_core.workers import DecodeWorker, RowClock, WorkerPool, one_row, open_video_in

if TYPE_CHECKING:
    from vqe_core.encoders import ImageTextEncoder
    from vqe_core.samplers import FrameSampler
    from vqe_core.toy.known_world import KnownWorld


@dataclass(frozen=True)
class FrameRecipe:
    """Which frames of a video are embedded, and in what form.

    Attributes:
        sampler: which frames.
        encoder: prepares images; ``embed_images`` is not called here.
        settings: of the call.
    """

    sampler: FrameSampler
    encoder: ImageTextEncoder
    settings: EmbedSettings

    def read(self, video: Video) -> Iterator[Tensor | SampledVideo | Restart]:
        """Model inputs of the distinct sampled frames, or clips, one at a time, then what joins their embeddings.

        A damaged file, whose packets promise what is not there, gives a ``Restart`` and then its frames again, from
        what really decodes.

        Raises:
            MediaError: the video cannot be read; with code ``out_of_memory``, its images do not fit.
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
            raise MediaError(f"memory ran out on images of {video.source.name!r}", code="out_of_memory") from error

    def _read(self, video: Video) -> Iterator[Tensor | SampledVideo]:
        views = self.settings.views
        if self.sampler.needs_differences:
            video = video.with_differences()
        positions, note = cap_positions(self.sampler.select(video.table), self.settings.max_frames)
        if embeds_clips(self.encoder):
            yield from self._read_clips(self.encoder, video, positions, note)
            return
        distinct, where = np.unique(positions, return_inverse=True)
        known, strange = known_world_of(self.encoder), list[bool]()
        for frame in video.frames(distinct):
            for pixels in views.of(frame.pixels):
                image = self.encoder.prepare_image(pixels)
                if known is not None:
                    strange.append(known.is_strange(image))
                yield image
        images = (where[:, None] * views.count + np.arange(views.count)).ravel().astype(np.int32)
        notes = (*video.table.warnings, note) if note else video.table.warnings
        notes += () if known is None else known.clip_notes(strange)
        yield SampledVideo(video.table, np.repeat(distinct, views.count), images, notes, video.read_by)

    def _read_clips(
        self, encoder: VideoTextEncoder, video: Video, positions: np.ndarray, note: str | None
    ) -> Iterator[Tensor | SampledVideo]:
        """Yield each clip of the sampled frames, (T, 3, h, w), and of each its copies; frames are held until used.

        A clip stands at the time of its middle frame.
        """
        clips = positions[clip_positions(len(positions), encoder.clip_frames, any_length=encoder.any_length)]
        views, held, waiting = self.settings.views, dict[int, list[Tensor]](), list(clips)
        for frame in video.frames(np.unique(clips)):
            held[frame.position] = [encoder.prepare_image(pixels) for pixels in views.of(frame.pixels)]
            while waiting and waiting[0][-1] == frame.position:
                clip = waiting.pop(0)
                yield from (torch.stack([held[i][view] for i in clip.tolist()]) for view in range(views.count))
                held = {i: images for i, images in held.items() if waiting and i >= waiting[0][0]}
        middles = np.repeat(clips[:, clips.shape[1] // 2], views.count)
        notes = (*video.table.warnings, note) if note else video.table.warnings
        yield SampledVideo(video.table, middles, np.arange(len(middles), dtype=np.int32), notes, video.read_by)


class Restart:
    """The images so far do not count."""


@dataclass(frozen=True, eq=False)
class SampledVideo:
    """Order that turns embeddings of distinct frames into those of the video.

    Attributes:
        table: of the video.
        positions: int (M,), of the distinct images in the table.
        where: int32 (N,), which distinct image each sampled one is.
        notes: warnings for the row.
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
        """Build them from the embeddings of the distinct images, float32 (M, D)."""
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


@dataclass(frozen=True)
class FrameStore:
    """The frames of one recipe in a cache; without a cache nothing is found and nothing kept."""

    cache: EmbeddingCache | None
    recipe: FrameRecipe

    def key(self, source: MediaSource, *, read: bool = True) -> CacheKey | None:
        """Return the key of a video's frames; None for what has no content to tell it by, such as a decoder.

        Args:
            source: the video.
            read: False: give None also for a file that would have to be read to tell.
        """
        if self.cache is None:
            return None
        try:
            content = content_digest(source, self.cache.digests, read=read)
        except VqeError:
            return None  # reading it tells what is wrong
        if content is None:
            return None
        reader = decoders_of(source, self.recipe.settings.reader)
        return CacheKey("frames", {**source_parts(source, content), **recipe_parts(self.recipe), "reader": reader})

    def find(self, key: CacheKey | None) -> TimedEmbeddings | None:
        """Return the frames stored under a key."""
        entry = self.cache.get(key) if self.cache is not None and key is not None else None
        return None if entry is None else frames_of_entry(entry)

    def keep(self, key: CacheKey | None, frames: TimedEmbeddings) -> None:
        """Store frames under a key."""
        if self.cache is not None and key is not None:
            self.cache.put(key, entry_of_frames(frames))


def source_parts(source: MediaSource, content: str) -> dict[str, Any]:
    """Return the part of a key that tells a source."""
    streams = {"video_stream": source.video_stream, "audio_stream": source.audio_stream}
    return {"content": content, "fps": source.fps, "start": source.start, "end": source.end, **streams}


def recipe_parts(recipe: FrameRecipe) -> dict[str, Any]:
    """Return the part of a key that tells how frames are chosen and embedded."""
    return {
        "sampler": sampler_spec(recipe.sampler),
        "max_frames": recipe.settings.max_frames,
        "views": recipe.settings.views.names,
        "encoder": content_parts(recipe.encoder.signature()),
        **({"notes": "known world"} if known_world_of(recipe.encoder) is not None else {}),
    }


def known_world_of(encoder: ImageTextEncoder) -> KnownWorld | None:
    """Return what an encoder says it can judge; None for all but a teaching model, which would guess elsewhere."""
    return getattr(encoder, "known_world", None)


def entry_of_frames(frames: TimedEmbeddings) -> Entry:
    """Return the entry that ``frames_of_entry`` reads."""
    arrays = {"values": frames.distinct.numpy(), "indices": frames.distinct_indices, "where": frames.where}
    if frames.distinct_timestamps is not None:
        arrays["timestamps"] = frames.distinct_timestamps
    notes = {"notes": stored_warnings(frames.notes), "reader": frames.reader, "start": frames.start, "end": frames.end}
    return Entry(arrays, notes)


def frames_of_entry(entry: Entry) -> TimedEmbeddings:
    """Return the embeddings as they were stored, bit for bit."""
    timestamps = entry.arrays.get("timestamps")
    return TimedEmbeddings(
        distinct=torch.from_numpy(entry.arrays["values"]),
        distinct_timestamps=None if timestamps is None else np.asarray(timestamps),
        distinct_indices=entry.arrays["indices"],
        where=entry.arrays["where"],
        notes=restored_warnings(entry.notes["notes"]),
        reader=entry.notes["reader"],
        start=entry.notes["start"],
        end=entry.notes["end"],
    )


Key = TypeVar("Key", bound=Hashable)
Embedded = TimedEmbeddings | VqeError

MOST_THREADS = 16  # what waits grows with the threads: twice as many batches of prepared images


def embed_videos(
    sources: Mapping[Key, MediaSource],
    sampler: FrameSampler,
    encoder: ImageTextEncoder,
    settings: EmbedSettings,
    *,
    pool: WorkerPool | None = None,
    on_outcome: Callable[[Key, Embedded], None] | None = None,
) -> dict[Key, Embedded]:
    """Embed the sampled frames of each video.

    Frames are shrunk to model input as they are decoded, several videos are read at once, and batches are filled
    across videos in the order of ``sources``, while the batch before is being embedded.

    Args:
        sources: distinct videos by key.
        sampler: which frames.
        encoder: images to embeddings.
        settings: of the call.
        pool: who decodes, for hosts that call again and again. Default: one for this call.
        on_outcome: called with each video as soon as its embeddings or its error are known, for bars and for hosts
            that stop at the first failure.

    Returns:
        Embeddings, or the error, of each key.

    Raises:
        VqeError: the encoder cannot encode, whatever the video.
    """
    recipe = FrameRecipe(sampler, encoder, settings)
    store = FrameStore(settings.cache, recipe)
    results: dict[Key, Embedded] = {}
    missing: list[_Job[Key]] = []

    def note(key: Key, outcome: Embedded) -> None:
        results[key] = outcome
        if on_outcome is not None:
            on_outcome(key, outcome)

    for key, source in sources.items():
        looked_at = attempt(_look_up, key, source, store)
        if isinstance(looked_at, _Job):
            missing.append(looked_at)
        else:
            note(key, looked_at)
    if missing:
        own = WorkerPool.of(settings, [job.source for job in missing]) if pool is None else nullcontext(pool)
        try:
            with own as hands:
                for job, outcome in _embed(missing, recipe, store, hands):
                    note(job.key, outcome)
        except EncoderFailedError as failed:
            raise failed.error from None
    return {key: results[key] for key in sources}


@dataclass
class _Job(Generic[Key]):
    """A video to be decoded; ``identity`` tells later whether its file is still the one that was looked at.

    ``stored_under`` of a file that has to be read whole to tell it is filled in on the thread that decodes it.
    """

    key: Key
    source: MediaSource
    identity: str
    stored_under: CacheKey | None


def _look_up(key: Key, source: MediaSource, store: FrameStore) -> TimedEmbeddings | _Job[Key]:
    job = _Job(key, source, source_identity(source), store.key(source, read=False))
    found = store.find(job.stored_under)
    count("videos_from_cache" if found is not None else "videos_read")
    return found or job


def _embed(
    jobs: Sequence[_Job[Key]], recipe: FrameRecipe, store: FrameStore, pool: WorkerPool
) -> Iterator[tuple[_Job[Key], Embedded]]:
    """Return each job with its outcome, failures as soon as they are known."""
    settings, pending = recipe.settings, dict[int, SampledVideo]()
    batch_size = settings.image_batch(recipe.encoder)
    with (
        OrderedPrefetch(
            len(jobs),
            lambda i, worker: timed_items("decode", _read(jobs[i], worker, pool.clock(jobs[i].key), recipe, store)),
            threads=min(MOST_THREADS, torch.get_num_threads()),
            worker=pool.worker,
            waiting=batch_size,
        ) as reading,
        ImageBatcher(recipe.encoder, batch_size) as batcher,
    ):
        for i in range(len(jobs)):
            try:
                outcome = _collect(i, reading, batcher)
                if isinstance(outcome, SampledVideo):
                    pending[i] = outcome
                else:
                    yield jobs[i], outcome
            except EncoderFailedError:
                raise
            except Exception as error:
                batcher.discard(i)
                yield jobs[i], row_error(error)
            yield from _finished(jobs, pending, batcher, store)
        batcher.flush()
        yield from _finished(jobs, pending, batcher, store)
        for i, sampled in pending.items():
            got = f"{batcher.count(i)} of {sampled.num_distinct} images"
            yield jobs[i], InternalError.told(f"{got} of {jobs[i].source.name!r} came out of the reader", "")


def _read(
    job: _Job[Any], worker: DecodeWorker | None, clock: RowClock, recipe: FrameRecipe, store: FrameStore
) -> Iterator[Tensor | SampledVideo | Restart | TimedEmbeddings]:
    """Yield what is stored of a file that had to be read to tell, or else what ``FrameRecipe.read`` yields."""
    if job.stored_under is None:
        job.stored_under = store.key(job.source)
        found = store.find(job.stored_under)
        if found is not None:
            yield found
            return
    with one_row(worker, clock):
        yield from recipe.read(open_video_in(worker, job.source, recipe.settings.limits, reader=recipe.settings.reader))


def _collect(i: int, reading: OrderedPrefetch[Any], batcher: ImageBatcher) -> SampledVideo | TimedEmbeddings:
    for item in timed_items("wait", reading.items(i)):
        check_deadline("reading the video")
        if isinstance(item, Restart):
            batcher.discard(i)
        elif isinstance(item, SampledVideo | TimedEmbeddings):
            outcome = item
        else:
            batcher.add(i, item)
    return outcome


def _finished(
    jobs: Sequence[_Job[Key]], pending: dict[int, SampledVideo], batcher: ImageBatcher, store: FrameStore
) -> Iterator[tuple[_Job[Key], Embedded]]:
    """Jobs whose images are all embedded, or cannot be; they are stored at once, so that little is lost by a kill."""
    for i, sampled in list(pending.items()):
        error = batcher.error(i)
        if error is None and batcher.count(i) < sampled.num_distinct:
            continue
        del pending[i]
        outcome: Embedded | None = error
        if outcome is None:
            outcome = attempt(_stored, jobs[i], sampled, batcher.take(i), store)
        yield jobs[i], outcome


def _stored(job: _Job[Any], sampled: SampledVideo, distinct: Tensor, store: FrameStore) -> TimedEmbeddings:
    frames = sampled.embeddings(distinct)
    # A file that changed while it was read would be stored under the digest of what it was.
    if source_identity(job.source) == job.identity:
        store.keep(job.stored_under, frames)
    return frames
