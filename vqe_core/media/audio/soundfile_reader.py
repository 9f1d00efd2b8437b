"""Read plain sound files with soundfile, whose wheel brings libsndfile."""

from __future__ import annotations

import io
import math
import os
from typing import BinaryIO

import soundfile

from vqe_core.errors import MediaError
from vqe_core.media.audio.buffer import SampleBlocks
from vqe_core.media.audio.signal import slice_seconds
from vqe_core.media.limits import AudioLimits
from vqe_core.types import AudioSamples, MediaSource

# First bytes of what libsndfile is trusted with; it knows many more formats, rare and little tested.
_STARTS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b"caff", b".snd")

# Others go to PyAV. So does MP3: after a seek libsndfile 1.2.2 loses sound, as mp3 frames lean on those before them,
# it stops at damage that FFmpeg gets over, and its mpg123 writes to stderr.
_CODECS = {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "VORBIS", "OPUS"}

# libsndfile states about 2**63 samples where a stream does not say how long it is.
_UNKNOWN_LENGTH = 2**62

# Samples a channel read at once. Where a file is damaged, up to so many before the damage are lost.
_BLOCK = 4096


class ForwardSoundFile(soundfile.SoundFile):
    """Says that it cannot seek, because soundfile would then seek after every read, which fails in damaged flac
    files and in those that do not state their length.
    """

    def seekable(self) -> bool:
        """Return False, so that reading goes forward only."""
        return False


def is_plain_sound(head: bytes) -> bool:
    """Tell whether a file starts like one that soundfile reads, and not like a video.

    Args:
        head: its first bytes, about 1 kB.
    """
    if head.startswith(b"RIFF"):
        return head[8:12] == b"WAVE"
    if head.startswith(b"OggS"):
        return b"theora" not in head
    return head.startswith(_STARTS)


def open_plain_sound(source: MediaSource) -> ForwardSoundFile | None:
    """Open a path or encoded bytes, or None if libsndfile cannot read it well.

    Args:
        source: with ``path`` (already looked at by `check_file`) or ``data``.
    """
    # Never by name: libsndfile would guess formats from suffixes, and look for files beside this one.
    # Nor may the file object have one: for ".raw" soundfile would ask for a rate, though there is a header.
    file: BinaryIO
    if source.data is not None:
        file = io.BytesIO(source.data)
    else:
        file = os.fdopen(os.open(source.path or "", os.O_RDONLY), "rb")
    try:
        opened = ForwardSoundFile(file)
    except soundfile.LibsndfileError:
        file.close()
        return None
    if opened.subtype in _CODECS:
        return opened
    opened.close()
    file.close()
    return None


def read_plain_sound(file: ForwardSoundFile, source: MediaSource, limits: AudioLimits) -> AudioSamples:
    """Decode an open sound file, limited to the source's segment. The first sample of the file is at 0 s.

    Args:
        file: from `open_plain_sound`.
        source: what was opened.
        limits: what it may ask for.

    Returns:
        float32 (C, T), maybe of length 0, with a warning if the file holds less than it states.

    Raises:
        MediaError: code ``bad_sample_rate``, ``bad_channels``, ``too_long`` or ``decode_error``.
    """
    rate, channels, name = file.samplerate, file.channels, source.name
    limits.check_rate(rate, name)
    limits.check_channels(channels, name)
    stated = file.frames if 0 <= file.frames < _UNKNOWN_LENGTH else None
    first = max(math.floor((source.start or 0.0) * rate), 0)
    last = stated if source.end is None else max(math.ceil(source.end * rate), first)
    if stated is not None:
        first, last = min(first, stated), min(last or 0, stated)
    if last is not None:
        limits.check_length(last - first, channels, rate, name)
    blocks = SampleBlocks(limits, rate, name)
    damage = _read_blocks(file, blocks, first, last)
    warnings = [damage] if damage else []
    if stated is not None and last is not None and blocks.length < 0.95 * (last - first):
        warnings.append(f"ends early: {(first + blocks.length) / rate:.2f} of {last / rate:.2f} s can be decoded")
    if damage and blocks.length == 0:
        raise MediaError(f"{name!r} cannot be decoded: {damage}")
    samples = AudioSamples(blocks.join(), rate, start=first / rate, warnings=tuple(warnings))
    return slice_seconds(samples, source.start, source.end)


def _read_blocks(file: ForwardSoundFile, blocks: SampleBlocks, first: int, last: int | None) -> str | None:
    """Read from sample ``first`` up to ``last``; returns what went wrong on the way, if anything."""
    try:
        if first:
            file.seek(first)
        while last is None or blocks.length < last - first:
            wanted = _BLOCK if last is None else min(_BLOCK, last - first - blocks.length)
            block = file.read(wanted, dtype="float32", always_2d=True)
            blocks.add(block.T)
            if len(block) < wanted:
                return None
    except soundfile.LibsndfileError as error:
        return f"damaged at {(first + blocks.length) / file.samplerate:.2f} s ({error.error_string})"
    return None
