"""Read a video's own track, and the sound files that soundfile does not know, with PyAV (FFmpeg inside)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from vqe_core.errors import MediaError
from vqe_core.media.audio.buffer import SampleBlocks
from vqe_core.media.audio.signal import slice_seconds
from vqe_core.media.audio.source import full_scale
from vqe_core.media.clock import FileClock
from vqe_core.media.container import (
    in_seconds,
    media_errors,
    open_container,
    readable_packets,
    stated_ratio,
)
from vqe_core.media.encryption import check_not_encrypted
from vqe_core.media.limits import AudioLimits, MediaLimits
from vqe_core.media.streams import choose_streams
from vqe_core.types import AudioSamples, MediaSource

# Smaller differences between a block's time and the samples counted are jitter, or rounding of the container.
_GAP_SECONDS = 0.1

_JUMP_BACK = "the clock of the sound jumps back"


@dataclass
class Timeline:
    """Blocks of a track one after the other. Samples are counted from the first one, as times are often rounded.

    Attributes:
        blocks: what is kept.
        start, end: seconds, the segment; None for all.
        begin: seconds, time of the first block.
        counted: samples a channel since then, kept or not.
        last_size: samples of the last block.
        warnings: holes met.
    """

    blocks: SampleBlocks
    start: float | None = None
    end: float | None = None
    begin: float | None = None
    counted: int = 0
    last_size: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def position(self) -> float:
        """Seconds, where the next block belongs."""
        return (self.begin or 0.0) + self.counted / self.blocks.sampling_rate

    @property
    def is_full(self) -> bool:
        """True if nothing of the segment can follow."""
        return self.end is not None and self.position >= self.end

    def place(self, time: float | None, block: np.ndarray) -> None:
        """Add a block, float32 (C, T), heard at ``time`` (s), or after the one before if None.

        A hole in the track becomes silence, so that later sound stays with its images.
        """
        if self.begin is None:
            self.begin = time or 0.0
        elif time is not None:
            self._bridge(time - self.position)
        self.counted += block.shape[1]
        self.last_size = block.shape[1]
        if self.blocks.length or self.start is None or self.position > self.start:
            self.blocks.add(block)

    def finish(self, stated_end: float | None, padding_ends_there: bool) -> AudioSamples:
        """Return the samples kept.

        Args:
            stated_end: seconds, where the track ends as its header has it, or None.
            padding_ends_there: True if that is exact to a sample, so that what sticks out of the last block is
                padding of the encoder.
        """
        rate, length = self.blocks.sampling_rate, self.blocks.length
        first = self.counted - length
        if stated_end is not None:
            stated = round((stated_end - (self.begin or 0.0)) * rate)
            wanted = stated if self.end is None else min(stated, round((self.end - (self.begin or 0.0)) * rate))
            if padding_ends_there and 0 < self.counted - stated <= 2 * self.last_size:
                length = max(stated - first, 0)
            elif length < 0.95 * (wanted - first):
                self.warnings.append(f"ends early: at {self.position:.2f} of {stated_end:.2f} s")
        kept = np.ascontiguousarray(self.blocks.join()[:, :length])
        return AudioSamples(kept, rate, (self.begin or 0.0) + first / rate, tuple(self.warnings))

    def _bridge(self, missing: float) -> None:
        if missing > _GAP_SECONDS:
            samples = round(missing * self.blocks.sampling_rate)
            if self.blocks.length:
                self.warnings.append(
                    f"{missing:.2f} s of sound are missing at {self.position:.2f} s; silence is put there"
                )
                self.blocks.add_silence(samples)
            self.counted += samples
        elif missing < -_GAP_SECONDS and _JUMP_BACK not in self.warnings:
            self.warnings.append(_JUMP_BACK)


# Containers with an index by time, in which a seek lands where it should.
_SEEKABLE = {"mov", "matroska"}

# Decoders need some sound before the wanted one to be in the right state: 80 ms for Opus, less for others.
_PREROLL_SECONDS = 1.0

# FFmpeg guesses the length of a raw AAC stream from the bit rate, and that of transport and programme streams from
# their last time, also where the clock has jumped.
_WITHOUT_LENGTH = {"aac", "mpegts", "mpeg"}

# Of planar formats.
_SAMPLES = {"u8p": np.uint8, "s16p": np.int16, "s32p": np.int32, "fltp": np.float32, "dblp": np.float64}

_EMPTY_STREAM = "has an audio stream with no samples in it"


def read_track(source: MediaSource, limits: AudioLimits) -> AudioSamples:
    """Decode the audio stream that FFmpeg prefers, limited to the source's segment.

    Channels stay as they are: FFmpeg's own way to mono is 3 dB louder than the mean.

    Args:
        source: with ``path`` or ``data``. Its segment counts on the clock of the file, see `FileClock`.
        limits: what the file may ask for.

    Returns:
        float32 (C, T), maybe of length 0; ``start`` is on the same clock. The delay and padding of the encoder
        are left out where the file states them.

    Raises:
        MediaError: code ``no_audio``, ``bad_sample_rate``, ``bad_channels``, ``too_long`` or ``decode_error``.
    """
    allowed = MediaLimits(formats=limits.formats)
    with media_errors(source.name), open_container(source, allowed) as container:
        video, audio = choose_streams(container, source)
        check_not_encrypted(source, "audio", audio)
        if audio is None:
            raise _no_audio(container, source.name)
        audio.codec_context.thread_count = 1
        clock = FileClock.of(container, [audio] if video is None else [video, audio])
        track = _Track(clock, audio, source, limits, has_images=video is not None)
        track.check_header()
        return track.read()


@dataclass
class _Track:
    """One pass over an audio stream."""

    clock: FileClock
    stream: AudioStream
    source: MediaSource
    limits: AudioLimits
    has_images: bool
    bad_packets: int = 0

    @property
    def container(self) -> InputContainer:
        """The open file."""
        return self.clock.container

    @property
    def first_time(self) -> float:
        """Seconds into the file at which the track begins, as the header has it."""
        return self.clock.seconds(self.stream.start_time, self.stream.time_base) or 0.0

    @property
    def stated_seconds(self) -> float | None:
        """Length of the track as the header has it, or None."""
        if self.container.format.name in _WITHOUT_LENGTH:
            return None
        seconds = in_seconds(self.stream.duration, self.stream.time_base)
        if seconds is not None:
            return seconds
        if self.container.duration is not None and not self.has_images:
            return self.container.duration / av.time_base
        return None

    def check_header(self) -> None:
        """Refuse what the header asks for, before anything is decoded."""
        context, name = self.stream.codec_context, self.source.name
        # 0 stands for "not known before a frame is decoded".
        if context.sample_rate:
            self.limits.check_rate(context.sample_rate, name)
        if context.channels:
            self.limits.check_channels(context.channels, name)
        seconds = self.stated_seconds
        measured = self.container.format.name in _WITHOUT_LENGTH
        if seconds is None and self.has_images and self.container.duration is not None and not measured:
            seconds = self.container.duration / av.time_base
        if seconds is None:
            return
        last = seconds if self.source.end is None else min(seconds, self.source.end)
        wanted = max(last - max(self.source.start or 0.0, 0.0), 0.0)
        rate = context.sample_rate or self.limits.min_sampling_rate
        self.limits.check_length(wanted * rate, max(context.channels, 1), rate, name)

    def read(self) -> AudioSamples:
        """Decode the segment, or all."""
        self._seek()
        timeline: Timeline | None = None
        for time, frame in self._frames():
            if timeline is None:
                blocks = SampleBlocks(self.limits, frame.sample_rate, self.source.name)
                timeline = Timeline(blocks, self.source.start, self.source.end)
            if timeline.is_full:
                break
            self._check_frame(frame, timeline.blocks.sampling_rate)
            timeline.place(time, _planar(frame))
        if timeline is None:
            raise self._nothing()
        if self.bad_packets:
            timeline.warnings.append(f"packets of sound that cannot be decoded: {self.bad_packets}")
        seconds, base = self.stated_seconds, stated_ratio(self.stream.time_base)
        exact = self.stream.duration is not None and base is not None and base <= Fraction(1, 8000)
        stated_end = None if seconds is None or self.clock.warnings else self.first_time + seconds
        timeline.warnings += self.clock.warnings
        return slice_seconds(timeline.finish(stated_end, exact), self.source.start, self.source.end)

    def _seek(self) -> None:
        start, base = self.source.start, stated_ratio(self.stream.time_base)
        if start is None or start <= 2 * _PREROLL_SECONDS or base is None:
            return
        if set(self.container.format.name.split(",")) & _SEEKABLE:
            self.container.seek(int((start + float(self.clock.origin) - _PREROLL_SECONDS) / base), stream=self.stream)

    def _check_frame(self, frame: AudioFrame, sampling_rate: int) -> None:
        self.limits.check_rate(frame.sample_rate, self.source.name)
        if frame.sample_rate != sampling_rate:
            raise MediaError(
                f"{self.source.name!r} changes its sampling rate from {sampling_rate} to {frame.sample_rate} Hz "
                "midway; encode it anew",
                code="bad_sample_rate",
            )

    def _frames(self) -> Iterator[tuple[float | None, AudioFrame]]:
        """Yield (seconds into the file or None, frame)."""
        context, base = self.stream.codec_context, self.stream.time_base
        for packet in self._packets():
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

    def _nothing(self) -> MediaError:
        if self.bad_packets:
            return MediaError(f"{self.source.name!r}: no sound can be decoded; the file is damaged or cut off")
        # After a seek to the end of a track, the decoder may have no samples to give at all.
        segment = self.source.start is not None or self.source.end is not None
        detail = "holds no sound, or none within the segment asked for" if segment else _EMPTY_STREAM
        return MediaError(f"{self.source.name!r} {detail}", code="no_audio")


def _no_audio(container: InputContainer, name: str) -> MediaError:
    if container.streams.audio and not any(stream.codec_context for stream in container.streams.audio):
        return MediaError(f"{name!r}: the codec of its sound is unknown; encode it anew, for example as AAC")
    kinds = sorted({stream.type for stream in container.streams})
    detail = f"its streams are: {', '.join(kinds)}" if kinds else "it has no streams"
    if container.streams.audio:
        detail = "that of another programme is not taken; name it by audio_stream"
    return MediaError(f"{name!r} has no audio stream; {detail}; give its sound in audios", code="no_audio")


def _planar(frame: AudioFrame) -> np.ndarray:
    channels, kind = frame.layout.nb_channels, _SAMPLES.get(frame.format.name)
    if kind is None:
        return full_scale(frame.to_ndarray().reshape(-1, channels).T)
    # With 8 channels and more PyAV counts planes that are none, and its own conversion reads what they point at.
    planes = [np.frombuffer(memoryview(plane), dtype=kind, count=frame.samples) for plane in frame.planes[:channels]]
    return full_scale(np.stack(planes))
