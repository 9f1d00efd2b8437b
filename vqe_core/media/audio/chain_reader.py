"""Read an Ogg file of several links: each by itself, one after the other in time."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from typing import BinaryIO, cast

from vqe_core.errors import MediaError
from vqe_core.media.audio.errors import no_sound_there
from vqe_core.media.audio.file_view import FileView
from vqe_core.media.audio.ogg_links import is_cut_off
from vqe_core.media.audio.pyav_reader import feed_track
from vqe_core.media.audio.signal import sample_at
from vqe_core.media.audio.soundfile_reader import UNKNOWN_LENGTH, ForwardSoundFile, feed_sound, opened_sound
from vqe_core.media.audio.timeline import Timeline
from vqe_core.media.limits import AudioLimits
from vqe_core.types import AudioSamples, MediaSource, RowWarning


def read_chain(file: BinaryIO, bounds: Sequence[int], source: MediaSource, limits: AudioLimits) -> AudioSamples:
    """Decode all links, or those within the source's segment. The first sample of the file is at 0 s.

    Args:
        file: open, of ``source``.
        bounds: see `link_bounds`.
        source: its segment counts.
        limits: what the file may ask for.

    Returns:
        float32 (C, T), mono where links differ in channels or rate.

    Raises:
        MediaError: code ``bad_sample_rate``, ``bad_channels``, ``too_long``, ``no_audio`` or ``decode_error``.
    """
    timeline = Timeline(limits, source.name, source.start, source.end)
    damage: list[str] = []
    for begin, end in itertools.pairwise(bounds):
        if timeline.is_full:
            break
        link = cast(BinaryIO, io.BufferedReader(FileView(file, begin, end)))
        problem = _feed_link(link, timeline)
        damage += [f"at {timeline.position:.2f} s: {problem}"] if problem else []
    extent = None if timeline.is_full else (0.0, timeline.position)
    # Where no link could be decoded, there is not even a rate.
    samples = timeline.finish() if timeline.rate else None
    if samples is None or samples.waveform.shape[1] == 0:
        if damage:
            raise MediaError(f"{source.name!r} cannot be decoded: {damage[0]}")
        raise no_sound_there(source.name, extent)
    warnings = list(samples.warnings)
    if damage:
        warnings.append(RowWarning(f"damaged {'; '.join(damage[:3])}", code="damaged_audio", count=len(damage)))
    if extent is not None and is_cut_off(file):
        warnings.append(RowWarning("cut off: the last page of the Ogg file is not whole", code="truncated"))
    return AudioSamples(samples.waveform, samples.sampling_rate, samples.start, tuple(warnings), extent)


def _feed_link(link: BinaryIO, timeline: Timeline) -> str | None:
    """Decode one link; returns what is wrong with it, if anything."""
    try:
        with opened_sound(link) as sound:
            if sound is not None:
                return _feed_sound(sound, timeline)
        link.seek(0)
        part = MediaSource(data=link.read())
        bad = feed_track(part, timeline)
    except MediaError as error:
        if error.code in ("decode_error", "no_audio"):
            return "a part cannot be decoded"
        raise
    return f"{bad} packets cannot be decoded" if bad else None


def _feed_sound(sound: ForwardSoundFile, timeline: Timeline) -> str | None:
    first, rate = 0, sound.samplerate
    if timeline.start is not None and 0 <= sound.frames < UNKNOWN_LENGTH:
        first = min(max(sample_at(timeline.start, timeline.position, rate), 0), sound.frames)
    timeline.pass_over(first, rate)
    damage = feed_sound(sound, timeline, first, None)
    return None if damage is None else str(damage)
