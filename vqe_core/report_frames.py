"""What a metric saw of a video, for a report: the sampled frames, and each word of some captions against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vqe_core.embed import DecodeCrew, embed_texts, embed_videos
from vqe_core.errors import VqeError
from vqe_core.media import TableMismatchError, Video, as_media_source, open_video, shrunk
from vqe_core.report_evidence import WordEvidence, read_words, word_evidence
from vqe_core.scorers.emscore import EMScore
from vqe_core.scorers.session import embed_settings
from vqe_core.types import TimedEmbeddings


@dataclass(frozen=True, eq=False)
class SeenVideo:
    """A video as a scorer saw it.

    Attributes:
        frames: uint8 (N, H, W, 3) RGB, the sampled frames in the order sampled.
        timestamps: float64 (N,) seconds, or None without a clock.
        indices: int64 (N,), frame numbers in the stream.
        evidence: by caption. Empty where the model has no token-level space.
    """

    frames: np.ndarray = field(repr=False)
    timestamps: np.ndarray | None
    indices: np.ndarray
    evidence: dict[str, WordEvidence] = field(repr=False)


def look_at_video(
    scorer: EMScore, video: Any, captions: Sequence[str], *, longest_side: int | None = None
) -> SeenVideo:
    """Sample a video as ``scorer`` does, and match its frames with the words of ``captions``.

    Args:
        scorer: says which model and which frames.
        video: anything ``EMScore`` takes; not an open decoder, as the video is read twice.
        captions: those to explain.
        longest_side: shrink the frames to this many pixels as they are read. Default: as they are.

    Raises:
        MediaError, InputError: the video or a caption cannot be used.
        ModelNotFoundError, ModelError: the model cannot be used.
    """
    source = as_media_source(video)
    encoder = scorer.load_encoder()
    settings = embed_settings(scorer)
    seen = embed_videos({0: source}, scorer.sampler, encoder, settings)[0]
    if isinstance(seen, VqeError):
        raise seen
    with DecodeCrew.of(settings, [source]) as crew, crew.worker() as worker:
        frames = open_video(source, worker=worker).read(lambda video: _read_frames(video, seen, longest_side))
    evidence = {}
    for text, embedded in embed_texts(captions, encoder, settings, long_text=scorer.long_text).items():
        if isinstance(embedded, VqeError):
            raise embedded
        if embedded.tokens is not None:
            words = read_words(embedded.token_ids, encoder.tokenizer.inner)
            evidence[text] = word_evidence(words, embedded.tokens, seen.values)
    return SeenVideo(frames, seen.timestamps, seen.indices, evidence)


def _read_frames(video: Video, seen: TimedEmbeddings, longest_side: int | None) -> np.ndarray:
    """The pictures that were embedded, in the order sampled.

    Raises:
        TableMismatchError: the video was sampled from another table, that of the frames that really decode.
    """
    numbers, first, where = np.unique(seen.indices, return_index=True, return_inverse=True)
    positions = np.searchsorted(video.table.indices, numbers).clip(max=len(video.table) - 1)
    if seen.timestamps is not None and not np.array_equal(video.table.timestamps[positions], seen.timestamps[first]):
        raise TableMismatchError.at(float(seen.timestamps[0]), video.source.name)
    return np.stack([shrunk(frame.pixels, longest_side) for frame in video.frames(positions)])[where]
