"""Videos to embeddings of their sampled frames: looked up, or decoded and encoded side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from vqe_core.cache import Cache, CacheKey, Entry
from vqe_core.deadline import check_deadline
from vqe_core.embed.batching import EncoderFailedError, ImageBatcher
from vqe_core.embed.prefetch import OrderedPrefetch
from vqe_core.embed.settings import EmbedSettings
from vqe_core.embed.sharing import SharedFrames, shared_frames
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

    @cached_property
    def key(self) -> str:
        """A text that is equal for recipes that make the same embeddings."""
        return json.dumps([recipe_parts(self), repr(self.settings.reader)], sort_keys=True, default=repr)

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
        if self.sampler.needs_differences:
            video = video.with_differences()
        positions, note = self.positions(video.table)
        if embeds_clips(self.encoder):
            yield from self._read_clips(self.encoder, video, positions, note)
            return
        strange: list[bool] = []
        for frame in video.frames(np.unique(positions)):
            yield from self.images(frame.pixels, strange)
        yield self.joined(video, positions, note, strange)

    def positions(self, table: FrameTable) -> tuple[np.ndarray, str | None]:
        """Return the positions of the sampled frames in a table, and a warning where they are too many for all."""
        return cap_positions(self.sampler.select(table), self.settings.max_frames)

    def images(self, pixels: np.ndarray, strange: list[bool]) -> Iterator[Tensor]:
        """Model inputs of a frame, one a view; of a teaching model, ``strange`` gets which it cannot judge."""
        known = known_world_of(self.encoder)
        for view in self.settings.views.of(pixels):
            image = self.encoder.prepare_image(view)
            if known is not None:
                strange.append(known.is_strange(image))
            yield image

    def joined(self, video: Video, positions: np.ndarray, note: str | None, strange: Sequence[bool]) -> SampledVideo:
        """Return what joins the embeddings of the distinct frames, and of their copies, to those of the video."""
        count, known = self.settings.views.count, known_world_of(self.encoder)
        distinct, where = np.unique(positions, return_inverse=True)
        images = (where[:, None] * count + np.arange(count)).ravel().astype(np.int32)
        notes = (*video.table.warnings, note) if note else video.table.warnings
        notes += () if known is None else known.clip_notes(strange)
        return SampledVideo(video.table, np.repeat(distinct, count), images, notes, video.read_by)

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
class ImageBeside:
    """A model input for the recipe of this number among those beside the first."""

    number: int
    image: Tensor


@dataclass(frozen=True, eq=False)
class SampledBeside:
    """Orders that join the embeddings of the first recipe, and of each beside it."""

    first: SampledVideo
    others: tuple[SampledVideo, ...]


def read_together(
    recipe: FrameRecipe, others: Sequence[FrameRecipe], video: Video
) -> Iterator[Tensor | ImageBeside | SampledVideo | SampledBeside | Restart]:
    """Read what several recipes want of a video in one pass, each frame once; none of them of clips.

    What goes wrong in one pass, which meets more frames than each recipe alone, must cost none of them: then the first
    is read alone.

    Raises:
        MediaError: see ``FrameRecipe.read``.
    """
    try:
        yield from _read_together((recipe, *others), video)
    except (VqeError, MemoryError, RuntimeError):
        yield Restart()
        yield from recipe.read(video)


def _read_together(
    recipes: Sequence[FrameRecipe], video: Video
) -> Iterator[Tensor | ImageBeside | SampledVideo | SampledBeside]:
    if any(recipe.sampler.needs_differences for recipe in recipes):
        video = video.with_differences()
    chosen = [recipe.positions(video.table) for recipe in recipes]
    wanted = [np.unique(positions) for positions, _ in chosen]
    strange: list[list[bool]] = [[] for _ in recipes]
    for frame in video.frames(np.unique(np.concatenate(wanted))):
        for number, recipe in enumerate(recipes):
            if frame.position in wanted[number]:
                for image in recipe.images(frame.pixels, strange[number]):
                    yield ImageBeside(number - 1, image) if number else image
    parts = zip(recipes, chosen, strange, strict=True)
    first, *others = (recipe.joined(video, *some, odd) for recipe, some, odd in parts)
    yield SampledBeside(first, tuple(others))


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

    cache: Cache | None
    recipe: FrameRecipe

    def key(self, source: MediaSource, *, read: bool = True, content: str | None = None) -> CacheKey | None:
        """Return the key of a video's frames; None for what has no content to tell it by, such as a decoder.

        Args:
            source: the video.
            read: False: give None also for a file that would have to be read to tell.
            content: its digest, where that is known.
        """
        if self.cache is None:
            return None
        try:
            content = content or content_digest(source, self.cache.digests, read=read)
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
    store, shared = FrameStore(settings.cache, recipe), shared_frames()
    results: dict[Key, Embedded] = {}
    missing: list[_Job[Key]] = []

    def note(key: Key, outcome: Embedded) -> None:
        results[key] = outcome
        if shared is not None and isinstance(outcome, TimedEmbeddings) and shared.wanted_again(recipe):
            shared.keep(recipe, source_identity(sources[key]), outcome)
        if on_outcome is not None:
            on_outcome(key, outcome)

    for key, source in sources.items():
        looked_at: Any = None if shared is None else shared.find(recipe, source)
        looked_at = looked_at or attempt(_look_up, key, source, store)
        if isinstance(looked_at, _Job):
            missing.append(looked_at)
        else:
            note(key, looked_at)
    if missing:
        own = WorkerPool.of(settings, [job.source for job in missing]) if pool is None else nullcontext(pool)
        try:
            with own as hands:
                for job, outcome in _embed(missing, recipe, store, hands, shared):
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
    jobs: Sequence[_Job[Key]], recipe: FrameRecipe, store: FrameStore, pool: WorkerPool, shared: SharedFrames | None
) -> Iterator[tuple[_Job[Key], Embedded]]:
    """Return each job with its outcome, failures as soon as they are known."""
    settings, pending = recipe.settings, dict[int, SampledVideo]()
    batch_size = settings.image_batch(recipe.encoder)
    with (
        _Beside.of(shared, recipe) as beside,
        OrderedPrefetch(
            len(jobs),
            lambda i, worker: timed_items(
                "decode", _read(jobs[i], worker, pool.clock(jobs[i].key), recipe, store, beside.recipes)
            ),
            threads=min(MOST_THREADS, torch.get_num_threads()),
            worker=pool.worker,
            waiting=batch_size,
        ) as reading,
        ImageBatcher(recipe.encoder, batch_size) as batcher,
    ):
        for i in range(len(jobs)):
            try:
                outcome = _collect(i, reading, batcher, beside)
                if isinstance(outcome, SampledVideo):
                    pending[i] = outcome
                else:
                    yield jobs[i], outcome
            except EncoderFailedError:
                raise
            except Exception as error:
                batcher.discard(i)
                beside.discard(i)
                yield jobs[i], row_error(error)
            yield from _finished(jobs, pending, batcher, store)
            beside.finish(jobs)
        batcher.flush()
        yield from _finished(jobs, pending, batcher, store)
        beside.flush(jobs)
        for i, sampled in pending.items():
            got = f"{batcher.count(i)} of {sampled.num_distinct} images"
            yield jobs[i], InternalError.told(f"{got} of {jobs[i].source.name!r} came out of the reader", "")


class _Beside:
    """Recipes of other metrics, whose images come from the same reading of each video; see ``SharedFrames``.

    What goes wrong with them is passed over: the metric that wants them reads the video itself, and tells.
    """

    def __init__(self, shared: SharedFrames | None, recipes: Sequence[FrameRecipe]) -> None:
        self._shared, self.recipes = shared, tuple(recipes)
        self._batchers = [ImageBatcher(each.encoder, each.settings.image_batch(each.encoder)) for each in recipes]
        self._pending: list[dict[int, SampledVideo]] = [{} for _ in recipes]
        self._stack = ExitStack()

    @classmethod
    def of(cls, shared: SharedFrames | None, recipe: FrameRecipe) -> _Beside:
        """Return those beside a recipe; none where nothing is shared."""
        return cls(shared, () if shared is None else shared.beside(recipe))

    def __enter__(self) -> _Beside:
        for batcher in self._batchers:
            self._stack.enter_context(batcher)
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def add(self, i: int, item: ImageBeside) -> None:
        """Take an image of job ``i``."""
        with suppress(EncoderFailedError):
            self._batchers[item.number].add(i, item.image)

    def expect(self, i: int, others: Sequence[SampledVideo]) -> None:
        """Take what joins the images of job ``i``."""
        for pending, sampled in zip(self._pending, others, strict=True):
            pending[i] = sampled

    def discard(self, i: int) -> None:
        """Forget the images of job ``i``."""
        for batcher in self._batchers:
            with suppress(EncoderFailedError):
                batcher.discard(i)

    def finish(self, jobs: Sequence[_Job[Any]]) -> None:
        """Keep the embeddings of the jobs that have them all."""
        for recipe, batcher, pending in zip(self.recipes, self._batchers, self._pending, strict=True):
            for i, sampled in list(pending.items()):
                if batcher.error(i) is not None:
                    del pending[i]
                elif batcher.count(i) == sampled.num_distinct:
                    del pending[i]
                    self._keep(recipe, jobs[i], sampled.embeddings(batcher.take(i)))

    def flush(self, jobs: Sequence[_Job[Any]]) -> None:
        """Embed what is left, and keep it."""
        for batcher in self._batchers:
            with suppress(EncoderFailedError):
                batcher.flush()
        self.finish(jobs)

    def _keep(self, recipe: FrameRecipe, job: _Job[Any], frames: TimedEmbeddings) -> None:
        if self._shared is None or source_identity(job.source) != job.identity:
            return
        self._shared.keep(recipe, job.identity, frames)
        content = None if job.stored_under is None else job.stored_under.parts["content"]
        if content is not None:
            store = FrameStore(recipe.settings.cache, recipe)
            store.keep(store.key(job.source, content=content), frames)


def _read(
    job: _Job[Any],
    worker: DecodeWorker | None,
    clock: RowClock,
    recipe: FrameRecipe,
    store: FrameStore,
    beside: Sequence[FrameRecipe],
) -> Iterator[Any]:
    """Yield what is stored of a file that had to be read to tell, or else what ``read_together`` yields."""
    if job.stored_under is None:
        job.stored_under = store.key(job.source)
        found = store.find(job.stored_under)
        if found is not None:
            yield found
            return
    with one_row(worker, clock):
        video = open_video_in(worker, job.source, recipe.settings.limits, reader=recipe.settings.reader)
        yield from read_together(recipe, beside, video) if beside else recipe.read(video)


def _collect(
    i: int, reading: OrderedPrefetch[Any], batcher: ImageBatcher, beside: _Beside
) -> SampledVideo | TimedEmbeddings:
    outcome: SampledVideo | TimedEmbeddings
    for item in timed_items("wait", reading.items(i)):
        check_deadline("reading the video")
        if isinstance(item, Restart):
            batcher.discard(i)
            beside.discard(i)
        elif isinstance(item, ImageBeside):
            beside.add(i, item)
        elif isinstance(item, SampledBeside):
            beside.expect(i, item.others)
            outcome = item.first
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
