"""Read a video's own track, and the sound files that soundfile does not know, with PyAV (FFmpeg inside)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from vqe_core.errors import MediaError
from vqe_core.media.audio.errors import no_sound_there
from vqe_core.media.audio.source import full_scale
from vqe_core.media.audio.stated_length import end_as_stated, end_as_tagged
from vqe_core.media.audio.timeline import Timeline
from vqe_core.media.clock import FileClock
from vqe_core.media.container import media_errors, open_container, readable_packets, stated_ratio
from vqe_core.media.encryption import check_not_encrypted
from vqe_core.media.limits import AudioLimits, MediaLimits
from vqe_core.media.streams import choose_streams
from vqe_core.types import AudioSamples, MediaSource

# Containers with an index by time, in which a seek lands where it should.
_SEEKABLE = {"mov", "matroska"}

# Decoders need some sound before the wanted one to be in the right state: 80 ms for Opus, less for others.
_PREROLL_SECONDS = 1.0

# Decoders, besides those of PCM, whose samples after a seek are those of a decoding from the start, bit for bit. AAC,
# AC-3 and MP2 add noise by a generator that runs from the start.
_REPRODUCIBLE = {"opus", "vorbis", "flac", "alac", "mp3", "mp3float"}

# Containers that round times are off by two of their ticks at the most, one for the delay of the encoder.
_ROUNDED_TICKS = 2

# Opus leaves silence out (DTX), and says so in packets of so many bytes, at least so often (s).
_DTX_BYTES, _DTX_SECONDS = 3, 0.5

# Of planar formats.
_SAMPLES = {"u8p": np.uint8, "s16p": np.int16, "s32p": np.int32, "fltp": np.float32, "dblp": np.float64}

_EMPTY_STREAM = "has an audio stream with no samples in it"


class _NotWhereStatedError(Exception):
    """After a seek, sound is not where it would be on the way from the start."""


def read_track(source: MediaSource, limits: AudioLimits, *, exact: bool = False) -> AudioSamples:
    """Decode the audio stream that FFmpeg prefers, limited to the source's segment.

    Channels stay as they are: FFmpeg's own way to mono is 3 dB louder than the mean. Only where their number or the
    rate changes midway, all is made mono. In MP4 and Matroska a late segment is found by seeking.

    Args:
        source: with ``path`` or ``data``. Its segment counts on the clock of the file, see `FileClock`.
        limits: what the file may ask for.
        exact: samples must be those of a decoding from the start, bit for bit: seek only with decoders that give them.
            With others, samples are at the same places, and a noise that the decoder adds is another one.

    Returns:
        float32 (C, T); ``start`` is on the same clock. The delay and padding of the encoder are left out where the
        file states them.

    Raises:
        MediaError: code ``no_audio``, ``bad_sample_rate``, ``bad_channels``, ``too_long`` or ``decode_error``.
    """
    try:
        return _read_track(source, limits, seek=True, exact=exact)
    except _NotWhereStatedError:
        return _read_track(source, limits, seek=False, exact=exact)


def _read_track(source: MediaSource, limits: AudioLimits, *, seek: bool, exact: bool) -> AudioSamples:
    with media_errors(source.name), open_container(source, MediaLimits(formats=limits.formats)) as container:
        track = _Track.of(container, source, limits)
        track.check_header()
        return track.read(seek=seek and track.can_seek(exact))


# From so many on, PyAV counts planes that are none: it reads what they point at, or refuses the frame.
_MISCOUNTED_CHANNELS = 8


class _Planes:
    """Samples of the frames of one track, float32 (C, T)."""

    def __init__(self) -> None:
        self._packing: tuple[str, AudioResampler] | None = None

    def of(self, frame: AudioFrame) -> np.ndarray:
        """Return the samples of a frame, full scale 1."""
        channels, kind = frame.layout.nb_channels, _SAMPLES.get(frame.format.name)
        if kind is None:
            return full_scale(frame.to_ndarray().reshape(-1, channels).T)
        if channels < _MISCOUNTED_CHANNELS:
            return full_scale(frame.to_ndarray())
        packed = self._packed(frame)
        samples = np.frombuffer(memoryview(packed.planes[0]), dtype=kind, count=frame.samples * channels)
        return full_scale(samples.reshape(-1, channels).T)

    def _packed(self, frame: AudioFrame) -> AudioFrame:
        """Return the same samples channel by channel in one plane."""
        what = f"{frame.format.name} {frame.layout.name} {frame.sample_rate}"
        if self._packing is None or self._packing[0] != what:
            # One for all frames: each starts threads.
            self._packing = what, AudioResampler(format=frame.format.packed)
        frame.pts = None  # else it would look for gaps
        (packed,) = self._packing[1].resample(frame)
        return packed


def feed_track(source: MediaSource, timeline: Timeline) -> int:
    """Decode the audio stream of a source after what the timeline has already, whatever times it states.

    Args:
        source: with ``path`` or ``data``.
        timeline: has the limits.

    Returns:
        Packets that cannot be decoded.

    Raises:
        MediaError: see `read_track`.
    """
    with media_errors(source.name), open_container(source, MediaLimits(formats=timeline.limits.formats)) as container:
        track = _Track.of(container, source, timeline.limits)
        for _, frame in track.frames():
            timeline.place(None, track.planes.of(frame), frame.sample_rate)
            if timeline.is_full:
                break
        return track.bad_packets


@dataclass
class _Track:
    """One pass over an audio stream."""

    clock: FileClock
    stream: AudioStream
    source: MediaSource
    limits: AudioLimits
    has_images: bool
    bad_packets: int = 0
    planes: _Planes = field(default_factory=_Planes)
    _begin: float | None = None  # seconds, when the track begins
    _sizes: list[int] = field(default_factory=list)  # of the packets that the last frame and the one before came from

    @classmethod
    def of(cls, container: InputContainer, source: MediaSource, limits: AudioLimits) -> _Track:
        """Choose the stream of an open file.

        Raises:
            MediaError: code ``no_audio``.
        """
        video, audio = choose_streams(container, source)
        check_not_encrypted(source, "audio", audio)
        if audio is None:
            raise _no_audio(container, source.name)
        audio.codec_context.thread_count = 1
        clock = FileClock.of(container, [audio] if video is None else [video, audio])
        return cls(clock, audio, source, limits, has_images=video is not None)

    @property
    def container(self) -> InputContainer:
        """The open file."""
        return self.clock.container

    @property
    def stated_end(self) -> float | None:
        """Seconds into the file at which the track ends, as the container states it, or None."""
        return end_as_stated(self.clock, self.stream, self.source, has_images=self.has_images)

    def check_header(self) -> None:
        """Refuse what the header asks for, before anything is decoded."""
        context, name = self.stream.codec_context, self.source.name
        # 0 stands for "not known before a frame is decoded".
        if context.sample_rate:
            self.limits.check_rate(context.sample_rate, name)
        if context.channels:
            self.limits.check_channels(context.channels, name)
        end = self.stated_end
        if end is None:
            return
        begin = max(self.source.start or 0.0, self.clock.seconds(self.stream.start_time, self.stream.time_base) or 0.0)
        seconds = max((end if self.source.end is None else min(end, self.source.end)) - begin, 0.0)
        rate = context.sample_rate or self.limits.min_sampling_rate
        self.limits.check_length(seconds * rate, max(context.channels, 1), rate, name)

    def read(self, *, seek: bool) -> AudioSamples:
        """Decode the segment, or all."""
        timeline = Timeline(self.limits, self.source.name, self.source.start, self.source.end)
        ended, sounds = True, False
        for time, frame in self._sought(timeline) if seek else self.frames():
            if timeline.is_full:
                ended = False
                break
            timeline.place(time, self.planes.of(frame), frame.sample_rate, paused=self._is_paused(timeline, time))
            if not sounds:
                sounds, self._begin = True, timeline.begin
            if not timeline.is_wanted:
                self.bad_packets = 0
        if not sounds:
            raise self._nothing(seek)
        return self._finished(timeline, ended)

    def _finished(self, timeline: Timeline, ended: bool) -> AudioSamples:
        timeline.counts["damaged_packets"] = self.bad_packets
        jumps, base = self.clock.warnings, stated_ratio(self.stream.time_base)
        exact = self.stream.duration is not None and base is not None and base <= Fraction(1, 8000)
        end = None if jumps else self.stated_end
        samples = timeline.finish(end, exact=exact)
        last = end_as_tagged(self.clock, self.stream) if end is None else end
        if ended:
            last = min(timeline.position, end) if exact and end is not None else timeline.position
        extent = None if last is None or self._begin is None else (self._begin, last)
        if samples.waveform.shape[1] == 0:
            raise no_sound_there(self.source.name, extent)
        warnings = (*samples.warnings, *jumps)
        return AudioSamples(samples.waveform, samples.sampling_rate, samples.start, warnings, extent)

    def can_seek(self, exact: bool) -> bool:
        """Tell whether the segment is late, and can be found by seeking; see `read_track`."""
        start, codec = self.source.start, self.stream.codec_context.name
        late = start is not None and start > 2 * _PREROLL_SECONDS and bool(self.stream.time_base)
        indexed = bool(set(self.container.format.name.split(",")) & _SEEKABLE)
        return late and indexed and (not exact or codec in _REPRODUCIBLE or codec.startswith("pcm_"))

    def _sought(self, timeline: Timeline) -> Iterator[tuple[float | None, AudioFrame]]:
        """Yield frames from before the segment on; the timeline counts samples as if all before had been decoded.

        Raises:
            _NotWhereStatedError: they cannot be counted so.
        """
        start, base = self.source.start or 0.0, _ratio(self.stream.time_base)
        context = self.stream.codec_context
        # A time of every sample is exact; others are rounded, and counted from the first frames.
        firsts = [] if base * context.sample_rate <= 1 else list(itertools.islice(self.frames(), 2))
        self.container.seek(int((start + float(self.clock.origin) - _PREROLL_SECONDS) / base), stream=self.stream)
        self.bad_packets = 0
        frames = self.frames()
        for time, frame in itertools.islice(frames, 1):
            begin, number = self._place_of(time, frame.sample_rate, firsts)
            timeline.begin_at(begin, frame.sample_rate)
            timeline.pass_over(number, frame.sample_rate)
            yield None, frame
        yield from frames

    def _place_of(self, time: float | None, rate: int, firsts: Sequence[tuple[float | None, AudioFrame]]) -> Any:
        """Return when the track begins (s), and how many samples come before the frame at ``time`` (s)."""
        if time is None:
            raise _NotWhereStatedError
        if not firsts:
            begin = self.clock.seconds(self.stream.start_time, self.stream.time_base) or 0.0
            return begin, round((time - begin) * rate)
        begin, first, size = firsts[0][0] or 0.0, firsts[0][1].samples, firsts[-1][1].samples
        position = (time - begin) * rate
        number = first + round((position - first) / size) * size
        allowed = float(_ROUNDED_TICKS * _ratio(self.stream.time_base) * rate)
        alike = {frame.sample_rate for _, frame in firsts} == {rate} and number >= 0
        if not alike or abs(number - position) > allowed or size < 4 * allowed:
            raise _NotWhereStatedError
        return begin, number

    def _is_paused(self, timeline: Timeline, time: float | None) -> bool:
        """Tell whether a gap before the frame at ``time`` was made by the encoder."""
        short = time is not None and time - timeline.position <= _DTX_SECONDS
        return short and self.stream.codec_context.name == "opus" and min(self._sizes) <= _DTX_BYTES

    def frames(self) -> Iterator[tuple[float | None, AudioFrame]]:
        """Yield (seconds into the file or None, frame)."""
        context, base = self.stream.codec_context, self.stream.time_base
        for packet in self._packets():
            self._sizes = [*self._sizes[-1:], packet.size if packet is not None else 0]
            try:
                frames = context.decode(packet)
            except av.FFmpegError:
                self.bad_packets += 1
                continue
            for frame in frames:
                yield self.clock.seconds(frame.pts, base), frame

    def _packets(self) -> Iterator[av.Packet[AudioStream] | None]:
        return readable_packets(self.clock, self.stream, self._count_bad_packet)

    def _count_bad_packet(self) -> None:
        self.bad_packets += 1

    def _nothing(self, sought: bool) -> MediaError:
        if sought:
            end = self.stated_end
            begin = self.clock.seconds(self.stream.start_time, self.stream.time_base) or 0.0
            return no_sound_there(self.source.name, None if end is None else (begin, end))

        if self.bad_packets:
            return MediaError(f"{self.source.name!r}: no sound can be decoded; the file is damaged or cut off")
        return MediaError(f"{self.source.name!r} {_EMPTY_STREAM}", code="no_audio")


def _ratio(ratio: Any) -> Fraction:
    return Fraction(ratio.numerator, ratio.denominator)


def _no_audio(container: InputContainer, name: str) -> MediaError:
    if container.streams.audio and not any(stream.codec_context for stream in container.streams.audio):
        return MediaError(f"{name!r}: the codec of its sound is unknown; encode it anew, for example as AAC")
    kinds = sorted({stream.type for stream in container.streams})
    detail = f"its streams are: {', '.join(kinds)}" if kinds else "it has no streams"
    if container.streams.audio:
        detail = "that of another programme is not taken; name it by audio_stream"
    return MediaError(f"{name!r} has no audio stream; {detail}; give its sound in audios", code="no_audio")
