"""Read a video's own track, and the sound files that soundfile does not know, with PyAV (FFmpeg inside)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from vqe_core.errors import MediaError
from vqe_core.media.audio_arrays import full_scale
from vqe_core.media.audio_blocks import SampleBlocks
from vqe_core.media.audio_limits import AudioLimits
from vqe_core.media.audio_signal import slice_seconds
from vqe_core.media.container import _open_container as open_container
from vqe_core.media.container import media_errors
from vqe_core.media.limits import MediaLimits
from vqe_core.types import AudioSamples, MediaSource

# Smaller differences between a frame's time and the samples counted are rounding of the container or jitter.
_GAP_SECONDS = 0.1

# Containers with an index by time, in which a seek lands where it should.
_SEEKABLE = {"mov", "matroska"}

# Decoders need some sound before the wanted one to be in the right state: 80 ms for Opus, less for others.
_PREROLL_SECONDS = 1.0


def read_track(source: MediaSource, limits: AudioLimits) -> AudioSamples:
    """Decode the audio stream that FFmpeg prefers, limited to the source's segment.

    Channels stay as they are: FFmpeg's own way to mono is 3 dB louder than the mean.

    Args:
        source: with ``path`` or ``data``. Its segment counts on the clock of the video's frames, or from the
            first sample where there are no pictures.
        limits: what the file may ask for.

    Returns:
        float32 (C, T), maybe of length 0; ``start`` is on the same clock. The delay and padding of the encoder
        are left out where the file states them.

    Raises:
        MediaError: code ``no_audio``, ``bad_sample_rate``, ``bad_channels``, ``too_long`` or ``decode_error``.
    """
    allowed = MediaLimits(formats=limits.formats)
    with media_errors(source.name), open_container(source, allowed) as container:
        stream = _audio_stream(container, source.name)
        track = _Track(container, stream, source, limits)
        track.check_header()
        return track.read()


@dataclass
class _Track:
    """One pass over an audio stream."""

    container: InputContainer
    stream: AudioStream
    source: MediaSource
    limits: AudioLimits
    remarks: list[str] = field(default_factory=list)
    bad_packets: int = 0
    origin: float = 0.0  # time in the container (s) that the result's clock calls 0

    def __post_init__(self) -> None:
        pictures = any(not stream.disposition & Disposition.attached_pic for stream in self.container.streams.video)
        if not pictures and self.stream.start_time is not None and self.stream.time_base is not None:
            self.origin = float(self.stream.start_time * self.stream.time_base)

    @property
    def stated_seconds(self) -> float | None:
        """Length of the track as its header has it, or None."""
        if self.stream.duration is not None and self.stream.time_base is not None:
            return float(self.stream.duration * self.stream.time_base)
        if self.container.duration is not None and not self.container.streams.video:
            return self.container.duration / av.time_base
        return None

    def check_header(self) -> None:
        """Refuse what the header asks for, before anything is decoded."""
        context = self.stream.codec_context
        # 0 stands for "not known before a frame is decoded".
        if context.sample_rate:
            self.limits.check_rate(context.sample_rate, self.source.name)
        if context.channels:
            self.limits.check_channels(context.channels, self.source.name)
        seconds = self.stated_seconds
        if seconds is None and self.container.duration is not None:
            seconds = self.container.duration / av.time_base
        if seconds is None:
            return
        first = max(self.source.start or 0.0, 0.0)
        last = seconds if self.source.end is None else min(seconds, self.source.end)
        rate = context.sample_rate or self.limits.min_sampling_rate
        self.limits.check_length(max(last - first, 0.0) * rate, max(context.channels, 1), rate, self.source.name)

    def read(self) -> AudioSamples:
        """Decode the segment, or all."""
        self._seek()
        blocks: SampleBlocks | None = None
        begin = 0.0
        last_size = 0
        for time, frame in self._frames():
            if blocks is None:
                blocks = SampleBlocks(self.limits, frame.sample_rate, self.source.name)
            if frame.sample_rate != blocks.sampling_rate:
                raise MediaError(
                    f"{self.source.name!r} changes its sampling rate from {blocks.sampling_rate} to "
                    f"{frame.sample_rate} Hz midway; encode it anew",
                    code="bad_sample_rate",
                )
            if blocks.length == 0:
                begin = 0.0 if time is None else time
                if time is not None and self._is_before_segment(time, frame):
                    continue
            elif time is not None:
                self._bridge(blocks, time - begin)
            if self.source.end is not None and begin + blocks.length / blocks.sampling_rate >= self.source.end:
                break
            blocks.add(_planar(frame))
            last_size = frame.samples
        if blocks is None:
            raise self._nothing()
        return self._finished(blocks, begin, last_size)

    def _finished(self, blocks: SampleBlocks, begin: float, last_size: int) -> AudioSamples:
        rate, length = blocks.sampling_rate, blocks.length
        stated = self._stated_end(begin, rate)
        if stated is not None:
            # The last block of a codec is full; what sticks out beyond the stated end is padding.
            if 0 < length - stated <= 2 * last_size:
                length = stated
            elif length < 0.95 * stated:
                self.remarks.append(f"ends early: {length / rate:.2f} of {stated / rate:.2f} s can be decoded")
        if self.bad_packets:
            self.remarks.append(f"{self.bad_packets} packets of sound cannot be decoded")
        samples = AudioSamples(blocks.join()[:, :length], rate, start=begin, warnings=tuple(self.remarks))
        return slice_seconds(samples, self.source.start, self.source.end)

    def _stated_end(self, begin: float, rate: int) -> int | None:
        """Samples from ``begin`` to the end that header and segment give, or None."""
        seconds = self.stated_seconds
        # A raw AAC stream has no header: FFmpeg guesses its length from the bit rate.
        if seconds is None or self.container.format.name == "aac":
            return None
        start = self.stream.start_time
        base = self.stream.time_base
        first = begin if start is None or base is None else float(start * base) - self.origin
        end = first + seconds
        if self.source.end is not None:
            end = min(end, self.source.end)
        return max(round((end - begin) * rate), 0)

    def _seek(self) -> None:
        start = self.source.start
        if start is None or start <= 2 * _PREROLL_SECONDS:
            return
        if not set(self.container.format.name.split(",")) & _SEEKABLE or self.stream.time_base is None:
            return
        target = start + self.origin - _PREROLL_SECONDS
        self.container.seek(int(target / self.stream.time_base), stream=self.stream)

    def _is_before_segment(self, time: float, frame: AudioFrame) -> bool:
        return self.source.start is not None and time + frame.samples / frame.sample_rate <= self.source.start

    def _bridge(self, blocks: SampleBlocks, offset: float) -> None:
        """Keep later sound at its time: fill a hole in the track with silence."""
        missing = offset - blocks.length / blocks.sampling_rate
        if missing > _GAP_SECONDS:
            at = blocks.length / blocks.sampling_rate
            blocks.add_silence(round(missing * blocks.sampling_rate))
            self.remarks.append(f"{missing:.2f} s of sound are missing {at:.2f} s in; silence is put there")
        elif missing < -_GAP_SECONDS and "the clock of the sound jumps back" not in self.remarks:
            self.remarks.append("the clock of the sound jumps back")

    def _frames(self) -> Iterator[tuple[float | None, AudioFrame]]:
        """Yield (seconds on the result's clock or None, frame)."""
        context, base = self.stream.codec_context, self.stream.time_base
        for packet in self._packets():
            try:
                frames = context.decode(packet)
            except av.FFmpegError:
                self.bad_packets += 1
                continue
            for frame in frames:
                self.limits.check_rate(frame.sample_rate, self.source.name)
                if frame.pts is None or base is None:
                    yield None, frame
                else:
                    yield float(frame.pts * base) - self.origin, frame

    def _packets(self) -> Iterator[av.Packet[AudioStream] | None]:
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                # What follows cannot be reached; what the decoder still holds can.
                self.bad_packets += 1
                packet = None
            if packet is not None and packet.size == 0:
                continue
            yield packet
            if packet is None:
                return

    def _nothing(self) -> MediaError:
        if self.bad_packets:
            return MediaError(f"{self.source.name!r}: no sound can be decoded; the file is damaged or cut off")
        return MediaError(f"{self.source.name!r} has an audio stream with no samples in it", code="no_audio")


def _audio_stream(container: InputContainer, name: str) -> AudioStream:
    best = container.streams.best("audio")
    streams = [best] if isinstance(best, AudioStream) else []
    streams += list(container.streams.audio)
    for stream in streams:
        if stream.codec_context is not None:
            stream.codec_context.thread_count = 1
            return stream
    if streams:
        raise MediaError(f"{name!r}: the codec of its sound is unknown; encode it anew, for example as AAC")
    kinds = sorted({stream.type for stream in container.streams})
    detail = f"its streams are: {', '.join(kinds)}" if kinds else "it has no streams"
    raise MediaError(f"{name!r} has no audio stream; {detail}; give its sound in audios", code="no_audio")


def _planar(frame: AudioFrame) -> np.ndarray:
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    return full_scale(samples)
