"""Videos to embeddings of their sampled frames: looked up, or decoded and encoded side by side."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch
from torch import Tensor

from vqe_core.cache import CacheKey
from vqe_core.embed.batches import EncoderFailedError, ImageBatcher
from vqe_core.embed.crew import DecodeCrew
from vqe_core.embed.lanes import OrderedLanes
from vqe_core.embed.sampling import FrameRecipe, Restart, SampledVideo
from vqe_core.embed.settings import EmbedSettings
from vqe_core.embed.stored_frames import FrameStore
from vqe_core.errors import VqeError, row_error
from vqe_core.media import DecodeWorker, open_video, source_identity
from vqe_core.types import MediaSource, TimedEmbeddings

if TYPE_CHECKING:
    from vqe_core.encoders import ImageTextEncoder
    from vqe_core.samplers import FrameSampler

Key = TypeVar("Key", bound=Hashable)
Embedded = TimedEmbeddings | VqeError

MOST_LANES = 16  # what waits grows with the lanes: twice as many batches of prepared pictures


def embed_videos(
    sources: Mapping[Key, MediaSource],
    sampler: FrameSampler,
    encoder: ImageTextEncoder,
    settings: EmbedSettings,
    *,
    crew: DecodeCrew | None = None,
    on_outcome: Callable[[Key, Embedded], None] | None = None,
) -> dict[Key, Embedded]:
    """Embed the sampled frames of each video.

    Frames are shrunk to model input as they are decoded, several videos are read at once, and batches are filled
    across videos in the order of ``sources``, while the batch before is being embedded.

    Args:
        sources: distinct videos by key.
        sampler: which frames.
        encoder: pictures to embeddings.
        settings: of the call.
        crew: who decodes, for hosts that call again and again. Default: one for this call.
        on_outcome: called with each video as soon as its embeddings or its error are known, for bars and for hosts
            that stop at the first failure.

    Returns:
        Embeddings, or the error, of each key.

    Raises:
        Exception: what the encoder raised; it cannot encode, whatever the video.
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
        job = _Job(key, source, source_identity(source), store.key(source, read=False))
        found = store.find(job.stored_under)
        if found is None:
            missing.append(job)
        else:
            note(key, found)
    if missing:
        own = DecodeCrew.of(settings, [job.source for job in missing]) if crew is None else nullcontext(crew)
        try:
            with own as hands:
                for job, outcome in _embed(missing, recipe, store, hands):
                    note(job.key, outcome)
        except EncoderFailedError as failed:
            raise failed.error from failed.error.__cause__
    return {key: results[key] for key in sources}


@dataclass
class _Job(Generic[Key]):
    """A video to be decoded; ``identity`` tells later whether its file is still the one that was looked at.

    ``stored_under`` of a file that has to be read whole to tell it is filled in on the lane that decodes it.
    """

    key: Key
    source: MediaSource
    identity: str
    stored_under: CacheKey | None


def _embed(
    jobs: Sequence[_Job[Key]], recipe: FrameRecipe, store: FrameStore, crew: DecodeCrew
) -> Iterator[tuple[_Job[Key], Embedded]]:
    """Each job with its outcome, failures as soon as they are known."""
    settings, pending = recipe.settings, dict[int, SampledVideo]()
    batch_size = settings.picture_batch(recipe.encoder)
    with (
        OrderedLanes(
            len(jobs),
            lambda i, worker: _read(jobs[i], worker, recipe, store),
            lanes=min(MOST_LANES, torch.get_num_threads()),
            worker=crew.worker,
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


def _read(
    job: _Job[Any], worker: DecodeWorker | None, recipe: FrameRecipe, store: FrameStore
) -> Iterator[Tensor | SampledVideo | Restart | TimedEmbeddings]:
    """On a lane: what is stored of a file that had to be read to tell, or else what ``FrameRecipe.read`` gives."""
    if job.stored_under is None:
        job.stored_under = store.key(job.source)
        found = store.find(job.stored_under)
        if found is not None:
            yield found
            return
    yield from recipe.read(open_video(job.source, recipe.settings.limits, worker, recipe.settings.decoder))


def _collect(i: int, reading: OrderedLanes[Any], batcher: ImageBatcher) -> SampledVideo | TimedEmbeddings:
    for item in reading.items(i):
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
    """Jobs whose pictures are all embedded; they are stored at once, so that little is lost by a kill."""
    for i in [i for i, sampled in pending.items() if batcher.count(i) == sampled.num_distinct]:
        frames, job = pending.pop(i).embeddings(batcher.take(i)), jobs[i]
        # A file that changed while it was read would be stored under the digest of what it was.
        if source_identity(job.source) == job.identity:
            store.keep(job.stored_under, frames)
        yield job, frames
