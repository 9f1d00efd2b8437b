"""Limits of videos and audio: more is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vqe_core.errors import InputError, MediaError

# Formats that hold images or sound in one file. Playlists, concat scripts, DASH, SDP and image sequences
# stay out: they make FFmpeg open other files.
ALLOWED_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,mpegts,mpeg,flv,ogg,asf,ivf,h264,hevc,mpegvideo,m4v,"
    "wav,flac,mp3"
)


@dataclass(frozen=True)
class MediaLimits:
    """Bounds on what one video may cost and reach.

    Attributes:
        max_pixels: pixels of one frame, width times height. Default: 8192 x 4320. Short files may have less: 4K up to
            9 kB and then 1,024 pixels a byte; of GIF and APNG 1920 x 1200, and then 16 a byte.
        max_total_pixels: pixels of all frames that one pass over a file decodes. Default: 2^40, five hours of
            1920 x 1080 at 30 fps, which take far longer than a row may. Of GIF and APNG 2^34 and 2^15 a byte.
        max_frames_in_table: frames of one video, decoded or not. Default: two million (18 hours at 30 fps).
        formats: comma-separated FFmpeg demuxer names that may be opened.
        protocols: comma-separated FFmpeg protocol names that a path may use. Encoded bytes may use none.
    """

    max_pixels: int = 8192 * 4320
    max_total_pixels: int = 2**40
    max_frames_in_table: int = 2_000_000
    formats: str = ALLOWED_FORMATS
    protocols: str = "file"

    def __post_init__(self) -> None:
        for name in ("max_pixels", "max_total_pixels", "max_frames_in_table"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} ({value!r}) must be a whole number of at least 1")


DEFAULT_LIMITS = MediaLimits()


# As for videos, and the formats that hold nothing but sound.
ALLOWED_SOUND_FORMATS = f"{ALLOWED_FORMATS},aac,ac3,eac3,aiff,amr,ape,au,caf,dts,tta,w64,wv"


@dataclass(frozen=True)
class AudioLimits:
    """Bounds on what one sound may cost. Headers are held to them before anything is allocated, and since
    headers lie, so is what comes out while decoding.

    Attributes:
        min_sampling_rate, max_sampling_rate: Hz, both allowed. Default: 4 kHz to 384 kHz.
        max_channels: Default: 32.
        max_seconds: length of the sound, or of the segment asked for. Default: one hour.
        max_samples: samples of all channels together, also after resampling, 4 bytes each. Default: 2 GiB, an
            hour of stereo at 48 kHz and then half as much again.
        formats: comma-separated FFmpeg demuxer names that may be opened.
    """

    min_sampling_rate: int = 4_000
    max_sampling_rate: int = 384_000
    max_channels: int = 32
    max_seconds: float = 3600.0
    max_samples: int = 2**29
    formats: str = ALLOWED_SOUND_FORMATS

    def __post_init__(self) -> None:
        for name in ("min_sampling_rate", "max_sampling_rate", "max_channels", "max_samples"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} ({value!r}) must be a whole number of at least 1")
        if isinstance(self.max_seconds, bool) or not 0 < self.max_seconds < math.inf:
            raise InputError(f"max_seconds ({self.max_seconds!r}) must be a positive, finite number of seconds")
        if self.min_sampling_rate > self.max_sampling_rate:
            raise InputError(
                f"min_sampling_rate ({self.min_sampling_rate}) must not exceed max_sampling_rate "
                f"({self.max_sampling_rate})"
            )

    def check_rate(self, sampling_rate: float, name: str) -> None:
        """Raise `MediaError` ``bad_sample_rate`` unless ``sampling_rate`` (Hz) is within the limits."""
        if not self.min_sampling_rate <= sampling_rate <= self.max_sampling_rate:
            raise MediaError(
                f"{name!r} has a sampling rate of {sampling_rate:.12g} Hz, outside {self.min_sampling_rate} to "
                f"{self.max_sampling_rate} Hz (AudioLimits.min_sampling_rate, max_sampling_rate); its header is "
                "probably damaged; encode it anew or widen the limits",
                code="bad_sample_rate",
            )

    def check_channels(self, channels: int, name: str) -> None:
        """Raise `MediaError` ``bad_channels`` unless the number of channels is within the limits."""
        if not 1 <= channels <= self.max_channels:
            raise MediaError(
                f"{name!r} has {channels} channels, outside 1 to {self.max_channels} (AudioLimits.max_channels); "
                "its header is damaged, or the array has its axes swapped (channels come first: use array.T)",
                code="bad_channels",
            )

    def check_length(
        self, samples: float, channels: int, sampling_rate: int, name: str, *, before: float = 0.0
    ) -> None:
        """Raise `MediaError` ``too_long`` if so many samples a channel are too many.

        Args:
            samples: number a channel, as stated or as counted so far.
            channels: number of them.
            sampling_rate: Hz.
            name: the sound, for the message.
            before: seconds of the sound that came before these samples, at another rate.
        """
        if samples + before * sampling_rate > self.max_seconds * sampling_rate:
            seconds = before + samples / sampling_rate
            raise MediaError(
                f"{name!r} is {seconds:.0f} s long, more than the limit of {self.max_seconds:g} s "
                "(AudioLimits.max_seconds); give a segment (start, end) or raise the limit",
                code="too_long",
            )
        if samples * channels > self.max_samples:
            raise MediaError(
                f"{name!r} holds {samples:.0f} samples in each of {channels} channels, together more than the limit "
                f"of {self.max_samples} (AudioLimits.max_samples); give a segment (start, end) or raise the limit",
                code="too_long",
            )


DEFAULT_AUDIO_LIMITS = AudioLimits()
