"""Cache entries of what was made of audio: the tags of a sound, the windows of a pair."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vqe_core.cache import Cache, CacheKey, Entry
from vqe_core.errors import VqeError
from vqe_core.media import audio_versions, content_digest, source_identity
from vqe_core.scorers.video_audio.pairs import SoundPair
from vqe_core.scorers.video_audio.windows import WindowedEmbeddings
from vqe_core.types import AudioSamples, MediaSource, restored_warnings, stored_warnings


def pair_parts(pair: SoundPair, cache: Cache) -> dict[str, Any] | None:
    """Return the part of a key that tells a video and its sound; None for what has no content to tell it by."""
    try:
        video = content_digest(pair.video, cache.digests)
        sound = video if pair.audio is None else _sound_digest(pair.audio, cache)
    except VqeError:
        return None  # reading it tells what is wrong
    if video is None or sound is None:
        return None
    return {
        "video": video,
        "segment": [pair.video.start, pair.video.end, pair.video.fps],
        "streams": [pair.video.video_stream, pair.video.audio_stream],
        "sound": "own track" if pair.audio is None else sound,
        "decoders": audio_versions(),
    }


def _sound_digest(sound: MediaSource | AudioSamples, cache: Cache) -> str | None:
    if isinstance(sound, MediaSource):
        content = content_digest(sound, cache.digests)
        return None if content is None else f"{content}:{sound.start}:{sound.end}:{sound.audio_stream!r}"
    digest = hashlib.sha256(f"{sound.waveform.shape}:{sound.sampling_rate}:{sound.start}:".encode())
    digest.update(np.ascontiguousarray(sound.waveform).data)
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Place:
    """Place in a cache of what is made of a pair; none without a cache, or without content to tell it by.

    Attributes:
        pair: what it is made of.
        cache, key: None: nothing is found and nothing kept.
        before: what told the files of the pair when the key was made.
    """

    pair: SoundPair
    cache: Cache | None
    key: CacheKey | None
    before: list[str]

    @classmethod
    def of(cls, pair: SoundPair, cache: Cache | None, key: CacheKey | None) -> Place:
        """Take note of the files of a pair as they are now."""
        return cls(pair, cache, key, identities(pair))

    def find(self) -> Entry | None:
        """Return what is stored."""
        return self.cache.get(self.key) if self.cache is not None and self.key is not None else None

    def keep(self, entry: Entry) -> None:
        """Store an entry, unless a file changed while it was read: the key tells what it was."""
        if self.cache is not None and self.key is not None and identities(self.pair) == self.before:
            self.cache.put(self.key, entry)


def identities(pair: SoundPair) -> list[str]:
    """Return what tells later whether the files of a pair are still those that were looked at."""
    return [source_identity(source) for source in (pair.video, pair.audio) if isinstance(source, MediaSource)]


def entry_of_windows(windows: WindowedEmbeddings, notes: tuple[str, ...], reader: str) -> Entry:
    """Return the entry that ``windows_of_entry`` reads."""
    arrays = {name: getattr(windows, name).detach().numpy() for name in ("times", "visual", "audio", "measured")}
    return Entry(arrays, {"notes": stored_warnings(notes), "reader": reader})


def windows_of_entry(entry: Entry) -> tuple[WindowedEmbeddings, tuple[str, ...], str]:
    """Windows, warnings and reader as they were stored, bit for bit."""
    windows = WindowedEmbeddings(**{name: torch.from_numpy(array) for name, array in entry.arrays.items()})
    return windows, restored_warnings(entry.notes["notes"]), entry.notes["reader"]
