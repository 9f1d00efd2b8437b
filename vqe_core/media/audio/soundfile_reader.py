"""Read plain sound files with soundfile, whose wheel brings libsndfile."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

import soundfile

from vqe_core.errors import MediaError
from vqe_core.media.audio.errors import no_sound_there
from vqe_core.media.audio.file_view import FileView
from vqe_core.media.audio.ogg_links import is_cut_off
from vqe_core.media.audio.stated_sizes import StatedSize, stated_size
from vqe_core.media.audio.timeline import Timeline
from vqe_core.media.limits import AudioLimits
from vqe_core.types import AudioSamples, MediaSource, RowWarning

# First bytes of what libsndfile is trusted with; it knows many more formats, rare and little tested.
_STARTS = (b"RIFF", b"RIFX", b"RF64", b"riff\x2e\x91\xcf\x11", b"FORM", b"fLaC", b"OggS", b"caff", b".snd")

# Others go to PyAV. So does MP3: after a seek libsndfile 1.2.2 loses sound, as mp3 frames lean on those before them,
# it stops at damage that FFmpeg gets over, and its mpg123 writes to stderr.
_CODECS = {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "VORBIS", "OPUS"}

# libsndfile states about 2**63 samples where a stream does not say how long it is.
UNKNOWN_LENGTH = 2**62

# Samples a channel read at once. Where a file is damaged, up to so many before the damage are lost.
_BLOCK = 4096

# Less than this may be missing at the end of a file: some programs count a few bytes too many.
_SLOPPY_SECONDS = 1e-3


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


@contextmanager
def opened_file(source: MediaSource) -> Iterator[BinaryIO]:
    """Open the bytes of a source, a path that `check_file` has looked at or encoded bytes."""
    # Never by name: libsndfile would guess formats from suffixes, and look for files beside this one.
    # Nor may the file object have one: for ".raw" soundfile would ask for a rate, though there is a header.
    file: BinaryIO
    if source.data is not None:
        file = io.BytesIO(source.data)
    else:
        file = os.fdopen(os.open(source.path or "", os.O_RDONLY), "rb")
    with file:
        yield file


@contextmanager
def opened_sound(file: BinaryIO) -> Iterator[ForwardSoundFile | None]:
    """Open a file with libsndfile; gives None if it cannot read it well."""
    file.seek(0)
    try:
        sound = ForwardSoundFile(file)
    except soundfile.LibsndfileError:
        yield None
        return
    with sound:
        yield sound if sound.subtype in _CODECS else None


def read_plain_sound(file: BinaryIO, source: MediaSource, limits: AudioLimits) -> AudioSamples | None:
    """Decode a sound file, limited to the source's segment. The first sample of the file is at 0 s.

    A file that was never closed, whose header states no size, is read to its end.

    Args:
        file: open, of ``source``.
        source: its segment counts.
        limits: what it may ask for.

    Returns:
        float32 (C, T) with a warning if the file holds less than it states; None if libsndfile cannot read it well.

    Raises:
        MediaError: code ``bad_sample_rate``, ``bad_channels``, ``too_long``, ``no_audio`` or ``decode_error``.
    """
    size, cut_off = stated_size(file), is_cut_off(file)
    patched: BinaryIO = file
    if size is not None and size.patches:
        end = file.seek(0, os.SEEK_END)
        patched = cast(BinaryIO, io.BufferedReader(FileView(file, 0, end, size.patches)))
    with opened_sound(patched) as sound:
        if sound is None:
            return None
        warning = _missing(sound, size)
        if cut_off:
            warning = RowWarning("cut off: the last page of the Ogg file is not whole", code="truncated")
        return _read(sound, source, limits, warning)


def _read(
    sound: ForwardSoundFile, source: MediaSource, limits: AudioLimits, cut_off: RowWarning | None
) -> AudioSamples:
    rate, name = sound.samplerate, source.name
    limits.check_rate(rate, name)
    limits.check_channels(sound.channels, name)
    stated = sound.frames if 0 <= sound.frames < UNKNOWN_LENGTH else None
    first = max(math.floor((source.start or 0.0) * rate), 0)
    last = stated if source.end is None else max(math.ceil(source.end * rate), first)
    if stated is not None:
        first, last = min(first, stated), min(last or 0, stated)
    if last is not None:
        limits.check_length(last - first, sound.channels, rate, name)
    if stated is None:
        first, last = 0, None  # libsndfile cannot seek in it
    timeline = Timeline(limits, name, source.start, source.end)
    timeline.pass_over(first, rate)
    damage = feed_sound(sound, timeline, first, last)
    samples = timeline.finish(None if stated is None else stated / rate)
    whole = (0.0, max(stated or 0, timeline.counted) / rate) if stated is not None or not timeline.is_full else None
    warnings = [*samples.warnings, *([damage] if damage else [])]
    if damage and samples.waveform.shape[1] == 0:
        raise MediaError(f"{name!r} cannot be decoded: {damage}")
    if cut_off is not None and not timeline.is_full:
        warnings.append(cut_off)
    if samples.waveform.shape[1] == 0:
        raise no_sound_there(name, whole)
    return AudioSamples(samples.waveform, rate, samples.start, tuple(warnings), extent=whole)


def feed_sound(sound: ForwardSoundFile, timeline: Timeline, first: int, last: int | None) -> RowWarning | None:
    """Decode from sample ``first`` up to ``last``, or as far as is wanted.

    Returns:
        What went wrong on the way, if anything.
    """
    at = first
    try:
        if first:
            sound.seek(first)
        while not timeline.is_full and (last is None or at < last):
            wanted = _BLOCK if last is None else min(_BLOCK, last - at)
            block = sound.read(wanted, dtype="float32", always_2d=True)
            if len(block):
                timeline.place(None, block.T, sound.samplerate)
            at += len(block)
            if len(block) < wanted:
                return None
    except soundfile.LibsndfileError as error:
        where = f"{timeline.position:.2f} s ({error.error_string})"
        return RowWarning(f"damaged at {where}", code="damaged_audio")
    return None


def _missing(sound: ForwardSoundFile, size: StatedSize | None) -> RowWarning | None:
    """Return a warning if the header states more than there is."""
    if size is None or not size.missing or not size.there or not sound.frames:
        return None
    seconds = size.missing * sound.frames / size.there / sound.samplerate
    whole = seconds + sound.frames / sound.samplerate
    if seconds < _SLOPPY_SECONDS:
        return None
    return RowWarning(f"cut off: {seconds:.2f} of {whole:.2f} s are missing", code="truncated")
